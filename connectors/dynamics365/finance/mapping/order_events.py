"""What a customer may be told of an order → OrderEvent. Pure; raises RecordError only.

Keys are stable for ever: `order|confirmed`, `order|cancelled`, and `order|dispatch|slip|tracking` for each parcel
(contract 5: once per order, slip and tracking number), whatever the order's state when it is read.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from connectors import fields
from connectors.base import Excluded, Mapped
from connectors.dynamics365.finance.columns import cleaner, optional_moment, reader
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.orders import (
    GONE_OUT,
    OrderDocument,
    OrderHeader,
    OrderLineColumns,
    identified,
    state_of,
)
from connectors.errors import RecordError
from connectors.records import OrderEvent

TRACKING_REQUIRED = ("dataAreaId", "SalesOrderNumber", "PackingSlipNumber", "DeliveryDate", "TrackingNumber")
TRACKING_OPTIONAL = ("TrackingURL",)
HEADER_MAPPED = ("OrderCreationDateTime", "SalesOrderStatus", "SalesOrderProcessingStatus", "ShippingCarrierId")
LINE_MAPPED = ("SalesOrderLineStatus",)
"""Columns without which a customer would not be told, or told wrongly: one that is gone stops the flow."""
CONFIRMED = frozenset({"confirmed"})


class Tracking(msgspec.Struct, gc=False):
    """PackingSlipTrackingInformation (contract 4.7)."""

    dataAreaId: str = ""
    SalesOrderNumber: str = ""
    PackingSlipNumber: str = ""
    DeliveryDate: str = ""
    TrackingNumber: str = ""
    TrackingURL: str = ""


class EventRow(msgspec.Struct, gc=False):
    """A row of the stream `order_event`: an order, with the parcel where the event is a dispatch."""

    tracking: Tracking | None = None
    header: OrderHeader | None = None
    lines: list[OrderLineColumns] = []


_read = reader(EventRow)


def event_key(keys: Keys) -> Callable[[bytes], str]:
    def key(row: bytes) -> str:
        found, clean = _read(row), cleaner(row)
        return _key(keys, found, clean)[0]

    return key


def told(document: OrderDocument) -> str:
    """`confirmed` or `cancelled` where an order has come to that, else nothing."""
    if document.header is None:
        return ""
    if state_of(document.header, document.lines).status == "cancelled":
        return "cancelled"
    return "confirmed" if document.header.SalesOrderProcessingStatus.strip().lower() in CONFIRMED else ""


def _key(keys: Keys, row: EventRow, clean: Callable[[str], str]) -> tuple[str, str, str]:
    """The event's key, its company and its order."""
    if row.tracking is not None:
        company, number = identified(keys, row.tracking, clean)
        slip = clean(row.tracking.PackingSlipNumber) or fields.required("", "PackingSlipNumber")
        return keys.of(company, number, "dispatch", slip, clean(row.tracking.TrackingNumber)), company, number
    if row.header is None:
        raise RecordError("malformed_row", "row", "Neither an order nor a parcel.")
    company, number = identified(keys, row.header, clean)
    event = told(OrderDocument(row.header, row.lines))
    if not event:
        raise RecordError("no_event", "SalesOrderStatus", "The order is neither confirmed nor cancelled.", number)
    return keys.of(company, number, event), company, number


def event_mapping(keys: Keys) -> Callable[[bytes], Mapped]:
    """A dispatch happened at its delivery date, noon UTC. Of a confirmation or cancellation F&O keeps no moment
    at all: the order's creation stands for it (contract 2.8)."""

    def to_event(row: bytes) -> Mapped:
        found, clean = _read(row), cleaner(row)
        key, company, number = _key(keys, found, clean)
        header = found.header
        if header is None:
            raise RecordError("order_not_found", "SalesOrderNumber", "The parcel's order cannot be read.", number)
        account = clean(header.OrderingCustomerAccountNumber)
        tracking = found.tracking
        record = OrderEvent(
            key=key,
            event=_dispatch(found) if tracking else told(OrderDocument(header, found.lines)),
            customer=keys.of(company, account) if account else "",
            account=account,
            company=company,
            order=number,
            happened_at=_happened(tracking, header),
            tracking_number=clean(tracking.TrackingNumber) if tracking else "",
            tracking_url=clean(tracking.TrackingURL) if tracking else "",
            values=_values(header, tracking, number, clean),
        )
        return Mapped(record if account else Excluded(key, "no_customer", record))

    return to_event


def _dispatch(row: EventRow) -> str:
    """In part, as long as lines of the order have not gone out."""
    assert row.header is not None
    status = state_of(row.header, row.lines).status
    return "dispatched" if status in GONE_OUT or status == "cancelled" else "part_dispatched"


def _happened(tracking: Tracking | None, header: OrderHeader) -> datetime:
    field = "DeliveryDate" if tracking else "OrderCreationDateTime"
    value = tracking.DeliveryDate if tracking else header.OrderCreationDateTime
    found = optional_moment(value, field, [])
    if found is None:
        raise RecordError("missing_value", field, f"{field} is empty or no moment.", value[:40])
    return found


def _values(header: OrderHeader, tracking: Tracking | None, number: str, clean: Callable[[str], str]) -> dict[str, str]:
    """What a message may print; only what the order says, and nothing of the person."""
    found = {
        "order_number": number,
        "order_date": header.OrderCreationDateTime[:10],
        "carrier": clean(header.ShippingCarrierId),
        "delivery_mode": clean(header.DeliveryModeCode),
        "currency": clean(header.CurrencyCode),
        "packing_slip": clean(tracking.PackingSlipNumber) if tracking else "",
        "dispatched_on": tracking.DeliveryDate[:10] if tracking else "",
    }
    return {name: fields.text(value) for name, value in found.items() if value}
