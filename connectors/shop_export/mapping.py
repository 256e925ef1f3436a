"""Rows of the file → customers. Pure; raises RecordError only. An optional value nobody can read is left out."""

import msgspec

from connectors import fields
from connectors.base import Fault, Mapped, Row
from connectors.errors import RecordError
from connectors.records import Customer

CHECKED = (("email", fields.email), ("country", fields.country), ("phone", fields.phone))
TEXTS = ("first_name", "last_name", "street", "city", "postcode", "organisation", "loyalty_tier")


def customer_key(row: Row) -> str:
    return fields.required(_values(row).get("customer_no"), "customer_no")


def customer(row: Row) -> Mapped:
    values, faults = _values(row), []
    read: dict[str, object] = {name: fields.text(values.get(name)) for name in TEXTS}
    for name, reader in CHECKED:
        try:
            read[name] = reader(values.get(name))
        except RecordError as error:
            faults.append(Fault(error.kind, name, error.message, error.value))
    lacking = [name for name in (*read, "language", "birth_date") if name not in values]  # these blank nothing
    read["unreadable"] = [*lacking, *(one.field for one in faults)]
    read["key"] = read["account"] = customer_key(row)
    return Mapped(msgspec.convert(read, Customer), tuple(faults))


def _values(row: Row) -> dict[str, object]:
    try:
        return msgspec.json.decode(row, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordError("malformed_row", "row", f"Not a row of the file: {error}") from error
