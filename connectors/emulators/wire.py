"""HTTP/1.1 on a socket: reads requests, writes answers, and breaks them the way a fault asks for."""

import contextlib
import http
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from io import BufferedIOBase
from socketserver import StreamRequestHandler
from typing import Any

from connectors.emulators.system import Response

_LONGEST_LINE = 128 * 1024
_MOST_HEADERS = 100
_WORTH_COPYING = 64 * 1024  # below this one packet with the head beats two writes
_LARGEST_BODY = 512 * 1024 * 1024
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}


@dataclass
class Received:
    """One request as it came in; header names lower case, `target` undecoded."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    scheme: str
    client: str
    keep_alive: bool
    speaks_chunks: bool = True


@dataclass
class Delivery:
    """An answer and how it travels: whole, slowly (bytes a second), cut off, or not at all.

    `answer` None means that nothing is sent; the connection is closed, with a reset when `reset` is set.
    """

    answer: Response | None
    reset: bool = False
    bytes_per_second: float = 0
    cut: bool = False
    notes: dict[str, Any] = field(default_factory=dict)


class BadRequestError(Exception):
    """The bytes are not an HTTP request; the argument is the status to answer with."""


Answer = Callable[[Received], Delivery]


class Connection(StreamRequestHandler):
    """One client connection, kept alive; `server.answer(received)` says what to send."""

    disable_nagle_algorithm = True
    rbufsize = 128 * 1024
    wbufsize = 0

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while self._one():
                pass

    def _one(self) -> bool:
        try:
            received = self._read()
        except BadRequestError as error:
            self._send(Response(int(error.args[0])), "GET", keep_alive=False)
            return False
        if received is None:
            return False
        delivery = self.server.answer(received)  # type: ignore[attr-defined]  # socketserver types it as its base class
        return self._deliver(delivery, received)

    def _read(self) -> Received | None:
        line = self._line()
        if not line:
            return None
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            raise BadRequestError(400) from None
        headers = self._headers()
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        wishes = headers.get("connection", "").lower()
        keep_alive = wishes != "close" if version == "HTTP/1.1" else wishes == "keep-alive"
        scheme = "https" if hasattr(self.connection, "cipher") else "http"
        body = _body(self.rfile, headers)
        client, is_new = str(self.client_address[0]), version == "HTTP/1.1"
        return Received(method, target, headers, body, scheme, client, keep_alive, is_new)

    def _line(self) -> bytes:
        line = self.rfile.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise BadRequestError(414)
        return line.rstrip(b"\r\n")

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._line():
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or len(headers) >= _MOST_HEADERS:
                raise BadRequestError(400)
            headers[name.strip().lower()] = value.strip()
        return headers

    def _deliver(self, delivery: Delivery, received: Received) -> bool:
        if delivery.answer is None:
            self._close(delivery.reset)
            return False
        if delivery.answer.stream is not None:
            return self._stream(delivery, delivery.answer.stream, received)
        if delivery.cut:
            whole = self._encoded(delivery.answer, received.method, keep_alive=False)
            self.wfile.write(whole[: len(whole) - max(1, len(delivery.answer.body) // 2)])
            self._close(reset=False)
            return False
        if delivery.bytes_per_second:
            self._drip(self._encoded(delivery.answer, received.method, received.keep_alive), delivery.bytes_per_second)
        else:
            self._send(delivery.answer, received.method, received.keep_alive)
        return received.keep_alive

    def _stream(self, delivery: Delivery, pieces: Iterable[bytes], received: Received) -> bool:
        """In chunks, as they are made; a client of HTTP/1.0 hears the end when the connection closes.

        A cut ends it after the first piece: nobody knows the half of what has not been made yet.
        """
        assert delivery.answer is not None
        keep_alive = received.keep_alive and received.speaks_chunks and not delivery.cut
        self.wfile.write(self._head(delivery.answer, keep_alive, received.speaks_chunks))
        for piece in pieces if received.method != "HEAD" else ():
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if received.speaks_chunks else piece
            if piece and delivery.bytes_per_second:
                self._drip(framed, delivery.bytes_per_second)
            elif piece:
                self.wfile.write(framed)
            if delivery.cut:
                self._close(reset=False)
                return False
        if received.speaks_chunks and received.method != "HEAD":
            self.wfile.write(b"0\r\n\r\n")
        return keep_alive

    def _drip(self, content: bytes, bytes_per_second: float) -> None:
        step = max(1, int(bytes_per_second / 10))
        for at in range(0, len(content), step):
            self.wfile.write(content[at : at + step])
            time.sleep(step / bytes_per_second)

    def _send(self, answer: Response, method: str, keep_alive: bool) -> None:
        head = self._head(answer, keep_alive)
        if method == "HEAD" or len(answer.body) < _WORTH_COPYING:
            self.wfile.write(head if method == "HEAD" else head + answer.body)
        else:
            self.wfile.write(head)
            self.wfile.write(answer.body)

    def _encoded(self, answer: Response, method: str, keep_alive: bool) -> bytes:
        head = self._head(answer, keep_alive)
        return head if method == "HEAD" else head + answer.body

    @staticmethod
    def _head(answer: Response, keep_alive: bool, chunked: bool = False) -> bytes:
        headers = {name.lower(): f"{name}: {value}\r\n" for name, value in answer.headers.items()}
        headers["date"] = f"Date: {formatdate(usegmt=True)}\r\n"
        if answer.body and "content-type" not in headers:
            headers["content-type"] = "Content-Type: application/json; charset=utf-8\r\n"
        if chunked:
            headers["transfer-encoding"] = "Transfer-Encoding: chunked\r\n"
        elif answer.status != 204 and answer.stream is None:
            headers["content-length"] = f"Content-Length: {len(answer.body)}\r\n"
        if not keep_alive:
            headers["connection"] = "Connection: close\r\n"
        reason = _REASONS.get(answer.status, "Unknown")
        return f"HTTP/1.1 {answer.status} {reason}\r\n{''.join(headers.values())}\r\n".encode("latin-1", "replace")

    def _close(self, reset: bool) -> None:
        if reset:
            # Linger of zero seconds: the kernel answers with RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()


def _body(stream: BufferedIOBase, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunked(stream)
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise BadRequestError(400)
    if int(length) > _LARGEST_BODY:
        raise BadRequestError(413)
    body = stream.read(int(length)) if length != "0" else b""
    if len(body) != int(length):
        raise ConnectionResetError
    return body


def _chunked(stream: BufferedIOBase) -> bytes:
    parts = []
    size = 0
    while True:
        try:
            length = int(stream.readline(1024).split(b";")[0], 16)
        except ValueError:
            raise BadRequestError(400) from None
        size += length
        if size > _LARGEST_BODY:
            raise BadRequestError(413)
        if length == 0:
            break
        parts.append(stream.read(length))
        stream.readline(1024)
    while stream.readline(_LONGEST_LINE).strip():
        pass
    return b"".join(parts)
