"""Which tables an organisation has: the standard ones, and what clients defined in it.

Definitions are records of one collection: `table:<name>` a table, `columns:<name>` columns added to a standard one,
`keys:<name>` alternate keys, `relation:<name>` a relationship.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from connectors.emulators.dataverse.errors import BAD_QUERY, DataverseError
from connectors.emulators.dataverse.schema import Column, Relationship, Table, table
from connectors.emulators.dataverse.standard_tables import AUDIT, RELATIONSHIPS, STANDARD, STATE
from connectors.emulators.store import Collection


class CustomTables:
    """Standard tables first, then those of clients; what is derived is kept until a definition changes."""

    def __init__(self, definitions: Collection) -> None:
        self._definitions = definitions
        self._built: tuple[int, dict[str, Table]] | None = None

    def _all(self) -> dict[str, Table]:
        changes = self._definitions.changes
        if self._built is None or self._built[0] != changes:
            with self._definitions.lock:
                own = [_table(record) for key, record in self._definitions.items() if key.startswith("table:")]
                every = {**STANDARD, **{found.name: found for found in own}}
                self._built = changes, {name: self._extended(found) for name, found in every.items()}
        return self._built[1]

    def _extended(self, found: Table) -> Table:
        added = (self._definitions.get(f"columns:{found.name}") or {}).get("columns", [])
        if not added:
            return found
        return replace(found, columns={**found.columns, **{c["name"]: _column(c) for c in added}})

    def tables(self) -> list[Table]:
        return list(self._all().values())

    def table(self, name: str) -> Table:
        """DataverseError 404 when there is none of that logical name."""
        found = self._all().get(name)
        if found is None:
            raise DataverseError(404, BAD_QUERY, f"Could not find an entity with name '{name}'.")
        return found

    def by_set(self, set_name: str) -> Table | None:
        return next((found for found in self.tables() if found.set_name == set_name), None)

    def keys(self, name: str) -> list[Mapping[str, Any]]:
        """Alternate keys clients defined: `{"id", "schema_name", "columns"}`."""
        found: list[Mapping[str, Any]] = (self._definitions.get(f"keys:{name}") or {}).get("keys", [])
        return found

    def relationships(self) -> list[Relationship]:
        own = [Relationship(**record) for key, record in self._definitions.items() if key.startswith("relation:")]
        return [*RELATIONSHIPS, *own]

    def add_table(self, name: str, set_name: str, name_column: str, label: str, schema_name: str,
                  columns: list[Column]) -> None:  # fmt: skip
        record = {
            "name": name, "set_name": set_name, "name_column": name_column, "label": label,
            "schema_name": schema_name, "columns": [_record(column) for column in columns],
        }  # fmt: skip
        self._definitions.put(f"table:{name}", record)

    def remove_table(self, name: str) -> None:
        relations = [f"relation:{r.name}" for r in self.relationships() if name in (r.one, r.many)]
        self._definitions.delete_many([f"table:{name}", f"columns:{name}", f"keys:{name}", *relations])

    def put_column(self, table_name: str, column: Column) -> None:
        """Adds a column or replaces one of the same name."""
        kept = (self._definitions.get(f"columns:{table_name}") or {}).get("columns", [])
        others = [record for record in kept if record["name"] != column.name]
        self._definitions.put(f"columns:{table_name}", {"columns": [*others, _record(column)]})

    def remove_column(self, table_name: str, name: str) -> None:
        for key in (f"columns:{table_name}", f"table:{table_name}"):
            kept = self._definitions.get(key)
            if kept is not None:
                left = [record for record in kept["columns"] if record["name"] != name]
                self._definitions.put(key, {**kept, "columns": left})

    def put_keys(self, table_name: str, keys: list[Mapping[str, Any]]) -> None:
        self._definitions.put(f"keys:{table_name}", {"keys": keys})

    def add_relationship(self, relationship: Relationship) -> None:
        self._definitions.put(f"relation:{relationship.name}", asdict(relationship))

    def remove_relationship(self, name: str) -> None:
        self._definitions.delete(f"relation:{name}")

    def clear(self) -> None:
        self._definitions.clear()


def _record(column: Column) -> dict[str, Any]:
    """A column as it is kept: options as pairs, because keys of a record are text."""
    kept = asdict(column)
    return {**kept, "options": list(column.options.items()), "states": list(column.states.items())}


def _column(record: Mapping[str, Any]) -> Column:
    tuples = {name: tuple(record[name]) for name in ("targets", "navigation")}
    maps = {name: dict(record[name]) for name in ("options", "states")}
    return Column(**{**record, **tuples, **maps})


def _table(record: Mapping[str, Any]) -> Table:
    columns = [_column(column) for column in record["columns"]]
    return table(
        record["name"], record["set_name"], record["name_column"], (*columns, *STATE, *AUDIT),
        label=record["label"], schema_name=record["schema_name"], custom=True,
    )  # fmt: skip
