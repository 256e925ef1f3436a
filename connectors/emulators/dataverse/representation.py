"""How a row looks in an answer: selected columns, id, tag, annotations, rows behind lookups (dynamics365.md 3.2)."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.preferences import FORMATTED, Preferences
from connectors.emulators.dataverse.query import Expansion
from connectors.emulators.dataverse.rows import VERSION, Row
from connectors.emulators.dataverse.schema import Column, Table

_LOOKUP = "Microsoft.Dynamics.CRM.lookuplogicalname"
_NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
Shown = dict[str, Any]


class Representation:
    """Shows rows of one table the way one request asked for."""

    def __init__(
        self,
        organisation: Organisation,
        table: Table,
        select: tuple[str, ...],
        preferences: Preferences,
        expand: tuple[Expansion, ...] = (),
    ) -> None:
        self._organisation = organisation
        self._table = table
        names = select or tuple(table.properties)
        # The primary key is there even when it is not selected (3.2).
        self._names = names if table.id_column in names else (*names, table.id_column)
        self._annotated = bool(preferences.annotations)
        self._preferences = preferences
        self._expansions = [(expansion, self._behind(expansion)) for expansion in expand]

    def _behind(self, expansion: Expansion) -> Callable[[Row], Shown | None]:
        column, target = self._table.navigation[expansion.name]
        rows = self._organisation.rows(target)
        shown = Representation(self._organisation, rows.table, expansion.select, self._preferences)

        def show(row: Row) -> Shown | None:
            other = rows.get(row.get(column.property_name, ""))
            return None if other is None else shown.one(other)

        return show

    def one(self, row: Row) -> Shown:
        if self._annotated:
            shown: Shown = {"@odata.etag": f'W/"{row[VERSION]}"'}
            for name in self._names:
                self._annotate(shown, self._table.properties[name], row)
                shown[name] = row.get(name)
        else:
            get = row.get
            shown = {"@odata.etag": f'W/"{row[VERSION]}"', **{name: get(name) for name in self._names}}
        for expansion, behind in self._expansions:
            shown[expansion.name] = behind(row)
        return shown

    def many(self, rows: Iterable[Row]) -> list[Shown]:
        return [self.one(row) for row in rows]

    def _annotate(self, shown: Shown, column: Column, row: Row) -> None:
        name = column.property_name
        value = row.get(name)
        if value is None:
            return
        if self._preferences.wants(FORMATTED) and (text := self._formatted(column, value)):
            shown[f"{name}@{FORMATTED}"] = text
        if column.kind == "lookup":
            target = target_of(self._organisation, column, value)
            if self._preferences.wants(_NAVIGATION):
                shown[f"{name}@{_NAVIGATION}"] = dict(zip(column.targets, column.navigation, strict=True))[target]
            if self._preferences.wants(_LOOKUP):
                shown[f"{name}@{_LOOKUP}"] = target

    def _formatted(self, column: Column, value: Any) -> str:
        """ "" for a planted value of the wrong type."""
        try:
            return self._text(column, value)
        except (ValueError, TypeError):
            return ""

    def _text(self, column: Column, value: Any) -> str:
        if column.kind == "lookup":
            rows = self._organisation.rows(target_of(self._organisation, column, value))
            return str((rows.get(value) or {}).get(rows.table.name_column, ""))
        if column.options:
            return column.options.get(int(value), "")
        if column.kind == "bool":
            return "Yes" if value else "No"
        if column.kind == "datetime":
            return f"{datetime.fromisoformat(value):%-m/%-d/%Y %-I:%M %p}"
        if column.kind == "date":
            return f"{datetime.fromisoformat(value):%-m/%-d/%Y}"
        if column.kind == "money":
            return f"${value:,.2f}"
        return f"{value:,}" if column.kind in ("int", "bigint", "decimal", "double") else ""


def target_of(organisation: Organisation, column: Column, row_id: str) -> str:
    """Which table a lookup points into: ids are unique across tables."""
    for target in column.targets:
        if organisation.rows(target).get(row_id) is not None:
            return target
    return column.targets[0]
