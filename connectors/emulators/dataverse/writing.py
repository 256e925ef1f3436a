"""Creates, changes and deletes rows the way the platform does, side effects included (dynamics365.md 3.5, 3.6)."""

import uuid
from collections.abc import Mapping
from typing import Any

from connectors.emulators.dataverse.errors import DUPLICATE, DataverseError
from connectors.emulators.dataverse.organisation import Event, Organisation
from connectors.emulators.dataverse.payload import Payload, payload_of
from connectors.emulators.dataverse.rows import Row
from connectors.emulators.dataverse.schema import Table
from connectors.emulators.dataverse.standard_tables import ACCOUNT, CONTACT, LEAD

_NAMED = (CONTACT.name, LEAD.name)
# Read-only while inactive, until somebody reactivates them (3.5).
_FROZEN = (CONTACT.name, ACCOUNT.name)


class Writing:
    """Writes as one user; every method is atomic."""

    def __init__(self, organisation: Organisation, user_id: str) -> None:
        self._organisation = organisation
        self._user_id = user_id

    def create(self, table: Table, given: Mapping[str, Any], row_id: str = "") -> Row:
        """A new row, with the id the client chose or one of ours. DataverseError 412 when the id is taken."""
        with self._organisation.transaction():
            payload = payload_of(self._organisation, table, given)
            self._nest(payload)
            values = payload.values
            own = row_id or values.get(table.id_column) or str(uuid.uuid4())
            if self._organisation.rows(table.name).get(own) is not None:
                raise DataverseError(412, DUPLICATE, "A record with matching key values already exists.")
            stamp = self._organisation.stamp()
            born = {"createdon": stamp, "modifiedon": stamp, "_ownerid_value": self._user_id}
            born = {name: value for name, value in born.items() if name in table.properties}
            settled = _with_status(table, {}, values)
            row = _named(table, {**table.defaults, **born, **settled, table.id_column: own})
            self._keep_keys(table, row)
            return self._organisation.put(table, row, Event("Create", table, own, settled, row))

    def update(self, table: Table, row: Row, given: Mapping[str, Any], whole: bool = False) -> Row:
        """Changes what is given; `whole`: what is not given goes back to what a new row has."""
        with self._organisation.transaction():
            payload = payload_of(self._organisation, table, given)
            self._refuse_frozen(table, row, payload.values)
            self._nest(payload)
            values = payload.values
            if whole:
                kept = {name: None for name, column in table.properties.items() if column.writable}
                values = {**kept, **table.defaults, **values}
            return self.store(table, row, _with_status(table, row, values))

    def store(self, table: Table, row: Row, values: Mapping[str, Any]) -> Row:
        """Stores changes that are known to be good, modified now."""
        own = row[table.id_column]
        dated = {"modifiedon": self._organisation.stamp()} if "modifiedon" in table.columns else {}
        changed = _named(table, {**row, **values, **dated, table.id_column: own})
        self._keep_keys(table, changed)
        return self._organisation.put(table, changed, Event("Update", table, own, {**values, **dated}, changed))

    def set_state(self, table: Table, row: Row, change: Mapping[str, Any]) -> Row:
        """State and reason alone; an inactive row may be set to anything."""
        with self._organisation.transaction():
            values = _with_status(table, row, payload_of(self._organisation, table, change).values)
            stored = self.store(table, row, values)
            self._organisation.note(Event("SetState", table, row[table.id_column], values, stored))
            return stored

    def delete(self, table: Table, row: Row) -> None:
        """Rows that pointed to it point nowhere afterwards."""
        with self._organisation.transaction():
            own = row[table.id_column]
            self._organisation.delete(table, own)
            self.repoint(table, own, None)

    def repoint(self, table: Table, old: str, new: str | None, keep: frozenset[str] = frozenset()) -> None:
        """Every lookup that leads to one row leads to another, but for the columns to keep."""
        for other in self._organisation.tables().values():
            names = [c.property_name for c in other.lookups if table.name in c.targets and c.name not in keep]
            if not names:
                continue
            for row in list(self._organisation.rows(other.name).walk()):
                moved = {name: new for name in names if row.get(name) == old}
                if moved:
                    self.store(other, row, moved)

    def _nest(self, payload: Payload) -> None:
        for name, (target, given) in payload.nested.items():
            table = self._organisation.rows(target).table
            payload.values[name] = self.create(table, given)[table.id_column]

    def _refuse_frozen(self, table: Table, row: Row, values: Mapping[str, Any]) -> None:
        frozen = table.name in _FROZEN and row.get("statecode", 0) != 0
        if not frozen or values.get("statecode") == 0 or self._organisation.setting("inactive_writable") == "yes":
            return
        own = row[table.id_column]
        raise DataverseError(400, "", f"The {table.name} with id {own} is inactive and cannot be updated.")

    def _keep_keys(self, table: Table, row: Row) -> None:
        """An alternate key is unique."""
        for columns in self._organisation.alternate_keys(table):
            names = [table.columns[name].property_name for name in columns]
            values = [row.get(name) for name in names]
            if None in values:
                continue
            for other in self._organisation.rows(table.name).walk():
                is_other = other[table.id_column] != row[table.id_column]
                if is_other and [other.get(name) for name in names] == values:
                    words = f"A record that has the attribute values {', '.join(columns)} already exists."
                    raise DataverseError(412, "0x80060892", words)


def _with_status(table: Table, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    """State and status reason fit each other: a state without a reason gets its first one."""
    settled = dict(values)
    status = table.status
    if status is None or ("statecode" not in values and "statuscode" not in values):
        return settled
    state = values.get("statecode", row.get("statecode", 0))
    fitting = [reason for reason, of in status.states.items() if of == state]
    if "statuscode" not in values:
        settled["statuscode"] = fitting[0] if fitting else None
    elif values["statuscode"] not in fitting:
        words = f"{values['statuscode']} is not a valid status code for state code {state} on {table.name}."
        raise DataverseError(400, "0x80048408", words)
    return settled


def _named(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """The full name follows from its parts."""
    if table.name in _NAMED:
        parts = (row.get(part) for part in ("firstname", "middlename", "lastname"))
        row["fullname"] = " ".join(part for part in parts if part) or None
    return row
