"""What an SFTP user can do: read, write, move and delete in one folder."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
from paramiko.sftp import SFTP_FAILURE, SFTP_OK

from connectors.emulators.system import SftpAccount

Log = Callable[[str, str], None]


class Folder(paramiko.SFTPServerInterface):
    """One user's folder, which is all there is."""

    def __init__(self, server: paramiko.ServerInterface, account: SftpAccount, user: str, log: Log) -> None:
        super().__init__(server)
        self._account, self._user, self._tell = account, user, log

    def _real(self, path: str) -> Path:
        return self._account.folder / self.canonicalize(path).lstrip("/")

    def _log(self, verb: str, path: str) -> None:
        self._tell(verb, f"/{self._user}{self.canonicalize(path)}")

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        self._log("LIST", path)
        try:
            found = sorted(self._real(path).iterdir())
            return [paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name) for entry in found]
        except OSError as error:
            return _code(error)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).stat())
        except OSError as error:
            return _code(error)

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        self._log("PUT" if writes else "GET", path)
        try:
            descriptor = os.open(self._real(path), flags | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            return _code(error)
        return _File(descriptor, flags, self._account.breaks_after)

    def remove(self, path: str) -> int:
        return self._done("DELETE", path, lambda: self._real(path).unlink())

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._real(newpath).exists():
            return SFTP_FAILURE
        return self.posix_rename(oldpath, newpath)

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._done("MOVE", oldpath, lambda: self._real(oldpath).replace(self._real(newpath)))

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return self._done("MKDIR", path, lambda: self._real(path).mkdir())

    def rmdir(self, path: str) -> int:
        return self._done("RMDIR", path, lambda: self._real(path).rmdir())

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return SFTP_OK

    def _done(self, verb: str, path: str, act: Callable[[], object]) -> int:
        self._log(verb, path)
        try:
            act()
        except OSError as error:
            return _code(error)
        return SFTP_OK


class _File(paramiko.SFTPHandle):
    """An open file; with `breaks_after` reading fails once so many bytes have been read."""

    def __init__(self, descriptor: int, flags: int, breaks_after: int) -> None:
        super().__init__(flags)
        self._descriptor, self._breaks_after = descriptor, breaks_after

    def read(self, offset: int, length: int) -> bytes | int:
        if self._breaks_after and offset + length > self._breaks_after:
            return SFTP_FAILURE
        return os.pread(self._descriptor, length, offset)

    def write(self, offset: int, data: Any) -> int:
        try:
            os.pwrite(self._descriptor, data, offset)
        except OSError as error:
            return _code(error)
        return SFTP_OK

    def stat(self) -> paramiko.SFTPAttributes | int:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self._descriptor))

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        return SFTP_OK

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def _code(error: OSError) -> int:
    return paramiko.SFTPServer.convert_errno(error.errno or 0)
