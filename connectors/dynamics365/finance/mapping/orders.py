"""Sales orders (contract 4.3–4.5) → Order. Pure; raises RecordError only."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from connectors import fields
from connectors.base import Excluded, Fault, Mapped
from connectors.dynamics365.finance.columns import amount, cleaner, optional_moment, reader
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.errors import RecordError
from connectors.records import Order, OrderLine

STATUSES = {
    "backorder": "open",
    "openorder": "open",
    "delivered": "shipped",
    "invoiced": "invoiced",
    "canceled": "cancelled",
    "cancelled": "cancelled",
}
"""SalesStatus; None and what is not known says nothing."""
PROCESSING = {
    "active": "open",
    "confirmed": "open",
    "picked": "open",
    "partiallydelivered": "part_shipped",
    "partiallyinvoiced": "part_shipped",
    "deliveredpartiallyinvoiced": "shipped",
    "delivered": "shipped",
    "invoiced": "invoiced",
    "canceled": "cancelled",
    "cancelled": "cancelled",
}
"""SalesOrderProcessingStatus, finer than SalesOrderStatus."""
GONE_OUT = frozenset({"shipped", "invoiced"})


class OrderHeader(msgspec.Struct, gc=False):
    """SalesOrderHeadersV2 (contract 4.3)."""

    dataAreaId: str = ""
    SalesOrderNumber: str = ""
    OrderingCustomerAccountNumber: str = ""
    SalesOrderStatus: str = ""
    SalesOrderProcessingStatus: str = ""
    OrderCreationDateTime: str = ""
    CurrencyCode: str = ""
    SalesOrderOriginCode: str = ""
    DeliveryModeCode: str = ""
    ShippingCarrierId: str = ""
    IsSalesProcessingStopped: str = ""
    AreTotalsCalculated: str = ""
    OrderTotalAmount: Decimal | None = None
    OrderTotalTaxAmount: Decimal | None = None
    OrderTotalDiscountAmount: Decimal | None = None
    OrderTotalChargesAmount: Decimal | None = None


class OrderLineColumns(msgspec.Struct, gc=False):
    """SalesOrderLines (contract 4.4)."""

    dataAreaId: str = ""
    SalesOrderNumber: str = ""
    InventoryLotId: str = ""
    ItemNumber: str = ""
    LineDescription: str = ""
    OrderedSalesQuantity: Decimal | None = None
    SalesPrice: Decimal | None = None
    SalesPriceQuantity: Decimal | None = None
    LineDiscountAmount: Decimal | None = None
    LineAmount: Decimal | None = None
    CurrencyCode: str = ""
    SalesOrderLineStatus: str = ""


class OrderDocument(msgspec.Struct, gc=False):
    """A row of the stream `order`. `voided` says that the order was deleted (contract 4.5)."""

    header: OrderHeader | None = None
    lines: list[OrderLineColumns] = []
    voided: bool = False


class _Number(msgspec.Struct, gc=False):
    dataAreaId: str = ""
    SalesOrderNumber: str = ""


class _Numbered(msgspec.Struct, gc=False):
    header: _Number | None = None
    lines: list[_Number] = []


HEADER_REQUIRED = ("dataAreaId", "SalesOrderNumber", "OrderingCustomerAccountNumber")
HEADER_OPTIONAL = tuple(name for name in OrderHeader.__struct_fields__ if name not in HEADER_REQUIRED)
LINE_REQUIRED = ("dataAreaId", "SalesOrderNumber", "InventoryLotId")
LINE_OPTIONAL = tuple(name for name in OrderLineColumns.__struct_fields__ if name not in LINE_REQUIRED)
STATUS = ("OrderCreationDateTime", "SalesOrderStatus")
LINE_MAPPED = ("ItemNumber", "OrderedSalesQuantity", "SalesOrderLineStatus")
"""Columns without which an order would be told wrongly without a word: one that is gone stops the flow."""
TOTALS = (
    *("AreTotalsCalculated", "OrderTotalAmount", "OrderTotalTaxAmount"),
    *("OrderTotalDiscountAmount", "OrderTotalChargesAmount"),
)
PRICES = ("LineAmount", "LineDiscountAmount", "SalesPrice", "SalesPriceQuantity")
CURRENCY = "CurrencyCode"
"""What an order comes to: stale totals would count without the flag, and a price for a hundred as one for one. Of a
tenant that says it has none of it, totals and prices are not known."""
VOIDED_LINE_OPTIONAL = ("ItemNumber", "LineAmount")

read_document = reader(OrderDocument)
_numbered = reader(_Numbered)


def order_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads `company|SalesOrderNumber`."""

    def key(row: bytes) -> str:
        found = _numbered(row)
        part = found.header or next(iter(found.lines), None)
        if part is None:
            raise RecordError("malformed_row", "row", "Neither an order nor a line.")
        return keys.of(*identified(keys, part, cleaner(row)))

    return key


class Numbered(Protocol):
    dataAreaId: str
    SalesOrderNumber: str


def identified(keys: Keys, part: Numbered, clean: Callable[[str], str]) -> tuple[str, str]:
    """The legal entity in lower case and the order's number."""
    number = clean(part.SalesOrderNumber) or fields.required("", "SalesOrderNumber")
    return keys.company(clean(part.dataAreaId)), number


def order_mapping(keys: Keys, charge_items: frozenset[str]) -> Callable[[bytes], Mapped]:
    """The ordering account owns the order, not the one that pays (contract 4.3)."""

    def to_order(row: bytes) -> Mapped:
        found, clean = read_document(row), cleaner(row)
        if found.header is None:
            number = clean(found.lines[0].SalesOrderNumber) if found.lines else ""
            raise RecordError("line_without_header", "SalesOrderNumber", "No order has this number.", number)
        faults: list[Fault] = []
        record = _order(keys, found, found.header, clean, charge_items, faults)
        if not record.account:
            return Mapped(Excluded(record.key, "no_customer", record), tuple(faults))
        return Mapped(record, tuple(faults))

    return to_order


def _order(
    keys: Keys,
    document: OrderDocument,
    header: OrderHeader,
    clean: Callable[[str], str],
    charge_items: frozenset[str],
    faults: list[Fault],
) -> Order:
    company, number = identified(keys, header, clean)
    account = clean(header.OrderingCustomerAccountNumber)
    state = State("cancelled", False) if document.voided else state_of(header, document.lines)
    lines = tuple([_line(line, state, clean, charge_items) for line in document.lines])
    totals = _totals(header, lines)
    return Order(
        key=keys.of(company, number),
        number=number,
        company=company,
        customer=keys.of(company, account) if account else "",
        account=account,
        placed_at=optional_moment(header.OrderCreationDateTime, "OrderCreationDateTime", faults),
        status=state.status,
        partly_cancelled=state.partly_cancelled,
        deleted=document.voided,
        currency=clean(header.CurrencyCode) or _currency(document.lines, clean),
        goods=_sum(line for line in lines if not line.charge),
        discount=totals.discount,
        charges=totals.charges,
        tax=totals.tax,
        total=totals.total,
        channel=clean(header.SalesOrderOriginCode),
        lines=lines,
    )


def _currency(lines: Sequence[OrderLineColumns], clean: Callable[[str], str]) -> str:
    return next((code for line in lines if (code := clean(line.CurrencyCode))), "")


class State(NamedTuple):
    status: str
    partly_cancelled: bool


def state_of(header: OrderHeader, lines: Sequence[OrderLineColumns]) -> State:
    """Derived from the lines, since the header lags behind them (contract 4.5): cancelled only when all are."""
    headed = PROCESSING.get(_word(header.SalesOrderProcessingStatus)) or STATUSES.get(_word(header.SalesOrderStatus))
    headed = headed or "open"
    found = [STATUSES.get(_word(line.SalesOrderLineStatus), headed) for line in lines] or [headed]
    left = {status for status in found if status != "cancelled"}
    status = _together(left, headed)
    if status == "open" and _word(header.IsSalesProcessingStopped) == "yes":
        status = "on_hold"
    return State(status, "cancelled" in found and bool(left))


def _together(left: set[str], headed: str) -> str:
    """One status for an order whose lines that are not cancelled have these."""
    if not left:
        return "cancelled"
    if len(left) == 1:
        (only,) = left
        return headed if only == "open" and headed == "part_shipped" else only
    return "shipped" if left <= GONE_OUT else "part_shipped"


def _word(value: str) -> str:
    return value.strip().lower()


class Totals(NamedTuple):
    total: Decimal | None
    tax: Decimal | None = None
    discount: Decimal | None = None
    charges: Decimal | None = None


def _totals(header: OrderHeader, lines: Sequence[OrderLine]) -> Totals:
    """The header's, unless it says that they were not calculated: then they are zero or stale (contract 4.3)."""
    known = _word(header.AreTotalsCalculated)
    total = amount(header.OrderTotalAmount, "OrderTotalAmount")
    if known == "no" or (known != "yes" and not total):
        return Totals(_sum(lines))
    return Totals(
        total,
        amount(header.OrderTotalTaxAmount, "OrderTotalTaxAmount"),
        amount(header.OrderTotalDiscountAmount, "OrderTotalDiscountAmount"),
        amount(header.OrderTotalChargesAmount, "OrderTotalChargesAmount"),
    )


def _sum(lines: Iterable[OrderLine]) -> Decimal | None:
    """What the lines come to that are not cancelled; None when no line has an amount."""
    found = [line.amount for line in lines if line.status != "cancelled"]
    known = [value for value in found if value is not None]
    return sum(known, Decimal(0)) if known or not found else None


def _line(line: OrderLineColumns, order: State, clean: Callable[[str], str], charge_items: frozenset[str]) -> OrderLine:
    sku = clean(line.ItemNumber)
    return OrderLine(
        line=clean(line.InventoryLotId) or fields.required("", "InventoryLotId"),
        sku=sku,
        name=clean(line.LineDescription),
        quantity=amount(line.OrderedSalesQuantity, "OrderedSalesQuantity") or Decimal(0),
        unit_price=_unit_price(line),
        discount=amount(line.LineDiscountAmount, "LineDiscountAmount"),
        amount=amount(line.LineAmount, "LineAmount"),
        status="cancelled" if order.status == "cancelled" else STATUSES.get(_word(line.SalesOrderLineStatus), "open"),
        charge=sku in charge_items,
    )


def _unit_price(line: OrderLineColumns) -> Decimal | None:
    """The price of one: F&O's is for SalesPriceQuantity of them."""
    price, pieces = amount(line.SalesPrice, "SalesPrice"), amount(line.SalesPriceQuantity, "SalesPriceQuantity")
    if price is None or pieces is None or pieces in (0, 1):
        return price
    return fields.price_of_one(price, pieces, "SalesPriceQuantity")
