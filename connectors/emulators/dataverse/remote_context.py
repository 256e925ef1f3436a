"""The `RemoteExecutionContext` that a registered step posts (dynamics365.md 3.8)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.emulators.dataverse.organisation import Event, Organisation
from connectors.emulators.dataverse.replies import encode
from connectors.emulators.dataverse.representation import target_of
from connectors.emulators.dataverse.schema import Column, Table

LARGEST = 256 * 1024
_DROPPED = ("InputParameters", "PreEntityImages", "PostEntityImages", "ParentContext")


def context_of(organisation: Organisation, event: Event, correlation: str) -> tuple[bytes, bool]:
    """The body, and whether it was cut for being over 256 kB."""
    table = event.table
    context: dict[str, Any] = {
        "BusinessUnitId": organisation.id,
        "CorrelationId": correlation,
        "Depth": 1,
        "InitiatingUserId": organisation.user_id("integration-console"),
        "InputParameters": _inputs(organisation, event),
        "IsInTransaction": False,
        "MessageName": event.message,
        "Mode": 1,
        "OperationCreatedOn": f"/Date({_milliseconds(organisation.stamp())}+0000)/",
        "OrganizationId": organisation.id,
        "OrganizationName": organisation.name,
        "OutputParameters": [],
        "ParentContext": None,
        "PostEntityImages": [],
        "PreEntityImages": [],
        "PrimaryEntityId": event.row_id,
        "PrimaryEntityName": table.name,
        "RequestId": correlation,
        "SharedVariables": [],
        "Stage": 40,
        "UserId": organisation.user_id("integration-console"),
    }
    body = encode(context)
    if len(body) <= LARGEST:
        return body, False
    return encode({name: value for name, value in context.items() if name not in _DROPPED}), True


def _inputs(organisation: Organisation, event: Event) -> list[dict[str, Any]]:
    reference = {"Id": event.row_id, "LogicalName": event.table.name}
    entity = {**reference, "Attributes": _attributes(organisation, event.table, event.target)}
    if event.message == "Delete":
        return [{"key": "Target", "value": reference}]
    if event.message == "Merge":
        return [
            {"key": "Target", "value": reference},
            {"key": "SubordinateId", "value": event.subordinate},
            {"key": "UpdateContent", "value": entity},
            {"key": "PerformParentingChecks", "value": False},
        ]
    if event.message == "SetState":
        state = {"State": event.target.get("statecode"), "Status": event.target.get("statuscode")}
        return [
            {"key": "EntityMoniker", "value": reference},
            *({"key": name, "value": {"Value": value}} for name, value in state.items()),
        ]
    return [{"key": "Target", "value": entity}]


def _attributes(organisation: Organisation, table: Table, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = ((table.properties[name], value) for name, value in values.items() if name in table.properties)
    return [{"key": column.name, "value": _value(organisation, column, value)} for column, value in found]


def _value(organisation: Organisation, column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.kind == "lookup":
        return {"Id": value, "LogicalName": target_of(organisation, column, value)}
    if column.kind in ("picklist", "state", "status", "money"):
        return {"Value": value}
    return f"/Date({_milliseconds(value)})/" if column.kind in ("datetime", "date") else value


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
