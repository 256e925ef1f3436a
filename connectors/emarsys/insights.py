"""The streams `attribution` and `purchase`: what Emarsys credits and has loaded, from exported files (contract 8)."""

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any

from connectors.base import Page, Row, Settings
from connectors.emarsys import replies
from connectors.emarsys.files import DataFile, Lines, Place, Stamp, bad
from connectors.emarsys.mapping import insight
from connectors.errors import ExpiredWatermarkError, RecordError

PAGE_ROWS = 1000


class Insights:
    """One of the two streams, `stream`, from the files that `setting` names."""

    def __init__(self, settings: Settings, stream: str, setting: str) -> None:
        self._stream, self._place = stream, Place(settings, setting)

    def read(self, since: str, resume: str) -> Iterator[Page]:
        """The files that are newer than the watermark, or were replaced since, oldest first."""
        known, (reached, line) = _stamp(since), _resumed(resume)
        newest = known
        with self._place.files() as files:
            for file in files:
                if not _newer(file.stamp, known) or (reached and _older(file.stamp, reached)):
                    continue
                for rows, number in self._pages(file, line if file.stamp == reached else 0):
                    yield Page(rows, json.dumps([*_members(file.stamp), number]))
                newest = file.stamp
        yield Page([], watermark=json.dumps(_members(newest)) if newest else since)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        """These rows, wherever they stand in the files."""
        wanted = set(keys)
        for rows in self._all():
            found = [row for row in rows if self.key(row) in wanted]
            if found:
                yield Page(found)

    def keys(self) -> Iterator[Sequence[str]]:
        for rows in self._all():
            yield [key for key in map(self.key, rows) if key]

    def key(self, row: Row) -> str:
        try:
            return KEYS[self._stream](row)
        except RecordError:
            return ""

    def _all(self) -> Iterator[Sequence[Row]]:
        with self._place.files() as files:
            for file in files:
                for rows, _ in self._pages(file, 0):
                    yield rows

    def _pages(self, file: DataFile, after: int) -> Iterator[tuple[Sequence[Row], int]]:
        """Rows of the lines after this one, and the last line's number; of rows with one key the last."""
        part: dict[str, Row] = {}
        last = after
        for number, row in self._rows(file, after):
            if len(part) >= PAGE_ROWS and number != last:  # all rows of a line are in one page
                yield list(part.values()), last
                part = {}
            key = self.key(row) or f"{len(part)}. of line {number}"
            part.pop(key, None)
            part[key] = row
            last = number
        if part:
            yield list(part.values()), last

    def _rows(self, file: DataFile, after: int) -> Iterator[tuple[int, Row]]:
        with Lines(file) as lines:
            first = next(lines, b"")
            made = self._of_json(first, lines) if first.lstrip()[:1] == b"{" else self._of_csv(file, first, lines)
            for number, found in made:
                if number > after:
                    yield from ((number, row) for row in self._judged(file, number, found))

    def _of_json(self, first: bytes, lines: Lines) -> Iterator[tuple[int, Any]]:
        yield 1, first
        for line in lines:
            if line.strip():
                yield lines.number, line

    def _of_csv(self, file: DataFile, first: bytes, lines: Lines) -> Iterator[tuple[int, Any]]:
        """Cells, or the error of the line. A quoted line break makes one record of several lines."""
        members = self._header(file, first)
        cells = csv.reader(_Text(lines), strict=True)
        while True:
            try:
                found = next(cells)
            except StopIteration:
                return
            except (csv.Error, UnicodeDecodeError) as error:
                yield lines.number, RecordError("malformed_row", "line", f"Not CSV in UTF-8: {error}"[:200])
                continue
            if found:
                yield lines.number, (members, found)

    def _header(self, file: DataFile, first: bytes) -> list[str]:
        try:
            return insight.columns(self._stream, next(csv.reader([first.decode()], strict=True), []))
        except (csv.Error, ValueError) as error:
            raise bad(file, f"its first line is no header of {self._stream}s ({error})") from error

    def _judged(self, file: DataFile, number: int, found: Any) -> Iterator[Row]:
        """A line that cannot be mapped becomes a row that says so, with file and line."""
        try:
            for row in self._made(found):
                try:
                    insight.CHECKS[self._stream](row)
                    yield row
                except RecordError as error:
                    yield insight.unreadable(file.name, number, error)
        except RecordError as error:
            yield insight.unreadable(file.name, number, error)

    def _made(self, found: Any) -> Iterator[Row]:
        if isinstance(found, RecordError):
            raise found
        if isinstance(found, bytes):
            yield from insight.of_json(self._stream, found)
        else:
            yield insight.of_cells(*found)


KEYS = {"attribution": insight.attribution_key, "purchase": insight.purchase_key}


class _Text:
    """Lines as text; after one that is not UTF-8 the next can be read."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __iter__(self) -> "_Text":
        return self

    def __next__(self) -> str:
        return next(self._lines).decode()


def _members(stamp: Stamp) -> list[Any]:
    return [stamp.modified, stamp.name, stamp.size, stamp.digest]


def _newer(stamp: Stamp, known: Stamp | None) -> bool:
    """A file at an address is another one when its content is; others when they are later or of another size."""
    if known is None:
        return True
    if stamp.digest or known.digest:
        return stamp.digest != known.digest
    return not _older(stamp, known) and stamp != known


def _older(stamp: Stamp, other: Stamp) -> bool:
    return (stamp.modified, stamp.name) < (other.modified, other.name)


def _stamp(text: str) -> Stamp | None:
    if not text:
        return None
    try:
        modified, name, size, digest = json.loads(text)
        return Stamp(int(modified), str(name), int(size), str(digest))
    except (TypeError, ValueError, RecursionError) as error:
        raise ExpiredWatermarkError(f"The watermark {text[:60]!r} names no file.") from error


def _resumed(text: str) -> tuple[Stamp | None, int]:
    if not text:
        return None, 0
    with replies.understood("the console", "resume"):
        modified, name, size, digest, line = json.loads(text)
        return Stamp(int(modified), str(name), int(size), str(digest)), int(line)
