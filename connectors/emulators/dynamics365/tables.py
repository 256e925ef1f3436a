"""Rows of one entity set with the sorted indexes that make keysets and windows quick."""

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import RLock
from typing import Any, Protocol, runtime_checkable

from connectors.emulators.dynamics365.schema import ETAG, EntitySet, comparable
from connectors.emulators.store import Collection

Row = Mapping[str, Any]
FIRST_RECORD = 22_565_421_176  # RecIds are large (2.2)
_APART = 5_000_000_000  # how far the RecIds of two joined tables are from each other


def etag(version: int, record: int, sources: int = 1) -> str:
    """The weak form of 2.2: base64 of `'<recVersion>,<recId>'`, one pair for each table the row is joined from."""
    pairs = b"'%d,%d" % (version, record) + b"".join(b";0,%d" % (record + at * _APART) for at in range(1, sources))
    inner = b64encode(pairs + b"'").decode()
    return f'W/"{inner}"'


def version_of(tag: str) -> tuple[int, int]:
    """(recVersion, recId) of a tag of ours; a new record's when it is none."""
    try:
        pairs = b64decode(tag.removeprefix('W/"').removesuffix('"')).decode().strip("'")
        version, _, record = pairs.partition(";")[0].partition(",")
        return int(version), int(record)
    except ValueError:
        return 0, FIRST_RECORD


class Index(Protocol):
    """Positions in one order. `low` and `high` are key prefixes; positions run from 0 to the number of rows."""

    columns: tuple[str, ...]

    def position(self, key: tuple[Any, ...]) -> int: ...

    def rows(self, start: int, end: int) -> Iterator[Row]: ...

    def __len__(self) -> int: ...


class Table(Protocol):
    """What a query needs of an entity set."""

    entity: EntitySet
    id_columns: tuple[str, ...]

    def indexes(self) -> list[Index]: ...

    def companies(self) -> list[str]: ...

    def find(self, key: str) -> Row | None: ...


@runtime_checkable
class Writable(Protocol):
    """A set whose rows can be changed one by one."""

    entity: EntitySet
    lock: RLock

    def id_of(self, row: Row) -> str: ...

    def find(self, key: str) -> Row | None: ...

    def get(self, key: str) -> Row | None:
        """As stored, by `id_of`."""
        ...

    def edit(self, key: str, record: dict[str, Any] | None) -> dict[str, Any] | None:
        """The whole row as it shall be, None removes it; the row as it is now. ValueError when refused."""
        ...


class Renamed:
    """A set under another name, or with fewer properties: the same rows."""

    def __init__(self, table: Table, entity: EntitySet) -> None:
        self.entity = entity
        self.table = table
        self.id_columns = table.id_columns
        self.indexes = table.indexes
        self.companies = table.companies
        self.find = table.find


class SortedKeys:
    """An index over rows: sorted tuples that end in the id."""

    def __init__(
        self, columns: tuple[str, ...], keys: list[tuple[Any, ...]], find: Callable[[str], Row | None]
    ) -> None:
        self.columns = columns
        self._keys = keys
        self._find = find

    def position(self, key: tuple[Any, ...]) -> int:
        return bisect_left(self._keys, key)

    def rows(self, start: int, end: int) -> Iterator[Row]:
        for key in self._keys[start:end]:
            row = self._find(key[-1])
            if row is not None:
                yield row

    def __len__(self) -> int:
        return len(self._keys)


class RecordTable:
    """An entity set whose rows are the records of a collection; ids are the leading key values joined by `|`.

    The index trusts the id, not the record, for the columns the id consists of: a record planted without its
    key still appears, in its place.
    """

    def __init__(self, entity: EntitySet, records: Collection, id_columns: tuple[str, ...]) -> None:
        self.entity = entity
        self.records = records
        self.id_columns = id_columns
        self.lock = records.lock
        self.get = records.get
        self.edit = records.edit
        self._built: tuple[int, list[Index], list[str]] | None = None
        known = (version_of(row.get(ETAG, ""))[1] for row in records.values())
        self._next_record = max(known, default=FIRST_RECORD)
        records.accept = self.completed

    def load(self, rows: Iterable[dict[str, Any]]) -> None:
        """Replaces everything by these complete rows, giving each its tag."""
        with self.records.lock:
            self.records.clear()
            self.records.put_many({self.id_of(row): {ETAG: self._new_tag(), **row} for row in rows})

    def _new_tag(self) -> str:
        self._next_record += 1
        return etag(0, self._next_record)

    def id_of(self, row: Row) -> str:
        return "|".join(str(row[column]) for column in self.id_columns)

    def completed(self, key: str, record: dict[str, Any]) -> dict[str, Any]:
        """A record put from outside: key from the id, defaults, the next version. ValueError on unknown names."""
        unknown = sorted(set(record) - set(self.entity.properties) - {ETAG})
        if unknown:
            raise ValueError(f"{self.entity.name} has no property {', '.join(unknown)}")
        values = key.split("|", len(self.id_columns) - 1)
        if len(values) != len(self.id_columns) or not all(values):
            raise ValueError(f"the id of {self.entity.name} is {'|'.join(self.id_columns)}, not {key!r}")
        from_id = dict(zip(self.id_columns, values, strict=True))
        before = self.records.get(key)
        tag = self._new_tag() if before is None else etag(*next_version(before.get(ETAG, "")))
        return {ETAG: tag, **self.entity.defaults, **from_id, **{n: v for n, v in record.items() if n != ETAG}}

    def find(self, key: str) -> Row | None:
        return self.records.get(key)

    def companies(self) -> list[str]:
        return self._current()[2]

    def indexes(self) -> list[Index]:
        return self._current()[1]

    def _current(self) -> tuple[int, list[Index], list[str]]:
        changed = self.records.changes
        if self._built is None or self._built[0] != changed:
            with self.records.lock:
                built: list[Index] = [self._index(columns) for columns in self.entity.indexes]
                companies = sorted({key.partition("|")[0].lower() for key in self.records})
                self._built = changed, built, companies
        return self._built

    def _index(self, columns: tuple[str, ...]) -> Index:
        places = [self.id_columns.index(column) if column in self.id_columns else None for column in columns]
        declared = [self.entity.properties[column] for column in columns]
        keys = []
        for key, record in self.records.items():
            ids = key.split("|", len(self.id_columns) - 1)
            raw = [record.get(c) if at is None else ids[at] for c, at in zip(columns, places, strict=True)]
            keys.append((*(comparable(d, str(value)) for d, value in zip(declared, raw, strict=True)), key))
        keys.sort()
        return SortedKeys(columns, keys, self.records.get)


def next_version(tag: str) -> tuple[int, int]:
    version, record = version_of(tag)
    return version + 1, record
