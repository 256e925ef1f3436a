"""Rows of one entity set with the sorted indexes that make keysets and windows quick."""

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from connectors.emulators.dynamics365.schema import ETAG, EntitySet, comparable
from connectors.emulators.store import Collection

Row = Mapping[str, Any]
_FIRST_RECORD = 22_565_421_176  # RecIds are large (2.2)


def etag(version: int, record: int) -> str:
    """The weak form of 2.2: base64 of `'<recVersion>,<recId>'`."""
    inner = b64encode(b"'%d,%d'" % (version, record)).decode()
    return f'W/"{inner}"'


def version_of(tag: str) -> tuple[int, int]:
    """(recVersion, recId) of a tag of ours; a new record's when it is none."""
    try:
        version, _, record = b64decode(tag.removeprefix('W/"').removesuffix('"')).decode().strip("'").partition(",")
        return int(version), int(record)
    except ValueError:
        return 0, _FIRST_RECORD


class Index(Protocol):
    """Positions in one order. `low` and `high` are key prefixes; positions run from 0 to the number of rows."""

    columns: tuple[str, ...]

    def position(self, key: tuple[Any, ...]) -> int: ...

    def rows(self, start: int, end: int) -> Iterator[Row]: ...

    def __len__(self) -> int: ...


class Table(Protocol):
    """What a query needs of an entity set."""

    entity: EntitySet

    def indexes(self) -> list[Index]: ...

    def companies(self) -> list[str]: ...

    def find(self, key: str) -> Row | None: ...


class _SortedKeys:
    """An index over a collection: sorted tuples that end in the id."""

    def __init__(self, columns: tuple[str, ...], keys: list[tuple[Any, ...]], records: Collection) -> None:
        self.columns = columns
        self._keys = keys
        self._records = records

    def position(self, key: tuple[Any, ...]) -> int:
        return bisect_left(self._keys, key)

    def rows(self, start: int, end: int) -> Iterator[Row]:
        for key in self._keys[start:end]:
            row = self._records.get(key[-1])
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
        self._built: tuple[int, list[Index], list[str]] | None = None
        known = (version_of(row.get(ETAG, ""))[1] for row in records.values())
        self._next_record = max(known, default=_FIRST_RECORD)
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
        tag = self._new_tag() if before is None else etag(*_next_version(before.get(ETAG, "")))
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
        return _SortedKeys(columns, keys, self.records)


def _next_version(tag: str) -> tuple[int, int]:
    version, record = version_of(tag)
    return version + 1, record
