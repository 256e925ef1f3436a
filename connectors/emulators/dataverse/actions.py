"""Unbound functions and actions: who calls, which version, merge, state, bulk delete (dynamics365.md 3.5)."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.emulators.dataverse.errors import DataverseError, bad_payload, bad_query
from connectors.emulators.dataverse.merging import merge_called
from connectors.emulators.dataverse.organisation import Organisation, id_of
from connectors.emulators.dataverse.payload import json_of, objects_of
from connectors.emulators.dataverse.replies import answer, empty
from connectors.emulators.dataverse.schema import NAMESPACE, Table
from connectors.emulators.dataverse.standard_tables import ORGANIZATION
from connectors.emulators.dataverse.writing import Writing
from connectors.emulators.system import Request, Response

_CALL = re.compile(r"/?(?P<name>[A-Za-z]\w*)(?:\((?P<arguments>.*)\))?/?", re.DOTALL)
_FUNCTIONS = ("WhoAmI", "RetrieveVersion", "RetrieveTotalRecordCount", "RetrieveCurrentOrganization")
_ACTIONS = ("Merge", "SetState", "BulkDelete")
NAMES = (*_FUNCTIONS, *_ACTIONS)


def named(path: str) -> str:
    """The function or action a path names; "" when it names none of ours."""
    found = _CALL.fullmatch(path.removeprefix("/").removeprefix(f"{NAMESPACE}."))
    return found["name"] if found and found["name"] in NAMES else ""


def called(organisation: Organisation, name: str, request: Request, path: str, user: str) -> Response:
    wanted = "GET" if name in _FUNCTIONS else "POST"
    if request.method != wanted:
        raise DataverseError(
            405, "0x80060888", f"The requested resource does not support http method '{request.method}'."
        )
    if name in _FUNCTIONS:
        return _function(organisation, name, request, path, user)
    writing, given = Writing(organisation, organisation.user_id(user)), json_of(request.body)
    if name == "Merge":
        merge_called(organisation, writing, given)
        return empty(204, 2)
    if name == "SetState":
        _set_state(organisation, writing, given)
        return empty(204, 1)
    return _bulk_delete(organisation, writing, given, request)


def _function(organisation: Organisation, name: str, request: Request, path: str, user: str) -> Response:
    context = {"@odata.context": f"{request.base}/$metadata#{NAMESPACE}.{name}Response"}
    if name == "WhoAmI":
        ids = {
            "BusinessUnitId": id_of("businessunit", organisation.name),
            "UserId": organisation.user_id(user),
            "OrganizationId": organisation.id,
        }
        return answer({**context, **ids})
    if name == "RetrieveVersion":
        return answer({**context, "Version": _version(organisation)})
    if name == "RetrieveCurrentOrganization":
        detail = {"OrganizationId": organisation.id, "UniqueName": organisation.name,
                  "FriendlyName": organisation.name, "OrganizationVersion": _version(organisation)}  # fmt: skip
        return answer({**context, "Detail": detail})
    names = _table_names(request, path)
    for unknown in (found for found in names if found not in organisation.tables()):
        raise DataverseError(404, "0x80060888", f"The entity with a name = '{unknown}' was not found.")
    counts = [len(organisation.rows(found).records) for found in names]
    collection = {"Count": len(names), "IsReadOnly": False, "Keys": names, "Values": counts}
    return answer({**context, "EntityRecordCountCollection": collection})


def _version(organisation: Organisation) -> str:
    row = organisation.rows(ORGANIZATION.name).get(organisation.id) or {}
    return str(row.get("version", "9.2"))


def _table_names(request: Request, path: str) -> list[str]:
    """`RetrieveTotalRecordCount(EntityNames=['contact'])`, or with the list behind an alias."""
    found = re.search(r"EntityNames\s*=\s*(@\w+|\[.*\])", path)
    text = request.query.get(found[1], "") if found and found[1].startswith("@") else (found[1] if found else "")
    try:
        names = msgspec.json.decode(text.replace("'", '"') or "null", type=list[str])
    except msgspec.DecodeError:
        raise bad_query("EntityNames must be a list of logical names.") from None
    return names


def _set_state(organisation: Organisation, writing: Writing, given: Mapping[str, Any]) -> None:
    moniker = given.get("EntityMoniker")
    if not isinstance(moniker, dict) or not isinstance(given.get("State"), int):
        raise bad_payload("SetState needs EntityMoniker and State.")
    name = str(moniker.get("@odata.type", "")).lstrip("#").removeprefix(f"{NAMESPACE}.")
    table = organisation.tables().get(name)
    if table is None or table.status is None:
        raise bad_payload(f"EntityMoniker of SetState needs '@odata.type' of a table with states, not '{name}'.")
    row = organisation.found(table, str(moniker.get(table.id_column, "")).lower())
    status = given.get("Status", -1)
    reason = {} if status == -1 else {"statuscode": status}
    change = {"statecode": given["State"], **reason}
    writing.set_state(table, row, change)


def _bulk_delete(organisation: Organisation, writing: Writing, given: Mapping[str, Any], request: Request) -> Response:
    """Deletes what each query selects, at once; on the real service a job does it soon."""
    deleted = 0
    with organisation.transaction():
        for query in objects_of(given, "QuerySet"):
            table = organisation.tables().get(str(query.get("EntityName")))
            if table is None:
                raise bad_payload("BulkDelete needs the EntityName of each query.")
            for row_id in _condition_ids(table, query):
                row = organisation.rows(table.name).get(row_id)
                if row is not None:
                    writing.delete(table, row)
                    deleted += 1
    context = f"{request.base}/$metadata#{NAMESPACE}.BulkDeleteResponse"
    return answer({"@odata.context": context, "JobId": str(uuid.uuid4())}, records=deleted)


def _condition_ids(table: Table, query: Mapping[str, Any]) -> list[str]:
    """The one kind of query that is understood: a list of ids."""
    conditions = objects_of(query.get("Criteria") or {}, "Conditions")
    if len(conditions) != 1 or conditions[0].get("AttributeName") != table.id_column:
        raise bad_payload("This emulator deletes in bulk by a list of ids only.")
    if conditions[0].get("Operator") not in ("In", "Equal"):
        raise bad_payload("This emulator deletes in bulk by a list of ids only.")
    return [str(value.get("Value") if isinstance(value, dict) else value).lower() for value in conditions[0]["Values"]]
