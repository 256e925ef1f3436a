"""The rows of one table, and the order in which they last changed: what paging and change tracking walk."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from connectors.emulators.dataverse.paging import sort_key
from connectors.emulators.dataverse.schema import Table
from connectors.emulators.store import Collection

Row = Mapping[str, Any]
Order = tuple[tuple[str, bool], ...]  # (property, descending)
VERSION = "versionnumber"
_KEPT_ORDERS = 4


def etag(row: Row) -> str:
    return f'W/"{row[VERSION]}"'


def _by(name: str) -> Callable[[Row], list[Any]]:
    return lambda row: sort_key(row.get(name))


class Rows:
    """Rows by id, null columns left out; `deleted` keeps the version at which a row went.

    Every change takes the organisation's next version, so `versionnumber` orders the changes of all tables.
    """

    def __init__(self, table: Table, records: Collection, deleted: Collection, versions: Callable[[], int]) -> None:
        self.table = table
        self.records = records
        self.deleted = deleted
        self._next_version = versions
        self._changed: list[tuple[int, str]] = []
        self._gone: list[tuple[int, str]] = []
        self._ordered: dict[Order, tuple[int, list[Row]]] = {}
        self._rebuild()

    def _rebuild(self) -> None:
        self._changed = sorted((row[VERSION], key) for key, row in self.records.items())
        self._gone = sorted((entry["version"], key) for key, entry in self.deleted.items())

    @property
    def last_version(self) -> int:
        return max((versions[-1][0] for versions in (self._changed, self._gone) if versions), default=0)

    def load(self, rows: Iterable[dict[str, Any]]) -> None:
        """Replaces everything by these rows in their order."""
        with self.records.lock:
            self.records.clear()
            self.deleted.clear()
            every = {row[self.table.id_column]: {**row, VERSION: self._next_version()} for row in rows}
            if every:
                self.records.put_many(every)
            self._rebuild()

    def get(self, row_id: str) -> Row | None:
        return self.records.get(row_id)

    def put(self, row: Row) -> Row:
        """Stores a whole row at the next version; columns that are null are left out."""
        row_id = row[self.table.id_column]
        stored = {name: value for name, value in row.items() if value is not None}
        stored[VERSION] = self._next_version()
        self.records.put(row_id, stored)
        self.noted(row_id, stored)
        return stored

    def delete(self, row_id: str) -> None:
        self.records.delete(row_id)
        self.noted(row_id, None)

    def noted(self, row_id: str, row: Row | None) -> None:
        """Enters a change that is made: the row as it is now, None for deleted."""
        if row is not None:
            self.deleted.delete(row_id)
            self._changed.append((row[VERSION], row_id))
            if len(self._changed) > 2 * len(self.records) + 10_000:
                self._rebuild()
            return
        version = self._next_version()
        self.deleted.put(row_id, {"version": version})
        self._gone.append((version, row_id))

    def restore(self, row_id: str, before: Row | None) -> None:
        """Takes a change back as if it had never been, its version included."""
        self.deleted.delete(row_id)
        if before is None:
            self.records.delete(row_id)
        else:
            self.records.put(row_id, dict(before))
            entry = before[VERSION], row_id
            place = bisect_left(self._changed, entry)
            if self._changed[place : place + 1] != [entry]:  # else it has never left
                self._changed.insert(place, entry)

    def changed_between(self, after: int, until: int) -> list[tuple[int, str]]:
        """(version, id) of rows that last changed in this stretch of versions, oldest first."""
        with self.records.lock:
            start, end = bisect_right(self._changed, (after, "\uffff")), bisect_right(self._changed, (until, "\uffff"))
            return [entry for entry in self._changed[start:end] if self._is_current(*entry)]

    def _is_current(self, version: int, row_id: str) -> bool:
        row = self.records.get(row_id)
        return row is not None and row[VERSION] == version

    def deleted_between(self, after: int, until: int) -> list[tuple[int, str]]:
        with self.records.lock:
            start, end = bisect_right(self._gone, (after, "\uffff")), bisect_right(self._gone, (until, "\uffff"))
            return [entry for entry in self._gone[start:end] if self._is_gone(*entry)]

    def _is_gone(self, version: int, row_id: str) -> bool:
        entry = self.deleted.get(row_id)
        return entry is not None and entry["version"] == version

    def walk(self, after: str = "") -> Iterator[Row]:
        """All rows by ascending id, from behind one; rows that vanish on the way are left out."""
        ids = self.records.sorted_ids()
        for row_id in ids[bisect_right(ids, after) :]:
            row = self.records.get(row_id)
            if row is not None:
                yield row

    def in_order(self, order: Order) -> list[Row]:
        """All rows by the values of an order, then by id; kept until something changes. Do not change the list."""
        with self.records.lock:
            kept = self._ordered.pop(order, None)
            if kept is None or kept[0] != self.records.changes:
                kept = self.records.changes, self._sorted(order)
            self._ordered[order] = kept
            while len(self._ordered) > _KEPT_ORDERS:
                del self._ordered[next(iter(self._ordered))]
            return kept[1]

    def _sorted(self, order: Order) -> list[Row]:
        found = list(self.walk())
        for name, descending in reversed(order):
            found.sort(key=_by(name), reverse=descending)
        return found
