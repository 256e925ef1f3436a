"""A real server that answers as no system should, over http or with a certificate that is not in order."""

import datetime as dt
import gzip
import ipaddress
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

MEGABYTE = 2**20


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def credentials(self) -> str:
        return f"{self.headers.get('authorization', '')} {self.headers.get('x-wsse', '')} {self.body.decode('latin-1')}"


Answer = Callable[[socket.socket, Asked], None]


@dataclass
class Misbehaving:
    """`answer` writes to the socket whatever it likes; `good` answers while it is None and to token requests."""

    good: Callable[[Asked], tuple[int, bytes]]
    answer: Answer | None = None
    address: str = ""
    asked: list[Asked] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        asked = request(connection)
        if asked is None:
            return
        self.asked.append(asked)
        if self.answer and "token" not in asked.path:
            self.answer(connection, asked)
        else:
            reply(*self.good(asked))(connection, asked)


@contextmanager
def running(server: Misbehaving, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Misbehaving]:
    listener = socket.create_server(("127.0.0.1", 0))
    server.address = f"http{'s' if tls else ''}://{host}:{listener.getsockname()[1]}"
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.settimeout(20)
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            server.serve(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=one, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join()


def request(connection: socket.socket) -> Asked | None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = connection.recv(65536)
        if not part:
            return None
        raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Asked(method, path, headers, body)


# ------------------------------------------------------------------------------------------------ bad answers


def reply(status: int, body: bytes, length: int | None = None, **headers: str) -> Answer:
    """An answer with this body; `length` is announced in place of its own."""

    def answer(connection: socket.socket, asked: Asked) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}"]
        lines += ["Connection: close", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    return answer


def echoing(status: int, **headers: str) -> Answer:
    """A refusal that repeats the caller's credentials, as debugging pages do."""

    def answer(connection: socket.socket, asked: Asked) -> None:
        page = f"<html><body>Refused: {asked.credentials} for ana.diaz@example.com</body></html>"
        reply(status, page.encode(), **headers)(connection, asked)

    return answer


def endless(connection: socket.socket, asked: Asked) -> None:
    """One text of 100 MB, its size not announced."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"value":[{"name":"')
    part = b"x" * MEGABYTE
    for _ in range(100):
        connection.sendall(part)
    connection.sendall(b'"}]}')


def bomb(size: int) -> Answer:
    """Zeros that are small on the way and `size` megabytes when they are unpacked."""
    return reply(200, gzip.compress(b"0" * size * MEGABYTE), Content_Encoding="gzip")


def rows(text: str) -> bytes:
    return json.dumps({"value": [{"name": "Ana Diazcanary", "email": "ana.diaz@example.com", "text": text}]}).encode()


# ------------------------------------------------------------------------------------------------ certificates


def certificates(folder: Path, host: str, begins: dt.timedelta, ends: dt.timedelta) -> tuple[ssl.SSLContext, Path]:
    """A server's side with a certificate for `host`, and the authority that signed it."""
    now = dt.datetime.now(dt.UTC)
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    far = dt.timedelta(days=3650)
    root = _signed(issuer, issuer, authority, authority, now - far, now + far, x509.BasicConstraints(True, None))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host[0].isdigit():
        names = [x509.IPAddress(ipaddress.ip_address(host))]
    leaf = _signed(name, issuer, key, authority, now + begins, now + ends, x509.SubjectAlternativeName(names))
    pem, authority_pem = folder / "server.pem", folder / "authority.pem"
    pem.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    authority_pem.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, authority_pem


def _signed(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey,
    begins: dt.datetime, ends: dt.datetime, extension: x509.ExtensionType,
) -> x509.Certificate:  # fmt: skip
    made = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
    return made.add_extension(extension, critical=False).sign(by, hashes.SHA256())


def everything_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Down to DEBUG, the HTTP libraries' own loggers included: Django's set-up may have silenced them."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
        logging.getLogger(name).disabled = False
