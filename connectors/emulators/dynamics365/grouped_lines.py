"""Half a million document lines, kept by document: a line is a short list, its row is made when it is asked for.

A stored group is `{"record", "version", "lines", …}` under the document's id `company|number`; a line in it is
`[sequence, product, name, quantity, price, amount, tax, discount]`, with a ninth element, a mapping, for the
rare line that says more (anything the short form cannot hold).
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator, Mapping
from itertools import accumulate
from threading import RLock
from typing import Any, Protocol

from connectors.emulators.dynamics365.overlay import Listener
from connectors.emulators.dynamics365.schema import ETAG, EntitySet, comparable
from connectors.emulators.dynamics365.tables import Index, Row
from connectors.emulators.store import Record

FIRST_RECORD = 5_637_144_576
PLACES = 8  # of a short line
Short = list[Any]


class Groups(Protocol):
    """The documents' lines by document id; a Collection will do."""

    lock: RLock

    def get(self, key: str) -> Record | None: ...

    def put(self, key: str, record: Record) -> None: ...

    def delete(self, key: str) -> bool: ...

    def items(self) -> "Iterator[tuple[str, Record]] | Any": ...


class LineIndex:
    """An order that begins with columns of the document (`heads`) and ends with the line's number."""

    def __init__(self, columns: tuple[str, ...], heads: list[tuple[Any, ...]], lines: "GroupedLines") -> None:
        self.columns = columns
        self._lines = lines
        self._keys = sorted(heads)  # each ends in the group's id
        self._depth = len(self._keys[0]) - 1 if self._keys else len(columns) - 1
        self._starts = [0, *accumulate(len(self._group(key[-1])["lines"]) for key in self._keys)]

    def _group(self, group_id: str) -> Record:
        return self._lines.groups.get(group_id) or {"lines": ()}

    def __len__(self) -> int:
        return self._starts[-1]

    def position(self, key: tuple[Any, ...]) -> int:
        at = bisect_left(self._keys, key[: self._depth])
        if len(key) <= self._depth or at == len(self._keys) or self._keys[at][: self._depth] != key[: self._depth]:
            return self._starts[at]
        numbers = [(line[0],) for line in self._group(self._keys[at][-1])["lines"]]
        return self._starts[at] + bisect_left(numbers, key[self._depth :])

    def rows(self, start: int, end: int) -> Iterator[Row]:
        at = bisect_right(self._starts, start) - 1
        while start < end and at < len(self._keys):
            group_id = self._keys[at][-1]
            group = self._group(group_id)
            skip = start - self._starts[at]
            take = min(end, self._starts[at + 1]) - self._starts[at]
            for line in group["lines"][skip:take]:
                yield self._lines.row(group_id, group, line)
            at += 1
            start = self._starts[at]


class GroupedLines(ABC):
    """A set of lines, and the collection of the same for the control API: ids `company|document|number`."""

    def __init__(self, entity: EntitySet, short: tuple[str, ...], groups: Groups) -> None:
        self.entity = entity
        self.id_columns = entity.key
        self.groups = groups
        self.lock = groups.lock
        self.listeners: list[Listener] = []
        self.short = short
        self._built: tuple[Hashable, list[Index], list[str]] | None = None

    @abstractmethod
    def row(self, group_id: str, group: Record, line: list[Any]) -> dict[str, Any]:
        """The whole row of one short line."""

    @abstractmethod
    def stamp(self) -> Hashable:
        """Moves when any line may have changed."""

    @abstractmethod
    def index(self, columns: tuple[str, ...]) -> Index: ...

    @abstractmethod
    def new_group(self, record: Mapping[str, Any]) -> Record:
        """A document without lines yet, for a line that says what `record` says."""

    @abstractmethod
    def implied(self, group_id: str, group: Record) -> dict[str, Any]:
        """What a line's row says without the line saying so."""

    @abstractmethod
    def find(self, key: str) -> Row | None: ...

    @abstractmethod
    def id_of(self, row: Row) -> str: ...

    def indexes(self) -> list[Index]:
        return self._current()[1]

    def companies(self) -> list[str]:
        return self._current()[2]

    def _current(self) -> tuple[Hashable, list[Index], list[str]]:
        stamp = self.stamp()
        if self._built is None or self._built[0] != stamp:
            with self.lock:
                built = [self.index(columns) for columns in self.entity.indexes]
                companies = sorted({key.partition("|")[0].lower() for key, _ in self.groups.items()})
                self._built = stamp, built, companies
        return self._built

    def of(self, group_id: str) -> list[dict[str, Any]]:
        """The lines of one document."""
        group = self.groups.get(group_id)
        return [self.row(group_id, group, line) for line in group["lines"]] if group else []

    # What the control API uses of a Collection.

    def __len__(self) -> int:
        with self.lock:
            return sum(len(group["lines"]) for _, group in self.groups.items())

    def get(self, key: str) -> Record | None:
        group_id, number = split(key)
        group = self.groups.get(group_id)
        line = next((line for line in group["lines"] if line[0] == number), None) if group else None
        return self.row(group_id, group or {}, line) if line else None

    def list(self, offset: int = 0, limit: int = 100) -> "list[tuple[str, Record]]":
        index = self.indexes()[0]
        return [(self.place(row), dict(row)) for row in index.rows(offset, min(len(index), offset + limit))]

    @abstractmethod
    def place(self, row: Row) -> str:
        """`company|document|number`."""

    def edit(self, key: str, record: Record | None) -> Record | None:
        group_id, number = split(key)
        if not group_id or number < 0:
            raise ValueError(f"the id of {self.entity.name} is dataAreaId|document|number, not {key!r}")
        unknown = sorted(set(record or ()) - set(self.entity.properties) - {ETAG})
        if unknown:
            raise ValueError(f"{self.entity.name} has no property {', '.join(unknown)}")
        with self.lock:
            before = self.get(key)
            self._edit(group_id, number, record)
            after = self.get(key)
        for told in self.listeners:
            told(key, before, after)
        return after

    def _edit(self, group_id: str, number: int, record: Record | None) -> None:
        group = self.groups.get(group_id) or self.new_group(record or {})
        lines = [line for line in group["lines"] if line[0] != number]
        if record is not None:
            lines.append(self._shortened(group_id, group, number, record))
            lines.sort(key=lambda line: line[0])
        if lines:
            self.groups.put(group_id, {**group, "version": group["version"] + 1, "lines": lines})
        else:
            self.groups.delete(group_id)

    def _shortened(self, group_id: str, group: Record, number: int, record: Record) -> "Short":
        """The stored form of a whole row; what the document or the defaults already say is left out."""
        whole = {**self.entity.defaults, **record}
        line = [number, *(whole.get(name, 0) for name in self.short[1:])]
        implied = self.implied(group_id, group)
        rest = {name: value for name, value in record.items() if name in implied and value != implied[name]}
        return [*line, rest] if rest else line


def split(key: str) -> tuple[str, int]:
    """(document id, line number); ("", -1) when it is no line's id."""
    group_id, _, number = key.rpartition("|")
    named = "|" in group_id and not group_id.endswith("|")
    return (group_id, int(number)) if number.isdigit() and named else ("", -1)


def heads(
    entity: EntitySet, columns: tuple[str, ...], number: str, lines: GroupedLines, dates: Mapping[str, str]
) -> list[tuple[Any, ...]]:
    """The documents' part of an index; `dates` says which entry of a group holds a date column."""
    found = []
    for group_id, group in lines.groups.items():
        company, _, document = group_id.partition("|")
        known = {"dataAreaId": company.lower(), number: document}
        values = (
            known[column] if column in known else comparable(entity.properties[column], group[dates[column]])
            for column in columns[:-1]
        )
        found.append((*values, group_id))
    return found
