"""Order events → external events of Emarsys (contract 4.2). Pure."""

import hashlib
from collections.abc import Mapping

import msgspec

from connectors.base import Encoded, Fault, Known
from connectors.emarsys.mapping.moments import zulu
from connectors.emarsys.mapping.schema import Encode, Schema
from connectors.errors import RecordError
from connectors.records import ORDER_EVENTS, OrderEvent, Record

DEFAULT = ",".join(f"{event}=order_{event}" for event in ORDER_EVENTS)
LONGEST_TRIGGER_ID = 100
"""The contract gives no limit; a longer key keeps its beginning and the digest of the whole."""
RESERVED = "ems_event_time"
_encode = msgspec.json.Encoder(order="sorted").encode


def encoder(schema: Schema, events: Mapping[str, str]) -> Encode:
    """One contact entry of a batch; `events` are canonical event → name of the external event. Its group is that
    name: a request triggers one event."""

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, OrderEvent):
            raise RecordError("malformed_row", "record", f"An event is made from an order event, not {type(record)}.")
        name = events.get(record.event, "")
        if not name:
            raise RecordError("event_not_mapped", "event", "EVENTS names no external event for it.", record.event)
        values, faults = _values(record)
        entry = {
            "external_id": schema.keyed(record)[schema.key],
            "trigger_id": trigger_id(record.key),
            "event_time": zulu(record.happened_at, "happened_at"),
            "data": {"global": values},
        }
        return Encoded(record.key, _encode(entry), name), faults

    return encode


def _values(record: OrderEvent) -> tuple[dict[str, str], tuple[Fault, ...]]:
    """What a message may print; the order and its tracking are there even where the ERP's values lack them."""
    known = {
        "order": record.order,
        "tracking_number": record.tracking_number,
        "tracking_url": record.tracking_url,
    }
    values = {**{name: value for name, value in known.items() if value}, **record.values}
    if RESERVED in values:
        del values[RESERVED]
        return values, (Fault("reserved_name", RESERVED, "Emarsys keeps this name for itself; the value is left out."),)
    return values, ()


def trigger_id(key: str) -> str:
    """Emarsys acts on the first event with an id only, which makes repeating safe: one id for ever per event."""
    if len(key) <= LONGEST_TRIGGER_ID:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:40]
    return f"{key[: LONGEST_TRIGGER_ID - len(digest) - 1]}~{digest}"
