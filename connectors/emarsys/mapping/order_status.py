"""A customer's orders in a few contact fields (update only: an order status creates no contact). Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from connectors.base import Encoded, Fault, Known, Observed
from connectors.emarsys.mapping.contact import put_text
from connectors.emarsys.mapping.moments import zulu
from connectors.emarsys.mapping.schema import Encode, Field, Schema, View, text
from connectors.errors import RecordError
from connectors.records import OrderStatus, Record

NAMES = ("open_orders", "last_order", "last_status", "last_placed_at")
"""The canonical fields that STATUS_FIELDS may name."""
_encode = msgspec.json.Encoder().encode


def encoder(schema: Schema, status: Mapping[str, Field]) -> Encode:
    """One contact object with the status fields only. What cannot be counted is left alone, empty text blanks."""

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, OrderStatus):
            raise RecordError("malformed_row", "record", f"Order fields are made from a status, not {type(record)}.")
        faults: list[Fault] = []
        body = schema.keyed(record)
        for name, field in status.items():
            value = _value(record, name, field)
            if value is not None:
                put_text(body, faults, name, field, value)
        return Encoded(record.key, _encode(body)), tuple(faults)

    return encode


def _value(record: OrderStatus, name: str, field: Field) -> str | None:
    if name == "open_orders":
        return None if record.open_orders is None else str(record.open_orders)
    if name == "last_placed_at":
        return _placed(record.last_placed_at, field)
    return str(getattr(record, name))


def _placed(moment: datetime | None, field: Field) -> str:
    """A date field holds the day (contract 3.3), a text field the moment."""
    shown = zulu(moment, "last_placed_at") if moment else ""
    return shown[:10] if field.kind == "date" else shown


def view(schema: Schema, status: Mapping[str, Field]) -> View:
    names = {field.id: name for name, field in status.items()}

    def observed(row: Mapping[str, object]) -> Observed:
        shown = {name: status[name].shown(text(row.get(number))) for number, name in names.items()}
        return Observed(text(row.get("id")), text(row.get(schema.key)), shown)

    def field_of(message: str) -> str:
        return names.get(schema.field_of(message), schema.field_of(message))

    return View((schema.key, *names), observed, field_of)


def expected(status: Mapping[str, Field]) -> Callable[[Encoded], Mapping[str, str]]:
    def read(encoded: Encoded) -> Mapping[str, str]:
        body = msgspec.json.decode(encoded.body, type=dict[str, str])
        return {name: field.shown(body[field.id]) for name, field in status.items() if field.id in body}

    return read
