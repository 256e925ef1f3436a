"""An SFTP listener beside the HTTP one, for systems that drop files: real keys, one folder per user.

Host key and users' keys are made on first use and kept; the folder that holds them is `sftp_keys` in
`/_control/systems`: `<user>` is the private key to log in with, `known_hosts` pins the host.
"""

import contextlib
import hmac
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED

from connectors.emulators.sftp_folder import Folder, Log
from connectors.emulators.system import SftpAccount

Accounts = Callable[[], dict[str, SftpAccount]]


def _key(path: Path) -> paramiko.Ed25519Key:
    """The private key in the file, made when there is none."""
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(made)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


class SftpListener:
    """Accepts connections until it is closed. `accounts` is asked at every login: switches may have changed it.

    OSError when somebody else has the port.
    """

    def __init__(self, host: str, port: int, keys: Path, accounts: Accounts, log: Log) -> None:
        self._keys, self._accounts, self._log = keys, accounts, log
        self._host_key = _key(keys / "host_key")
        for user in accounts():
            _key(keys / user)
        self._socket = socket.create_server((host, port))
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        self._write_known_hosts(host)
        self._open: set[paramiko.Transport] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _write_known_hosts(self, host: str) -> None:
        port = self.address.rpartition(":")[2]
        self.host_key = f"{self._host_key.get_name()} {self._host_key.get_base64()}"
        (self._keys / "known_hosts").write_text(f"[{host}]:{port} {self.host_key}\n")

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(self._host_key)
        self._open.add(transport)
        door = _Door(self._accounts(), self._keys)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, door.folder, self._log)
        # A client that does not like the host key, or is no SSH client at all, is gone before it begins.
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=door)
            transport.join()
        self._open.discard(transport)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        for transport in list(self._open):
            transport.close()


class _Door(paramiko.ServerInterface):
    """Lets a user in by key, or by password where the account has one."""

    def __init__(self, accounts: dict[str, SftpAccount], keys: Path) -> None:
        self._accounts, self._keys = accounts, keys
        self.user = ""
        self.account: SftpAccount | None = None

    def _enter(self, user: str) -> int:
        self.user, self.account = user, self._accounts[user]
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        account = self._accounts.get(username)
        return "publickey,password" if account and account.password else "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username in self._accounts and _key(self._keys / username) == key
        return self._enter(username) if known else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        account = self._accounts.get(username)
        if account is None or not account.password:
            return AUTH_FAILED
        right = hmac.compare_digest(account.password.encode(), password.encode())
        return self._enter(username) if right else AUTH_FAILED

    def folder(self, server: paramiko.ServerInterface, log: Log) -> Folder:
        """What SFTP opens once the user is in."""
        assert self.account is not None
        return Folder(server, self.account, self.user, log)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
