"""Entity sets that keep little: rows computed from other sets, and on top of them what somebody wrote.

A stored record holds only what differs from the defaults. A computed row costs nothing until the first request.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from itertools import chain, islice
from threading import RLock
from typing import Any, Protocol
from zlib import crc32

from connectors.emulators.dynamics365.schema import ETAG, EntitySet, comparable
from connectors.emulators.dynamics365.tables import FIRST_RECORD, Index, Row, SortedKeys, etag, next_version, version_of
from connectors.emulators.store import Collection, Record

Listener = Callable[[str, Row | None, Row | None], None]
_GONE = {"@deleted": 1}


class Source(Protocol):
    """Rows by id that nobody stored; `stamp` moves when any of them may have changed."""

    def stamp(self) -> Hashable: ...

    @property
    def is_awake(self) -> bool:
        """Whether counting the rows costs nothing."""
        ...

    def ids(self) -> Iterator[str]: ...

    def get(self, key: str) -> Mapping[str, Any] | None: ...

    def __len__(self) -> int: ...


class Computed:
    """All rows worked out at once on the first request, and again when what they come from has moved."""

    def __init__(
        self, lock: RLock, stamp: Callable[[], Hashable], compute: Callable[[], dict[str, dict[str, Any]]]
    ) -> None:
        self._lock = lock  # nobody writes while the rows are worked out
        self.stamp = stamp
        self._compute = compute
        self._made: tuple[Hashable, dict[str, dict[str, Any]]] | None = None

    @property
    def is_awake(self) -> bool:
        return self._made is not None

    def _rows(self) -> dict[str, dict[str, Any]]:
        stamp = self.stamp()
        made = self._made
        if made is None or made[0] != stamp:
            with self._lock:
                made = self._made = self.stamp(), self._compute()
        return made[1]

    def ids(self) -> Iterator[str]:
        return iter(self._rows())

    def get(self, key: str) -> Mapping[str, Any] | None:
        return self._rows().get(key)

    def __len__(self) -> int:
        return len(self._rows())


class OverlayTable:
    """One entity set; ids are the values of `id_columns` (the key, unless told otherwise) joined by `|`."""

    def __init__(
        self,
        entity: EntitySet,
        records: Collection,
        source: Source | None = None,
        id_columns: tuple[str, ...] = (),
    ) -> None:
        self.entity = entity
        self.records = records
        self.lock = records.lock
        self.listeners: list[Listener] = []
        self.id_columns = id_columns or entity.key
        self.seen: Callable[[Row], Row] | None = None
        self._source = source
        self._defaults = entity.defaults
        self._built: tuple[Hashable, list[Index], list[str]] | None = None
        known = (version_of(record.get(ETAG, ""))[1] for record in records.values())
        self._next_record = max(known, default=FIRST_RECORD)

    def load(self, rows: "Iterator[dict[str, Any]] | list[dict[str, Any]]") -> None:
        """Replaces what is stored by these rows; what equals a default need not be given."""
        fresh = {}
        for row in rows:
            self._next_record += 1
            tag = etag(0, self._next_record, self.entity.sources)
            fresh[self.id_of({**self._defaults, **row})] = {ETAG: tag, **row}
        with self.lock:
            self.records.clear()
            if fresh:
                self.records.put_many(fresh)

    def id_of(self, row: Row) -> str:
        return "|".join(str(row[column]) for column in self.id_columns)

    def _ids(self) -> Iterator[str]:
        own = self.records
        computed = () if self._source is None else (key for key in self._source.ids() if key not in own)
        return chain(computed, (key for key, record in own.items() if "@deleted" not in record))

    def find(self, key: str) -> Row | None:
        """The row as the tenant shows it."""
        row = self.get(key)
        return row if row is None or self.seen is None else self.seen(row)

    def get(self, key: str) -> Record | None:
        record = self.records.get(key)
        if record is not None:
            return None if "@deleted" in record else self._row(key, record, record.get(ETAG, ""))
        computed = self._source.get(key) if self._source is not None else None
        if computed is None:
            return None
        # Its version follows from what it says, so that a tag goes stale when the row changes.
        version = crc32(repr(sorted(computed.items())).encode()) & 0xFFFF_FFF
        return self._row(key, computed, etag(version, FIRST_RECORD + crc32(key.encode()), self.entity.sources))

    def _row(self, key: str, record: Mapping[str, Any], tag: str) -> dict[str, Any]:
        values = key.split("|", len(self.id_columns) - 1)
        from_id = dict(zip(self.id_columns, values, strict=False))
        return {ETAG: tag, **self._defaults, **from_id, **{**record, ETAG: tag}}

    @property
    def is_awake(self) -> bool:
        return self._source is None or self._source.is_awake

    def companies(self) -> list[str]:
        return self._current()[2]

    def indexes(self) -> list[Index]:
        return self._current()[1]

    def stamp(self) -> Hashable:
        return self.records.changes, self._source.stamp() if self._source is not None else None

    def _current(self) -> tuple[Hashable, list[Index], list[str]]:
        stamp = self.stamp()
        if self._built is None or self._built[0] != stamp:
            with self.lock:
                ids = list(self._ids())
                built = self._indexed(ids)
                companies = [""] if self.entity.is_shared else sorted({key.partition("|")[0].lower() for key in ids})
                self._built = stamp, built, companies
        return self._built

    def _indexed(self, ids: list[str]) -> list[Index]:
        keys: list[list[tuple[Any, ...]]] = [[] for _ in self.entity.indexes]
        for key in ids:
            row = self.find(key)
            if row is not None:
                for walk, columns in zip(keys, self.entity.indexes, strict=True):
                    walk.append((*(self._sortable(column, row) for column in columns), key))
        for walk in keys:
            walk.sort()
        return [SortedKeys(columns, walk, self.find) for columns, walk in zip(self.entity.indexes, keys, strict=True)]

    def _sortable(self, column: str, row: Row) -> Any:
        declared, value = self.entity.properties[column], row.get(column)
        if declared.kind in ("int", "long", "decimal"):
            return value if isinstance(value, int | float) else 0
        return comparable(declared, str(value))

    # What the control API uses of a Collection.

    def __len__(self) -> int:
        with self.lock:
            return sum(1 for _ in self._ids())

    def list(self, offset: int = 0, limit: int = 100) -> "list[tuple[str, Record]]":
        with self.lock:
            return [(key, self.get(key) or {}) for key in islice(self._ids(), offset, offset + limit)]

    def edit(self, key: str, record: Record | None) -> Record | None:
        """The whole row as it shall be; None removes it. ValueError when id or names do not fit the entity."""
        with self.lock:
            before = self.get(key)
            if record is None:
                self._remove(key)
            else:
                self.records.put(key, self._kept(key, record, before))
            after = self.get(key)
        for told in self.listeners:
            told(key, before, after)
        return after

    def _remove(self, key: str) -> None:
        if self._source is not None and self._source.get(key) is not None:
            self.records.put(key, _GONE)
        else:
            self.records.delete(key)

    def _kept(self, key: str, record: Record, before: Row | None) -> Record:
        unknown = sorted(set(record) - set(self.entity.properties) - {ETAG})
        if unknown:
            raise ValueError(f"{self.entity.name} has no property {', '.join(unknown)}")
        values = key.split("|", len(self.id_columns) - 1)
        if len(values) != len(self.id_columns) or not values[0]:
            raise ValueError(f"the id of {self.entity.name} is {'|'.join(self.id_columns)}, not {key!r}")
        if before is None:
            self._next_record += 1
            version = 0, self._next_record
        else:
            version = next_version(before[ETAG])
        from_id = dict(zip(self.id_columns, values, strict=True))
        kept = {n: v for n, v in record.items() if n != ETAG and v != from_id.get(n, self._defaults.get(n))}
        return {ETAG: etag(*version, self.entity.sources), **kept}
