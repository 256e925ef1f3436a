"""CreateMultiple, UpdateMultiple, UpsertMultiple and DeleteMultiple: many rows of one table or none."""

from collections.abc import Mapping
from typing import Any

from connectors.emulators.dataverse.errors import DataverseError, bad_payload, missing_row
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.payload import json_of, referred
from connectors.emulators.dataverse.replies import answer, empty
from connectors.emulators.dataverse.schema import NAMESPACE, Table
from connectors.emulators.dataverse.writing import Writing
from connectors.emulators.system import Request, Response

NAMES = tuple(f"{NAMESPACE}.{verb}Multiple" for verb in ("Create", "Update", "Upsert", "Delete"))


def called(organisation: Organisation, table: Table, name: str, request: Request, user: str) -> Response:
    if request.method != "POST":
        raise DataverseError(405, "0x80060888", f"{name} is called with POST.")
    writing = Writing(organisation, organisation.user_id(user))
    targets = _targets(table, json_of(request.body))
    verb = name.rpartition(".")[2]
    with organisation.transaction():
        if verb == "CreateMultiple":
            ids = [writing.create(table, target)[table.id_column] for target in targets]
            context = f"{request.base}/$metadata#{NAMESPACE}.CreateMultipleResponse"
            return answer({"@odata.context": context, "Ids": ids}, records=len(ids))
        for target in targets:
            _one(organisation, writing, table, verb, target)
    return empty(204, len(targets))


def _targets(table: Table, given: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    targets = given.get("Targets")
    if not isinstance(targets, list) or not targets or not all(isinstance(target, dict) for target in targets):
        raise bad_payload("Targets must be a list of rows.")
    for target in targets:
        if str(target.get("@odata.type", "")).lstrip("#") != table.type:
            raise bad_payload(f"Each target needs '@odata.type': '{table.type}'.")
    return targets


def _one(organisation: Organisation, writing: Writing, table: Table, verb: str, target: Mapping[str, Any]) -> None:
    row_id, key = _named(organisation, table, target)
    row = organisation.rows(table.name).get(row_id)
    if row is None:
        if verb != "UpsertMultiple":
            raise missing_row(table.name, row_id)
        writing.create(table, {**key, **target}, row_id)
    elif verb == "DeleteMultiple":
        writing.delete(table, row)
    else:
        writing.update(table, row, {name: value for name, value in target.items() if name != table.id_column})


def _named(organisation: Organisation, table: Table, target: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The id of the row a target means, or the alternate key in its `@odata.id`."""
    if "@odata.id" in target:
        address = referred(organisation, str(target["@odata.id"]))
        return address.row_id or "", address.key
    return str(target.get(table.id_column, "")).lower(), {}
