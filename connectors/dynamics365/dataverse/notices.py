"""Webhook messages (RemoteExecutionContext, contract 3.8) → which records to look at again. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.base import Notice
from connectors.dynamics365.dataverse.mapping import guid
from connectors.dynamics365.dataverse.tables import CONSENT_POINTS, GUID
from connectors.errors import RecordError

CUSTOMERS = ("contact", "account")
NOBODY = "00000000-0000-0000-0000-000000000000"


class _Reference(msgspec.Struct):
    Id: str = ""
    LogicalName: str = ""


class _Pair(msgspec.Struct):
    key: str = ""
    value: Any = None


class _Context(msgspec.Struct):
    MessageName: str = ""
    PrimaryEntityName: str = ""
    PrimaryEntityId: str = ""
    OperationId: str = ""
    CorrelationId: str = ""
    InputParameters: list[_Pair] | None = None


def notice(body: bytes, headers: Mapping[str, str]) -> Notice:
    """A change of a contact or an account names it for both streams; a merge names both rows.

    Above 256 kB the message comes without its parameters: its first row is named all the same.
    """
    try:
        context = msgspec.json.decode(body, type=_Context)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RecordError("malformed_message", "body", f"Not a RemoteExecutionContext: {error}"[:200]) from error
    ids = list(dict.fromkeys(_ids(context)))
    entity = context.PrimaryEntityName.lower()
    streams = ["customer", "consent"] if entity in CUSTOMERS else []
    if entity == CONSENT_POINTS.removesuffix("s"):
        streams = ["consent"]
    keys = dict.fromkeys(streams, ids) if ids else {}
    return Notice(_identity(context, ids), keys, context.MessageName)


def _ids(context: _Context) -> list[str]:
    found = [guid(context.PrimaryEntityId)]
    for pair in context.InputParameters or []:
        value = pair.value
        if pair.key in ("Target", "EntityMoniker") and isinstance(value, dict):
            found.append(guid(value.get("Id")))
        elif pair.key == "SubordinateId":
            found.append(guid(value))
    return [one for one in found if GUID.match(one) and one != NOBODY]


def _identity(context: _Context, ids: list[str]) -> str:
    """The operation's own id; else what the message is about, within the request that caused it."""
    operation = guid(context.OperationId)
    if GUID.match(operation) and operation != NOBODY:
        return operation
    if not context.CorrelationId or not context.MessageName:
        raise RecordError("malformed_message", "CorrelationId", "The message does not say which event it is.")
    return "|".join([guid(context.CorrelationId), context.MessageName, *ids])[:200]
