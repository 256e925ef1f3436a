"""Files of an export: found in a folder, by a pattern or at an https address, and read line by line."""

import gzip
import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from glob import glob, has_magic
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from connectors.addresses import check_address
from connectors.base import Settings, Unlimited
from connectors.emarsys import options
from connectors.errors import ConnectorError, UnavailableError, UnexpectedReplyError
from connectors.http import Http

LONGEST_LINE = 16 * 1024 * 1024
LARGEST_DOWNLOAD = 64 * 1024**3
UNFINISHED = (".part", ".tmp", ".crdownload", "~")
_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, order=True)
class Stamp:
    """What a file is recognised by. A later `modified` is newer; the name decides where it is the same."""

    modified: int
    name: str
    size: int
    digest: str = ""


@dataclass(frozen=True)
class DataFile:
    stamp: Stamp
    path: Path

    @property
    def name(self) -> str:
        return self.stamp.name


class Place:
    """Where a setting says that files are."""

    def __init__(self, settings: Settings, setting: str) -> None:
        self._settings, self._setting = settings, setting

    @cached_property
    def _where(self) -> str:
        where = self._settings.text(self._setting).strip()
        if not where:
            raise options.wrong(self._settings, self._setting, "is not set: a folder, a pattern or an https address.")
        return where

    @contextmanager
    def files(self) -> Iterator[list[DataFile]]:
        """The files that are there now, oldest first. What is downloaded is gone afterwards."""
        if "://" not in self._where:
            yield self._local()
            return
        folder = Path(tempfile.mkdtemp(prefix="export-"))
        try:
            yield [self._downloaded(folder)]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _local(self) -> list[DataFile]:
        where = Path(self._where)
        if where.is_dir():
            paths = list(where.iterdir())
        elif where.exists() or not has_magic(self._where):
            paths = [where]
        else:
            paths = [Path(found) for found in glob(self._where)]
        if paths == [where] and not where.is_file():
            raise options.wrong(self._settings, self._setting, f"names {where.name!r}, which is not there.")
        return sorted((self._data_file(path) for path in paths if _finished(path)), key=lambda one: one.stamp)

    @staticmethod
    def _data_file(path: Path) -> DataFile:
        found = path.stat()
        return DataFile(Stamp(found.st_mtime_ns, path.name, found.st_size), path)

    def _downloaded(self, folder: Path) -> DataFile:
        """An address tells neither name nor age that could be trusted: its content is its stamp."""
        parts = urlsplit(self._where)
        base = f"{parts.scheme}://{parts.netloc}"
        check_address(f"{self._settings.connection}: {self._setting}", base, self._settings.flag("ALLOW_HTTP"))
        name, path = Path(parts.path).name or "export", folder / "export"
        http = Http(
            f"{self._settings.connection} export file",
            base,
            Unlimited(),
            deadline=4 * 3600.0,
            max_bytes=LARGEST_DOWNLOAD,
            settings=self._settings,
        )
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as target:
            for chunk in http.stream("GET", self._where):
                digest.update(chunk)
                size += target.write(chunk)
        return DataFile(Stamp(0, name, size, digest.hexdigest()), path)


class Lines:
    """The lines of one file, unpacked where it is gzip, without a byte order mark; `number` is the last one's."""

    def __init__(self, file: DataFile) -> None:
        self._file = file
        self.number = 0

    def __enter__(self) -> "Lines":
        with reading(self._file):
            raw: IO[bytes] = self._file.path.open("rb")
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            self._raw, self._opened = raw, gzip.open(raw) if packed else raw
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()
        self._raw.close()

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> bytes:
        with reading(self._file):
            line = self._opened.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > LONGEST_LINE:
            raise bad(self._file, f"line {self.number} is longer than {LONGEST_LINE // 2**20} MB")
        return self._first(line) if self.number == 1 else line

    def _first(self, line: bytes) -> bytes:
        if line.startswith(_UTF_16):
            raise bad(self._file, "it is UTF-16, where UTF-8 was expected")
        line = line.removeprefix(b"\xef\xbb\xbf")
        if line.lstrip()[:1] == b"<":
            raise bad(self._file, "it is HTML or XML (a sign-in page?), where CSV or JSON lines were expected")
        return line


@contextmanager
def reading(file: DataFile) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise bad(file, f"its compression is broken ({error})") from error
    except OSError as error:
        raise UnavailableError(
            f"The file {file.name} cannot be read ({error.strerror or type(error).__name__}).",
            remedy="Check that it is there and may be read.",
        ) from error


def bad(file: DataFile, what: str) -> ConnectorError:
    return UnexpectedReplyError(
        f"The file {file.name} cannot be imported: {what}.",
        request=file.name,
        remedy="Export it again, replace it, and run the import again.",
    )


def _finished(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and not path.name.endswith(UNFINISHED)
