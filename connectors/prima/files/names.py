"""Names of files: `<entity>_<yyyymmddhhmmss>_<seq>.csv` (contract 9). Pure."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_NAME = re.compile(
    r"(?P<entity>[a-z][a-z_]{0,60})_(?P<stamp>[0-9]{14})_(?P<sequence>[0-9]{1,12})\.csv\Z", re.IGNORECASE
)


class Entry(NamedTuple):
    """A file as a folder lists it; `modified` in unix seconds, `folder` empty or `processed`."""

    name: str
    size: int
    modified: float
    folder: str = ""


class Numbered(NamedTuple):
    sequence: int
    stamp: str
    entry: Entry


def numbered(entries: Iterable[Entry], entity: str) -> list[Numbered]:
    """The entity's files by sequence; one that is there twice counts where it was processed."""
    found: dict[int, Numbered] = {}
    for entry in sorted(entries, key=lambda entry: entry.folder):
        match = _NAME.match(entry.name)
        if match and match["entity"].lower() == entity.lower():
            found[int(match["sequence"])] = Numbered(int(match["sequence"]), match["stamp"], entry)
    return [found[sequence] for sequence in sorted(found)]


def due(files: list[Numbered], done: int | None, after: str = "") -> tuple[list[Numbered], str]:
    """The files to read now, in order, and what is wrong with the next one: a gap stops its entity (contract 9).

    `done` is the last sequence that was read; without one reading starts with the first file stamped later
    than `after`.
    """
    waiting = [file for file in files if (file.sequence > done if done is not None else file.stamp > after)]
    found: list[Numbered] = []
    before = done
    for file in waiting:
        if before is not None and file.sequence != before + 1:
            return found, f"number {before + 1} is missing: {file.entry.name} waits for it"
        found.append(file)
        before = file.sequence
    return found, ""
