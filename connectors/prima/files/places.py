"""Where files lie: a folder of this machine. An SFTP server offers the same (sftp.py)."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Protocol

from connectors.base import Settings
from connectors.errors import ConfigurationError
from connectors.prima.files.names import Entry

PROCESSED, FAILED = "processed", "failed"
IN_MEMORY = 8 * 1024 * 1024


def elsewhere(settings: Settings) -> dict[str, str]:
    """Where what was read, and what could not be, is moved; nothing for folders below the site's."""
    return {PROCESSED: settings.text("FILES_PROCESSED_FOLDER"), FAILED: settings.text("FILES_FAILED_FOLDER")}


class Place(Protocol):
    """Names come from listings only and are never paths."""

    def entries(self, folder: str = "") -> list[Entry]: ...
    def fetch(self, entry: Entry, into: IO[bytes]) -> None: ...
    def move(self, entry: Entry, folder: str) -> None: ...
    def remove(self, entry: Entry) -> None: ...
    def put(self, folder: str, name: str, content: bytes) -> None:
        """Under its name only when it is whole: written as `.tmp`, then renamed."""
        ...

    def out(self) -> "Place": ...


class LocalPlace:
    def __init__(self, system: str, folder: str, out: str, moved: Mapping[str, str]) -> None:
        self._system, self._root, self._out, self._moved = system, Path(folder), out, moved

    def entries(self, folder: str = "") -> list[Entry]:
        where = self._folder(folder)
        if folder and not where.is_dir():
            return []
        try:
            return [
                Entry(file.name, file.stat().st_size, file.stat().st_mtime, folder)
                for file in os.scandir(where)
                if file.is_file(follow_symlinks=False)
            ]
        except OSError as error:
            raise ConfigurationError(
                f"{self._system}: the folder of files cannot be read ({error.strerror}).",
                system=self._system,
                remedy="Check FILES_FOLDER, FILES_OUT_FOLDER and their permissions.",
            ) from error

    def fetch(self, entry: Entry, into: IO[bytes]) -> None:
        with (self._folder(entry.folder) / entry.name).open("rb") as file:
            shutil.copyfileobj(file, into, 1 << 18)

    def move(self, entry: Entry, folder: str) -> None:
        target = self._folder(folder)
        target.mkdir(parents=True, exist_ok=True)
        (self._folder(entry.folder) / entry.name).replace(target / entry.name)

    def remove(self, entry: Entry) -> None:
        (self._folder(entry.folder) / entry.name).unlink(missing_ok=True)

    def put(self, folder: str, name: str, content: bytes) -> None:
        target = self._folder(folder)
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{name}.tmp").write_bytes(content)
        (target / f"{name}.tmp").replace(target / name)

    def out(self) -> "LocalPlace":
        return LocalPlace(self._system, self._out, "", {})

    def _folder(self, name: str) -> Path:
        return Path(self._moved[name]) if self._moved.get(name) else self._root / name


@contextlib.contextmanager
def kept(place: Place, entry: Entry) -> Iterator[IO[bytes]]:
    """The file's content on this machine, for as long as it is read."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as content:
        place.fetch(entry, content)
        content.seek(0)
        yield content
