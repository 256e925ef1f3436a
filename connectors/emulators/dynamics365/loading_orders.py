"""Sales orders with their lines, and packing slip tracking, out of a neutral dataset (dynamics365.md 4.3-4.5, 4.7)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.emulators.dataset import Dataset, Order, OrderLine
from connectors.emulators.dynamics365.ledger import Ledger, ShortLine, short_line, total_of
from connectors.emulators.dynamics365.loading import moment, noon, number

# The word of the dataset -> SalesStatus, SalesOrderProcessingStatus.
STATUSES = {
    "open": ("Backorder", "Active"),
    "on_hold": ("Backorder", "Active"),
    "part_shipped": ("Backorder", "PartiallyDelivered"),
    "shipped": ("Delivered", "Delivered"),
    "invoiced": ("Invoiced", "Invoiced"),
    "cancelled": ("Canceled", "Canceled"),
    "": ("Invoiced", "Invoiced"),
}
_STEPS = ("Backorder", "Delivered", "Invoiced")
_ZERO = Decimal(0)


class Ordered(NamedTuple):
    """One order: its header row and its lines in short form; `status` is that of every line without its own."""

    id: str
    header: dict[str, Any]
    status: str
    lines: list[ShortLine]


def orders(ledger: Ledger) -> Iterator[Ordered]:
    for order in ledger.orders.values():
        lines = sorted(ledger.lines[order.order_id], key=lambda line: line.line_no)
        header_status, processing = _status(order, lines)
        usual = "Invoiced" if header_status == "None" else header_status
        short = [_line(line, usual, ledger) for line in lines]
        yield Ordered(ledger.order_id(order), _header(order, header_status, processing, short, ledger), usual, short)


def _status(order: Order, lines: list[OrderLine]) -> tuple[str, str]:
    """The order's own word; without one the least advanced of the lines that are not cancelled (4.5)."""
    if order.status or not any(line.status for line in lines):
        return STATUSES[order.status]
    alive = [STATUSES[line.status] for line in lines if line.status != "cancelled"]
    return min(alive, key=lambda pair: _STEPS.index(pair[0])) if alive else STATUSES["cancelled"]


def _line(line: OrderLine, usual: str, ledger: Ledger) -> ShortLine:
    short = short_line(line, ledger.names)
    status = STATUSES[line.status][0] if line.status else usual
    return short if status == usual else [*short, {"SalesOrderLineStatus": status}]


def _header(order: Order, status: str, processing: str, lines: list[ShortLine], ledger: Ledger) -> dict[str, Any]:
    customer = ledger.customers.get(order.customer_id)
    total = number(order.total) if order.total is not None else total_of(line[5] for line in lines)
    discount = number(order.discount or _ZERO)
    company = ledger.company(order.legal_entity, order.customer_id)
    return {
        "dataAreaId": company,
        "SalesOrderNumber": order.order_id,
        "OrderingCustomerAccountNumber": order.customer_id,
        "InvoiceCustomerAccountNumber": order.customer_id,
        "SalesOrderName": f"{customer.first_name} {customer.last_name}".strip() if customer else "",
        "Email": customer.email if customer else "",
        "LanguageId": customer.language if customer else "",
        "CustomersOrderReference": order.campaign_code,
        "CurrencyCode": order.currency,
        "SalesOrderStatus": status,
        "SalesOrderProcessingStatus": processing,
        "OrderCreationDateTime": moment(order.ordered_at),
        "RequestedShippingDate": noon(order.ordered_at),
        "OrderTotalAmount": total,
        "OrderTotalTaxAmount": number(order.tax or _ZERO),
        "OrderTotalDiscountAmount": discount,
        "TotalDiscountAmount": discount,
        "OrderTotalChargesAmount": number(order.charges or _ZERO),
        "AreTotalsCalculated": "Yes",
        "ArePricesIncludingSalesTax": "Yes" if order.prices_include_tax else "No",
        "IsSalesProcessingStopped": "Yes" if order.status == "on_hold" else "No",
    }


def tracking(dataset: Dataset, ledger: Ledger) -> Iterator[dict[str, Any]]:
    """A row for each parcel with a tracking number; several rows of one `dispatch_id` are one packing slip (4.7)."""
    for dispatch in dataset.dispatches():
        if dispatch.tracking_number:
            order = ledger.orders.get(dispatch.order_id)
            yield {
                "dataAreaId": ledger.company(order.legal_entity, order.customer_id)
                if order
                else ledger.company("", ""),
                "SalesOrderNumber": dispatch.order_id,
                "PackingSlipNumber": dispatch.dispatch_id,
                "DeliveryDate": noon(dispatch.dispatched_at),
                "TrackingNumber": dispatch.tracking_number,
                "TrackingURL": f"https://carrier.example/t/{dispatch.tracking_number}",
            }


def carriers(dataset: Dataset) -> dict[str, tuple[str, str]]:
    """(carrier, day) of the last dispatch of each order."""
    return {
        dispatch.order_id: (dispatch.carrier, noon(dispatch.dispatched_at))
        for dispatch in dataset.dispatches()
        if dispatch.order_id
    }
