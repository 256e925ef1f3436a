"""Navigation: reading what is behind a lookup, and connecting rows with `$ref` (the minimum; dynamics365.md 3.2)."""

import re
from dataclasses import dataclass

from connectors.emulators.dataverse.addresses import Address
from connectors.emulators.dataverse.errors import BAD_QUERY, DataverseError, bad_payload
from connectors.emulators.dataverse.filter_values import GUID
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.payload import json_of, referred
from connectors.emulators.dataverse.preferences import Preferences
from connectors.emulators.dataverse.query import options_of
from connectors.emulators.dataverse.replies import answer, empty
from connectors.emulators.dataverse.representation import Representation
from connectors.emulators.dataverse.row_calls import shown
from connectors.emulators.dataverse.rows import Row
from connectors.emulators.dataverse.schema import Column, Table
from connectors.emulators.dataverse.writing import Writing
from connectors.emulators.system import Request, Response

_STEP = re.compile(rf"(?P<name>\w+)(?:\((?P<id>{GUID.pattern})\))?(?P<ref>/\$ref)?")


@dataclass(frozen=True)
class Step:
    """From one row along a relationship. `many` is true on the side with many rows; they hold `column`."""

    start: Row
    column: Column
    holder: Table
    other: str
    many: bool
    is_reference: bool
    row_id: str


def step_of(organisation: Organisation, address: Address) -> Step | None:
    """None when the rest of the address is no relationship of the table."""
    found = _STEP.fullmatch(address.rest)
    if not found:
        return None
    table, name = address.table, found["name"]
    is_reference, row_id = bool(found["ref"]), (found["id"] or "").lower()
    if name in table.navigation:
        column, target = table.navigation[name]
        start = organisation.found(table, address.row_id or "")
        return Step(start, column, table, target, False, is_reference, row_id)
    for relation in organisation.relationships():
        if relation.name == name and relation.one == table.name:
            holder = organisation.rows(relation.many).table
            start = organisation.found(table, address.row_id or "")
            return Step(start, holder.columns[relation.column], holder, relation.many, True, is_reference, row_id)
    return None


def taken(
    organisation: Organisation, step: Step, address: Address, request: Request, preferences: Preferences, user: str
) -> Response:
    if request.method == "GET":
        return _read(organisation, step, address, request, preferences)
    if not step.is_reference:
        raise DataverseError(405, BAD_QUERY, "Rows are connected through /$ref.")
    writing = Writing(organisation, organisation.user_id(user))
    with organisation.transaction():
        if request.method == "DELETE":
            _disconnect(organisation, writing, step, request, address)
        elif request.method in ("POST", "PUT"):
            _connect(organisation, writing, step, request, address)
        else:
            raise DataverseError(405, BAD_QUERY, f"$ref does not support http method '{request.method}'.")
    return empty(204, 1)


def _read(
    organisation: Organisation, step: Step, address: Address, request: Request, preferences: Preferences
) -> Response:
    start_id, rows = step.start[address.table.id_column], organisation.rows(step.other)
    if not step.many:
        row = rows.get(step.start.get(step.column.property_name, ""))
        if row is None:
            return empty(204)
        if step.is_reference:
            return answer({"@odata.id": f"{request.base}/{rows.table.set_name}({row[rows.table.id_column]})"})
        return shown(organisation, request, rows.table, row, preferences)
    options = options_of(organisation, rows.table, request.query)
    found = [
        row for row in rows.walk()
        if row.get(step.column.property_name) == start_id and (options.test is None or options.test(row))
    ]  # fmt: skip
    context = f"{request.base}/$metadata#{rows.table.set_name}"
    if step.is_reference:
        links = [{"@odata.id": f"{request.base}/{rows.table.set_name}({row[rows.table.id_column]})"} for row in found]
        return answer({"@odata.context": f"{request.base}/$metadata#Collection($ref)", "value": links})
    representation = Representation(organisation, rows.table, options.select, preferences, options.expand)
    return answer({"@odata.context": context, "value": representation.many(found)}, records=len(found))


def _connect(organisation: Organisation, writing: Writing, step: Step, request: Request, address: Address) -> None:
    given = json_of(request.body).get("@odata.id")
    if not isinstance(given, str):
        raise bad_payload("$ref needs '@odata.id'.")
    named = referred(organisation, given)
    if named.table.name != step.other:
        raise bad_payload(f"'{given}' is not a row of '{step.other}'.")
    other = organisation.found(named.table, named.row_id or "")
    if step.many:
        writing.store(step.holder, other, {step.column.property_name: step.start[address.table.id_column]})
    else:
        writing.store(step.holder, step.start, {step.column.property_name: other[named.table.id_column]})


def _disconnect(organisation: Organisation, writing: Writing, step: Step, request: Request, address: Address) -> None:
    if not step.many:
        writing.store(step.holder, step.start, {step.column.property_name: None})
        return
    row_id = step.row_id or (referred(organisation, request.query["$id"]).row_id if "$id" in request.query else "")
    other = organisation.found(step.holder, row_id or "")
    if other.get(step.column.property_name) == step.start[address.table.id_column]:
        writing.store(step.holder, other, {step.column.property_name: None})
