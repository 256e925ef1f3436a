"""What Dynamics posts to a webhook: business events, and data events as a RemoteExecutionContext (contract 5, 3.8).

A message is a trigger: it names records to read again. Nothing in it is taken as data.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from connectors import fields
from connectors.base import Notice
from connectors.errors import RecordError

TEST = "BusinessEventsTestEndpointContract"
"""The message that activating an endpoint sends; it asks for nothing."""
_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/\Z")

_ORDER = ("salesorderid", "salesordernumber", "salesid")
_INVOICE = ("invoiceid", "invoicenumber")
_ACCOUNT = ("orderingcustomeraccountnumber", "orderaccount", "customeraccount", "customeraccountnumber", "custaccount")
_RETURN = ("returnordernumber", "returnitemnum", "returnorderid")
_CONTACT = ("contactpersonid", "contactid")
_ITEM = ("itemnumber", "itemid")

_ORDER_STREAMS = {"order": _ORDER, "order_event": _ORDER, "order_status": _ACCOUNT}
_BY_WORD: Sequence[tuple[str, Mapping[str, Sequence[str]]]] = (
    ("freetextinvoice", {"sale": _INVOICE}),
    ("returnorder", {"return": _RETURN}),
    ("salesinvoice", {"sale": _INVOICE}),
    ("packingslip", {"order_event": _ORDER, "order": _ORDER}),
    ("salesorder", _ORDER_STREAMS),
    ("releasedproduct", {"product": _ITEM}),
    ("onhand", {"product": _ITEM}),
    ("contact", {"contact": _CONTACT}),
    ("customer", {"customer": ("customeraccount", "accountnum", "customeraccountnumber")}),
)
"""Which streams a message is about, by what its event or entity is called, the first word that fits; and under
which names it may tell the record's key."""
_ALONE = {"packingslip": ("order_event",)}
"""A parcel's data event is about the parcel alone: its order changes by events of its own."""


def notice(body: bytes, headers: Mapping[str, str]) -> Notice:
    """Reads one message. Raises RecordError where it is not JSON, has neither form, or names no record."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RecordError("malformed_notice", "body", f"The message is not JSON: {error}"[:200]) from error
    if isinstance(found, dict) and isinstance(found.get("BusinessEventId"), str):
        return _business_event(found)
    if isinstance(found, dict) and isinstance(found.get("PrimaryEntityName"), str):
        return _data_event(found)
    raise RecordError("malformed_notice", "body", "Neither a business event nor a data event of Dynamics 365.")


def _business_event(found: Mapping[str, Any]) -> Notice:
    """`ControlNumber` grows with gaps; `EventId` tells repeats."""
    name = str(found["BusinessEventId"])
    event = fields.text(found.get("EventId"))
    if name == TEST:
        return Notice(event or TEST, {}, name)
    if not event:
        raise RecordError("malformed_notice", "EventId", "The business event has no EventId to tell repeats by.", name)
    number = found.get("ControlNumber")
    order = number if isinstance(number, int) and not isinstance(number, bool) else _milliseconds(found)
    company = fields.text(found.get("LegalEntity") or found.get("BusinessEventLegalEntity"))
    return Notice(event, _keys(name, company, _lower(found), ()), name, order, _moment(found))


def _data_event(found: Mapping[str, Any]) -> Notice:
    entity = re.sub(r"^mserp_", "", str(found["PrimaryEntityName"]).lower())
    message = fields.text(found.get("MessageName"))
    values = _attributes(found)
    company = fields.text(values.get("dataareaid") or values.get("legalentity"))
    parts = (found.get("CorrelationId"), found.get("PrimaryEntityId"), message, found.get("OperationCreatedOn"))
    event = "/".join(fields.text(part) for part in parts)
    if not event.strip("/"):
        raise RecordError("malformed_notice", "CorrelationId", "The data event has nothing to tell repeats by.", entity)
    keys = _keys(entity, company, values, _alone(entity))
    return Notice(event, keys, f"{message} {entity}", _milliseconds(found), _moment(found))


def _alone(entity: str) -> Sequence[str]:
    return next((streams for word, streams in _ALONE.items() if word in entity), ())


def _keys(name: str, company: str, values: Mapping[str, Any], alone: Sequence[str]) -> dict[str, Sequence[str]]:
    """Keys by stream; empty for a message about what no stream carries."""
    streams = next((streams for word, streams in _BY_WORD if word in name.lower()), {})
    wanted = {stream: names for stream, names in streams.items() if not alone or stream in alone}
    found = {
        stream: [f"{company.lower()}|{value}"] for stream, names in wanted.items() if (value := _first(values, names))
    }
    if wanted and not (found and company):
        field = "LegalEntity" if found else next(iter(wanted.values()))[0]
        raise RecordError("missing_value", field, f"The message {name[:80]} does not name the record it is about.")
    return dict(found)


def _first(values: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((text for name in names if (text := _scalar(values.get(name)))), "")


def _scalar(value: Any) -> str:
    return fields.text(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _lower(found: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub(r"^mserp_", "", str(name).lower()): value for name, value in found.items()}


def _attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the message tells of the record: its target, and what the images add to it."""
    values: dict[str, Any] = {}
    for member in ("PreEntityImages", "PostEntityImages", "InputParameters"):
        for pair in _list(found.get(member)):
            held = pair.get("value") if isinstance(pair, dict) else None
            if isinstance(held, dict):
                values |= _of_entity(held)
    return values


def _of_entity(entity: Mapping[str, Any]) -> dict[str, Any]:
    attributes = entity.get("Attributes")
    if isinstance(attributes, dict):
        return _lower(attributes)
    pairs = (pair for pair in _list(attributes) if isinstance(pair, dict))
    return _lower({str(pair.get("key", "")): pair.get("value") for pair in pairs})


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _moment(found: Mapping[str, Any]) -> datetime | None:
    since_1970 = _milliseconds(found)
    try:
        return None if since_1970 is None else datetime.fromtimestamp(since_1970 / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _milliseconds(found: Mapping[str, Any]) -> int | None:
    """When it happened, in either spelling; it grows with time where the system numbers nothing."""
    for name in ("OperationCreatedOn", "EventTimeIso8601", "EventTime"):
        text = fields.text(found.get(name))
        if match := _DATE.match(text):
            return int(match[1][:18])
        try:
            return round(datetime.fromisoformat(text).timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            continue
    return None
