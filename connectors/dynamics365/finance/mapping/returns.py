"""Return orders (contract 4.6) → Return. Pure; raises RecordError only."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal

import msgspec

from connectors import fields
from connectors.base import Excluded, Fault, Mapped
from connectors.dynamics365.finance.columns import amount, cleaner, reader
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.errors import RecordError
from connectors.records import Return, ReturnLine

HEADER_STATUSES = {
    "": "",
    "none": "",
    "created": "created",
    "open": "open",
    "closed": "closed",
    "canceled": "cancelled",
    "cancelled": "cancelled",
    "backorder": "open",
    "delivered": "received",
    "invoiced": "invoiced",
}
"""ReturnStatusHeader, and SalesStatus, which some tenants show there instead."""
LINE_STATUSES = {
    "": "",
    "none": "",
    "awaiting": "expected",
    "expected": "expected",
    "registered": "registered",
    "quarantine": "quarantine",
    "received": "received",
    "invoiced": "invoiced",
    "canceled": "cancelled",
    "cancelled": "cancelled",
    "backorder": "expected",
    "delivered": "received",
}
"""ReturnStatusLine (Awaiting is shown as Expected), and SalesStatus."""


class ReturnHeader(msgspec.Struct, gc=False):
    """ReturnOrderHeaders."""

    dataAreaId: str = ""
    ReturnOrderNumber: str = ""
    CustomerAccountNumber: str = ""
    CustomerReturnReasonCode: str = ""
    ReturnOrderStatus: str = ""
    CurrencyCode: str = ""


class ReturnLineColumns(msgspec.Struct, gc=False):
    """ReturnOrderLines. The quantity has one of two names."""

    dataAreaId: str = ""
    ReturnOrderNumber: str = ""
    InventoryLotId: str = ""
    ItemNumber: str = ""
    ReturnSalesQuantity: Decimal | None = None
    ReturnedSalesQuantity: Decimal | None = None
    LineAmount: Decimal | None = None
    ReturnDispositionCode: str = ""
    ReturnStatus: str = ""
    ReferenceNumber: str = ""
    ReferenceInventoryLotId: str = ""
    ActualReturnArrivalDate: str = ""
    ReturnClosedDate: str = ""


class ReturnDocument(msgspec.Struct, gc=False):
    header: ReturnHeader | None = None
    lines: list[ReturnLineColumns] = []


HEADER_REQUIRED = ("dataAreaId", "ReturnOrderNumber", "CustomerAccountNumber")
HEADER_OPTIONAL = tuple(name for name in ReturnHeader.__struct_fields__ if name not in HEADER_REQUIRED)
LINE_REQUIRED = ("dataAreaId", "ReturnOrderNumber")
LINE_OPTIONAL = tuple(name for name in ReturnLineColumns.__struct_fields__ if name not in LINE_REQUIRED)
HEADER_MAPPED = ("CustomerReturnReasonCode", "ReturnOrderStatus", "CurrencyCode")
QUANTITIES = ("ReturnSalesQuantity", "ReturnedSalesQuantity")
LINE_MAPPED = (
    *("ItemNumber", "LineAmount", "ReturnStatus", "ReturnDispositionCode", "ReferenceNumber"),
    *("ReferenceInventoryLotId", "ActualReturnArrivalDate", "ReturnClosedDate"),
)
"""Columns without which every return would lose its order, worth or state without a word: one that is gone stops the
stream; of the quantities one is enough."""

_document = reader(ReturnDocument)


def return_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads `company|ReturnOrderNumber`."""

    def key(row: bytes) -> str:
        found = _document(row)
        part = found.header or next(iter(found.lines), None)
        if part is None:
            raise RecordError("malformed_row", "row", "Neither a return nor a line.")
        return keys.of(*_identified(keys, part, cleaner(row)))

    return key


def _identified(keys: Keys, part: ReturnHeader | ReturnLineColumns, clean: Callable[[str], str]) -> tuple[str, str]:
    number = clean(part.ReturnOrderNumber) or fields.required("", "ReturnOrderNumber")
    return keys.company(clean(part.dataAreaId)), number


def return_mapping(keys: Keys) -> Callable[[bytes], Mapped]:
    """Quantities are goods that come back: positive, whichever sign the tenant gives them (contract 4.6)."""

    def to_return(row: bytes) -> Mapped:
        found, clean = _document(row), cleaner(row)
        header = found.header
        if header is None:
            raise RecordError("line_without_header", "ReturnOrderNumber", "No return order has this number.")
        company, number = _identified(keys, header, clean)
        account = clean(header.CustomerAccountNumber)
        faults: list[Fault] = []
        lines = tuple([_line(line, place, clean, faults) for place, line in enumerate(found.lines, 1)])
        record = Return(
            key=keys.of(company, number),
            number=number,
            company=company,
            customer=keys.of(company, account) if account else "",
            account=account,
            order=_only(clean(line.ReferenceNumber) for line in found.lines),
            status=_status(header.ReturnOrderStatus, lines, faults),
            reason=clean(header.CustomerReturnReasonCode),
            currency=clean(header.CurrencyCode),
            lines=lines,
        )
        return Mapped(record if account else Excluded(record.key, "no_customer", record), tuple(faults))

    return to_return


def _only(numbers: Iterable[str]) -> str:
    """The order that all lines name; none where they name several or some name none."""
    found = set(numbers)
    return found.pop() if len(found) == 1 else ""


def _status(value: str, lines: Sequence[ReturnLine], faults: list[Fault]) -> str:
    """The header's; one that is open is as far as all of its lines are."""
    found = _word(HEADER_STATUSES, value, "ReturnOrderStatus", faults)
    left = {line.status for line in lines if line.status != "cancelled"}
    if lines and not left:
        return "cancelled"
    if found in ("", "created", "open") and left and left <= {"received", "invoiced"}:
        return "invoiced" if left == {"invoiced"} else "received"
    return found


def _word(known: dict[str, str], value: str, field: str, faults: list[Fault]) -> str:
    word = value.strip().lower()
    if word not in known:
        faults.append(Fault("unknown_status", field, "Not a status that either vocabulary has.", value[:40]))
    return known.get(word, "")


def _line(line: ReturnLineColumns, place: int, clean: Callable[[str], str], faults: list[Fault]) -> ReturnLine:
    quantity = amount(line.ReturnSalesQuantity, "ReturnSalesQuantity")
    if quantity is None:
        quantity = amount(line.ReturnedSalesQuantity, "ReturnedSalesQuantity") or Decimal(0)
    worth = amount(line.LineAmount, "LineAmount")
    if quantity < 0:
        quantity, worth = -quantity, None if worth is None else -worth
    return ReturnLine(
        line=clean(line.InventoryLotId) or str(place),
        order_line=clean(line.ReferenceInventoryLotId),
        sku=clean(line.ItemNumber),
        quantity=quantity,
        amount=worth,
        status=_word(LINE_STATUSES, line.ReturnStatus, "ReturnStatus", faults),
        disposition=clean(line.ReturnDispositionCode),
        arrived_on=_day(line.ActualReturnArrivalDate, "ActualReturnArrivalDate", faults),
        closed_on=_day(line.ReturnClosedDate, "ReturnClosedDate", faults),
    )


def _day(value: str, field: str, faults: list[Fault]) -> date | None:
    try:
        return fields.day(value, field)
    except RecordError as error:
        faults.append(Fault(error.kind, field, error.message, error.value))
        return None
