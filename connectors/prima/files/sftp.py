"""Files on an SFTP server whose host key is pinned: an unknown key is refused, and its fingerprint shown."""

import contextlib
import socket
import stat
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import IO

import paramiko

from connectors.base import Settings
from connectors.errors import ConfigurationError, UnavailableError
from connectors.prima.files.names import Entry
from connectors.prima.files.places import elsewhere

CONNECT, PATIENCE = 10.0, 120.0


class SftpPlace:
    def __init__(
        self, system: str, client: paramiko.SFTPClient, folder: str, out: str, moved: Mapping[str, str]
    ) -> None:
        self._system, self._client, self._out, self._moved = system, client, out, moved
        self._root = folder.rstrip("/")

    def entries(self, folder: str = "") -> list[Entry]:
        try:
            listed = self._client.listdir_attr(self._path(folder, "") or ".")
        except FileNotFoundError as error:
            if folder:
                return []
            raise ConfigurationError(
                f"{self._system}: the SFTP server has no folder of that name.",
                system=self._system,
                remedy="Correct FILES_FOLDER (and FILES_OUT_FOLDER).",
            ) from error
        return [
            Entry(file.filename, file.st_size or 0, float(file.st_mtime or 0), folder)
            for file in listed
            if stat.S_ISREG(file.st_mode or 0) and "/" not in file.filename
        ]

    def fetch(self, entry: Entry, into: IO[bytes]) -> None:
        self._client.getfo(self._path(entry.folder, entry.name), into)

    def move(self, entry: Entry, folder: str) -> None:
        self._folder(folder)
        self._client.posix_rename(self._path(entry.folder, entry.name), self._path(folder, entry.name))

    def remove(self, entry: Entry) -> None:
        self._client.remove(self._path(entry.folder, entry.name))

    def put(self, folder: str, name: str, content: bytes) -> None:
        if folder:
            self._folder(folder)
        with self._client.open(self._path(folder, f"{name}.tmp"), "wb") as file:
            file.write(content)
        self._client.posix_rename(self._path(folder, f"{name}.tmp"), self._path(folder, name))

    def out(self) -> "SftpPlace":
        return SftpPlace(self._system, self._client, self._out, "", {})

    def _folder(self, name: str) -> None:
        with contextlib.suppress(OSError):  # it is there already
            self._client.mkdir(self._path(name, ""))

    def _path(self, folder: str, name: str) -> str:
        within = self._moved.get(folder) or "/".join(part for part in (self._root, folder) if part)
        return "/".join(part for part in (within, name) if part)


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[SftpPlace]:
    """Raises ConfigurationError for a host key that is not the pinned one or a refused sign-in, UnavailableError
    when the server does not answer or breaks off."""
    system, (host, port) = settings.connection, _address(settings)
    try:
        with contextlib.closing(socket.create_connection((host, port), CONNECT)) as connection:
            transport = paramiko.Transport(connection)
            try:
                transport.start_client(timeout=CONNECT)
                _pinned(settings, transport.get_remote_server_key())
                _sign_in(settings, transport)
                client = paramiko.SFTPClient.from_transport(transport)
                if client is None:
                    raise UnavailableError(f"{system}: the SFTP server opens no session.", system=system)
                channel = client.get_channel()
                if channel is not None:
                    channel.settimeout(PATIENCE)
                yield SftpPlace(
                    system,
                    client,
                    settings.text("FILES_FOLDER"),
                    settings.text("FILES_OUT_FOLDER"),
                    elsewhere(settings),
                )
            finally:
                transport.close()
    except paramiko.AuthenticationException as error:
        raise ConfigurationError(
            f"{system}: the SFTP server refuses the sign-in.",
            system=system,
            remedy="Check SFTP_USER and SFTP_KEY_FILE or SFTP_PASSWORD.",
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnavailableError(
            f"{system}: the SFTP server does not answer as it should ({type(error).__name__}).",
            system=system,
            reply=str(error)[:200],
            remedy="Check that it is up and that SFTP_HOST is right. It is tried again by itself.",
        ) from error


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` prints it."""
    return f"SHA256:{b64encode(sha256(key.asbytes()).digest()).decode().rstrip('=')}"


def _pinned(settings: Settings, key: paramiko.PKey) -> None:
    pinned = settings.text("SFTP_HOST_KEY").strip()
    whole = f"{key.get_name()} {key.get_base64()}"
    if pinned and (pinned.rstrip("=") == fingerprint(key) or " ".join(pinned.split()[:2]) == whole):
        return
    what = "is not the pinned one" if pinned else "is not known yet"
    raise ConfigurationError(
        f"{settings.connection}: the SFTP server's host key {what}: it shows {key.get_name()} {fingerprint(key)}.",
        system=settings.connection,
        remedy="Ask the server's administrator for the fingerprint. If it is this one, set SFTP_HOST_KEY to it.",
    )


def _sign_in(settings: Settings, transport: paramiko.Transport) -> None:
    user, file = settings.text("SFTP_USER"), settings.text("SFTP_KEY_FILE")
    if not file:
        transport.auth_password(user, settings.secret("SFTP_PASSWORD"))
        return
    try:
        key = paramiko.PKey.from_path(file)
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise ConfigurationError(
            f"{settings.connection}: SFTP_KEY_FILE holds no private key that can be read.",
            system=settings.connection,
            remedy="Check the path, its permissions, and that the key has no passphrase.",
        ) from error
    transport.auth_publickey(user, key)


def _address(settings: Settings) -> tuple[str, int]:
    host, _, port = settings.text("SFTP_HOST").strip().rpartition(":")
    if not host:
        host, port = port, "22"
    if not port.isdigit():
        raise ConfigurationError(
            f"{settings.connection}: SFTP_HOST must be host or host:port.",
            system=settings.connection,
            remedy="Correct SFTP_HOST.",
        )
    return host, int(port)
