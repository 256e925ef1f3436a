"""One organisation: its tables and rows, the versions they get, and changes that happen all or not at all."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.emulators.dataverse.custom_tables import CustomTables
from connectors.emulators.dataverse.errors import missing_row
from connectors.emulators.dataverse.rows import VERSION, Row, Rows
from connectors.emulators.dataverse.schema import Relationship, Table
from connectors.emulators.dataverse.standard_tables import ORGANIZATION, SYSTEM_USER
from connectors.emulators.store import Store

_FIRST_VERSION = 1_000_000
_IDS = uuid.UUID("6f0c7d1e-5d2a-4a0e-9a55-0d365d365000")


def id_of(kind: str, name: str) -> str:
    """The same id for the same thing in every run: `id_of("contact", "C-1")`."""
    return str(uuid.uuid5(_IDS, f"{kind}:{name}"))


@dataclass(frozen=True)
class Event:
    """Something that was done to a row; `target` is what the caller sent, `row` the row as it is now."""

    message: str
    table: Table
    row_id: str
    target: Mapping[str, Any]
    row: Row | None = None
    subordinate: str = ""


class Organisation:
    """`name` is unique in the emulator. Whoever reads several rows that must fit together holds `lock`."""

    def __init__(self, name: str, store: Store, now: Callable[[], datetime], settings: Mapping[str, str]) -> None:
        self.name = name
        self.now = now
        self.settings = settings
        self.lock = store.lock
        self.publish: Callable[[list[Event]], None] = lambda events: None
        self._store = store
        self.custom = CustomTables(store.collection(f"{name}.definitions"))
        self._version = _FIRST_VERSION
        self._rows: dict[str, Rows] = {}
        self._undo: list[Callable[[], None]] | None = None
        self._events: list[Event] = []
        for table in self.custom.tables():
            self.rows(table.name)

    def tables(self) -> dict[str, Table]:
        """By logical name."""
        return {table.name: table for table in self.custom.tables()}

    def relationships(self) -> list[Relationship]:
        return self.custom.relationships()

    def table_of_set(self, set_name: str) -> Table | None:
        return self.custom.by_set(set_name)

    def rows(self, table_name: str) -> Rows:
        """The rows of a table, by its logical name."""
        table = self.custom.table(table_name)
        held = self._rows.get(table_name)
        if held is None:
            held = self._opened(table)
            self._rows[table_name] = held
        held.table = table  # its columns may have changed since
        return held

    def _opened(self, table: Table) -> Rows:
        records = self._store.collection(f"{self.name}.{table.set_name}")
        deleted = self._store.collection(f"{self.name}.{table.set_name}.deleted")
        held = Rows(table, records, deleted, self.next_version)
        self._version = max(self._version, held.last_version)
        records.accept = lambda key, record: self._planted(table.name, key, record)
        records.edited = lambda key, before, after: held.noted(key, after)
        return held

    def _planted(self, table_name: str, key: str, record: dict[str, Any]) -> dict[str, Any]:
        """A row put through the control API: kept as it comes but for its id and version. ValueError: unknown name."""
        table = self.custom.table(table_name)
        unknown = sorted(name for name in record if name not in table.properties and not name.startswith("@"))
        if unknown:
            raise ValueError(f"{table.set_name} has no column {', '.join(unknown)}")
        stamp = {"createdon": self.stamp(), "modifiedon": self.stamp()}
        before = self.rows(table_name).get(key)
        defaults = table.defaults if before is None else {}
        shown = {**defaults, **stamp, **record, table.id_column: key, VERSION: self.next_version()}
        if before is not None and record.get("modifiedon") == before.get("modifiedon"):
            shown["modifiedon"] = stamp["modifiedon"]
        return {name: value for name, value in shown.items() if value is not None}

    def next_version(self) -> int:
        with self.lock:
            self._version += 1
            return self._version

    @property
    def version(self) -> int:
        """The last version given to a change."""
        return self._version

    def stamp(self) -> str:
        return f"{self.now():%Y-%m-%dT%H:%M:%SZ}"

    @property
    def id(self) -> str:
        return id_of("organization", self.name)

    def user_id(self, application: str) -> str:
        """The application user that a client is mapped to (1.1)."""
        return id_of("systemuser", application)

    def setting(self, name: str, default: str = "") -> str:
        """A switch of this organisation (`dataverse.<organisation>.<name>`), or of all (`dataverse.<name>`)."""
        own = self.settings.get(f"dataverse.{self.name}.{name}")
        return own if own is not None else self.settings.get(f"dataverse.{name}", default)

    def is_tracked(self, table: Table) -> bool:
        """Whether change tracking is on (3.3); the switch `untracked` names tables where it is not."""
        return table.tracked and table.name not in self.setting("untracked").replace(" ", "").split(",")

    @property
    def tracking_days(self) -> int:
        """How long a delta token lives: the organisation's own column, which the switch `tracking_days` overrides."""
        row = self.rows(ORGANIZATION.name).get(self.id) or {}
        return int(self.setting("tracking_days") or row.get("expirechangetrackingindays", 7))

    def alternate_keys(self, table: Table) -> list[tuple[str, ...]]:
        """Columns of each alternate key: the switch `alternate_keys` (`contact:emailaddress1;…`) and what clients made.

        None is defined at first (3.6).
        """
        switched = [part.partition(":") for part in self.setting("alternate_keys").replace(" ", "").split(";") if part]
        keys = [tuple(columns.split(",")) for name, _, columns in switched if name == table.name]
        keys += [tuple(key["columns"]) for key in self.custom.keys(table.name)]
        return [key for key in keys if all(name in table.columns for name in key)]

    def found(self, table: Table, row_id: str) -> Row:
        row = self.rows(table.name).get(row_id)
        if row is None:
            raise missing_row(table.name, row_id)
        return row

    def drop(self, table: Table) -> None:
        """The table goes with its rows."""
        with self.lock:
            rows = self._rows.pop(table.name)
            rows.records.clear()
            rows.deleted.clear()
            self.custom.remove_table(table.name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything done inside happens, or nothing does; may be nested. Events go out when all is done."""
        with self.lock:
            if self._undo is not None:
                yield
                return
            self._undo, self._events = [], []
            try:
                yield
            except Exception:
                for step in reversed(self._undo):
                    step()
                raise
            else:
                self.publish(self._events)
            finally:
                self._undo, self._events = None, []

    def put(self, table: Table, row: Row, event: Event) -> Row:
        """Stores a row, new or changed."""
        rows = self.rows(table.name)
        row_id = row[table.id_column]
        self._remember(rows, row_id)
        stored = rows.put(row)
        self._events.append(event)
        return stored

    def delete(self, table: Table, row_id: str) -> None:
        rows = self.rows(table.name)
        self._remember(rows, row_id)
        rows.delete(row_id)
        self._events.append(Event("Delete", table, row_id, {}))

    def note(self, event: Event) -> None:
        """An event beside the changes of rows, such as a merge."""
        self._events.append(event)

    def _remember(self, rows: Rows, row_id: str) -> None:
        before = rows.get(row_id)
        if self._undo is not None:
            self._undo.append(lambda: rows.restore(row_id, before))

    def load(self, rows: Mapping[str, list[dict[str, Any]]], users: tuple[str, ...]) -> None:
        """Starts over with these rows by logical name of their table."""
        with self.lock:
            for table in [table for table in self.custom.tables() if table.custom]:
                self.drop(table)
            self.custom.clear()
            stamp = {"createdon": self.stamp(), "modifiedon": self.stamp()}
            own = {"organizationid": self.id, "name": self.name, "version": "9.2.25101.00000", **stamp}
            members = [
                {"systemuserid": self.user_id(user), "fullname": f"# {user}", "domainname": user, "isdisabled": False,
                 **stamp} for user in users
            ]  # fmt: skip
            every = {**rows, ORGANIZATION.name: [{**own, "expirechangetrackingindays": 7}], SYSTEM_USER.name: members}
            for name in self.tables():
                self.rows(name).load(every.get(name, []))
