"""What Emarsys itself attributes and has loaded: rows of Open Data exports → records (contract 8). Pure.

Accepted is a flat CSV (a header, names in any order, one row a treatment or a purchase line) and newline-delimited
JSON as BigQuery writes it (one object an order, its treatments inside). Accepted names, `treatments.` before them or
not, `.` or `_` between their parts:

    attribution  order_id, campaign_id, treatment_id (or id), attributed_amount*; channel, contact_id, event_time,
                 reason_type, reason_event_time, email_event_time, loaded_at
    purchase     order_id, product_external_id (or item_id), quantity, sales_amount (or price, the line's total),
                 purchase_date; si_contact_id (or contact_id), channel, load_date
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from connectors import fields
from connectors.base import Mapped
from connectors.errors import RecordError
from connectors.records import Attribution, Purchase

ATTRIBUTION: Mapping[str, tuple[str, ...]] = {
    "order_id": ("order_id",),
    "campaign_id": ("campaign_id",),
    "treatment_id": ("treatment_id", "id"),
    "attributed_amount": ("attributed_amount",),
    "channel": ("channel",),
    "contact_id": ("contact_id",),
    "event_time": ("event_time",),
    "reason_type": ("reason_type",),
    "reason_event_time": ("reason_event_time",),
    "email_event_time": ("email_event_time",),
}
PURCHASE: Mapping[str, tuple[str, ...]] = {
    "order_id": ("order_id",),
    "product_external_id": ("product_external_id", "item_id"),
    "quantity": ("quantity",),
    "sales_amount": ("sales_amount", "price"),
    "purchase_date": ("purchase_date", "event_time"),
    "contact_id": ("si_contact_id", "contact_id"),
    "channel": ("channel",),
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "attribution": ("order_id", "campaign_id", "treatment_id", "attributed_amount"),
    "purchase": ("order_id", "product_external_id", "quantity", "sales_amount", "purchase_date"),
}
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"attribution": ATTRIBUTION, "purchase": PURCHASE}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def plain(name: str) -> str:
    """`treatments.reason.type`, `treatments_reason_type` and `reason_type` are one column."""
    return name.strip().lower().replace(".", "_").removeprefix("treatments_")


def columns(stream: str, header: Sequence[str]) -> list[str]:
    """The members that the columns of a CSV fill, "" for those nobody needs. Raises ValueError naming what lacks."""
    given = [plain(name) for name in header]
    found = [""] * len(given)
    for member, aliases in NAMES[stream].items():
        at = next((given.index(alias) for alias in aliases if alias in given), None)
        if at is not None:
            found[at] = member
    lacking = [name for name in NEEDED[stream] if name not in found]
    if lacking:
        raise ValueError(f"no column {', '.join(lacking)}")
    return found


def of_cells(members: Sequence[str], cells: Sequence[str]) -> bytes:
    """The row of one CSV line. Raises RecordError where it has fewer or more cells than the header."""
    if len(cells) != len(members):
        raise RecordError("malformed_row", "line", f"{len(cells)} cells where the header has {len(members)}.")
    return _encode({member: cell for member, cell in zip(members, cells, strict=True) if member and cell})


def of_json(stream: str, line: bytes) -> Iterator[bytes]:
    """The rows of one JSON line: a purchase line is one, an order has one a treatment. Raises RecordError."""
    try:
        found = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)  # ids and amounts stay as written
    except (ValueError, RecursionError) as error:
        raise RecordError("malformed_row", "line", f"Not JSON: {error}"[:200]) from error
    if not isinstance(found, dict):
        raise RecordError("malformed_row", "line", "Not a JSON object.")
    flat = _flat(found)
    several = stream == "attribution" and "treatments" in found
    treatments = (found["treatments"] or []) if several else [{}]
    if not isinstance(treatments, list) or not all(isinstance(one, dict) for one in treatments):
        raise RecordError("malformed_row", "treatments", "Not a list of treatments.")
    for treatment in treatments:
        yield _encode(_chosen(stream, {**flat, **_flat(treatment)}))


def _flat(found: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Members by the name of a flat file's column; lists have none."""
    flat: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, dict) and not prefix:
            flat |= _flat(value, f"{plain(name)}_")
        elif isinstance(value, str) and value:
            flat[prefix + plain(name)] = fields.text(value)
    return flat


def _chosen(stream: str, flat: Mapping[str, str]) -> dict[str, str]:
    chosen = {
        member: next((flat[name] for name in aliases if name in flat), "") for member, aliases in NAMES[stream].items()
    }
    return {member: value for member, value in chosen.items() if value}


def unreadable(where: str, line: int, error: RecordError) -> bytes:
    """The row of a line that is none: mapping it raises this error again, with file and line."""
    said = f"{where} line {line}: {error.message}"
    return _encode({"unreadable": said, "kind": error.kind, "field": error.field, "value": error.value})


def attribution_key(row: bytes) -> str:
    found = _read(row)
    return _joined(*(fields.required(found.get(name), name) for name in ("order_id", "campaign_id", "treatment_id")))


def map_attribution(row: bytes) -> Mapped:
    found = _read(row)
    return Mapped(
        Attribution(
            key=attribution_key(row),
            order=fields.required(found.get("order_id"), "order_id"),
            campaign=fields.required(found.get("campaign_id"), "campaign_id"),
            treatment=fields.required(found.get("treatment_id"), "treatment_id"),
            channel=fields.text(found.get("channel")),
            contact=fields.text(found.get("contact_id")),
            amount=fields.money(found.get("attributed_amount"), "attributed_amount"),
            reason=fields.text(found.get("reason_type")),
            ordered_at=_moment(found, "event_time"),
            treated_at=_moment(found, "reason_event_time") or _moment(found, "email_event_time"),
        )
    )


def purchase_key(row: bytes) -> str:
    """There is no line id. The same article, day, quantity and amount of one order is one of the documented
    duplicate rows; a refund differs in its sign."""
    found = _read(row)
    order, sku = (fields.required(found.get(name), name) for name in ("order_id", "product_external_id"))
    amounts = [str(fields.money(found.get(name), name).normalize()) for name in ("quantity", "sales_amount")]
    return _joined(order, sku, *amounts, fields.required(found.get("purchase_date"), "purchase_date")[:10])


def map_purchase(row: bytes) -> Mapped:
    found = _read(row)
    day = fields.day(found.get("purchase_date"), "purchase_date")
    if day is None:
        raise RecordError("missing_value", "purchase_date", "A purchase without a day.")
    return Mapped(
        Purchase(
            key=purchase_key(row),
            order=fields.required(found.get("order_id"), "order_id"),
            sku=fields.required(found.get("product_external_id"), "product_external_id"),
            contact=fields.text(found.get("contact_id")),
            quantity=fields.money(found.get("quantity"), "quantity"),
            amount=fields.money(found.get("sales_amount"), "sales_amount"),
            purchased_on=day,
            channel=fields.text(found.get("channel")),
        )
    )


CHECKS: Mapping[str, Callable[[bytes], Mapped]] = {"attribution": map_attribution, "purchase": map_purchase}


def _read(row: bytes) -> dict[str, Any]:
    try:
        found = _decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RecordError("malformed_row", "row", f"Not a row of an export: {error}"[:200]) from error
    if "unreadable" in found:
        said = [fields.text(found.get(name)) for name in ("kind", "field", "unreadable", "value")]
        raise RecordError(said[0] or "malformed_row", said[1], said[2], said[3])
    return found


def _joined(*parts: str) -> str:
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def _moment(found: Mapping[str, Any], name: str) -> datetime | None:
    """BigQuery writes `2026-01-15 10:00:00.123 UTC`; a moment without a zone is its UTC too."""
    said = fields.text(found.get(name))
    if not said:
        return None
    said = said.removesuffix(" UTC")
    zoned = said.endswith("Z") or "+" in said[10:] or "-" in said[10:]
    return fields.moment(said if zoned else f"{said}+00:00", name)
