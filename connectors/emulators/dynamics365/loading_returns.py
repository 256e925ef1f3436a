"""Return orders out of a neutral dataset: what came back and was credited (dynamics365.md 4.6)."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from connectors.emulators.dataset import OrderLine, Refund
from connectors.emulators.dynamics365.ledger import Ledger, each
from connectors.emulators.dynamics365.loading import noon, number

Row = dict[str, Any]
Lot = Callable[[str, int], str]
_NOT_SENT_BACK = frozenset(("cancellation", "goodwill"))
_ZERO = Decimal(0)
REASONS = {"RETURN": "Sent back", "EXCHANGE": "Exchanged for another article", "DAMAGED": "Damaged in transit"}
DISPOSITIONS = {"CREDIT": "Credit", "SCRAP": "CreditScrap", "REPLACE": "Replace"}


def return_orders(ledger: Ledger, lot: Lot) -> Iterator[tuple[Row, list[Row]]]:
    """A return order with its lines for each refund of goods of an order; its number is the refund's with `RO-`.

    A line that names the line it refunds points at it by `ReferenceInventoryLotId` (`lot(order id, line)`).
    """
    for refund_id, rows in ledger.refunds.items():
        sent_back = [row for row in rows if row.order_id in ledger.orders and _came_back(row, ledger)]
        if sent_back:
            yield _header(refund_id, sent_back[0], ledger), _lines(refund_id, sent_back, ledger, lot)


def _came_back(refund: Refund, ledger: Ledger) -> bool:
    original = _original(refund, ledger)
    is_goods = bool(refund.sku) or (original is not None and original.line_type == "goods")
    return is_goods and refund.reason not in _NOT_SENT_BACK


def _original(refund: Refund, ledger: Ledger) -> OrderLine | None:
    lines = ledger.lines.get(refund.order_id, ())
    return next((line for line in lines if line.line_no == refund.line_no), None)


def _reason(refund: Refund) -> str:
    return refund.reason.upper()[:20]


def _header(refund_id: str, first: Refund, ledger: Ledger) -> Row:
    order = ledger.orders[first.order_id]
    account = first.customer_id or order.customer_id
    customer = ledger.customers.get(account)
    return {
        "dataAreaId": ledger.company(order.legal_entity, order.customer_id),
        "ReturnOrderNumber": f"RO-{refund_id}",
        "RMANumber": f"RMA-{refund_id}",
        "CustomerAccountNumber": account,
        "CustomerReturnReasonCode": _reason(first),
        "ReturnOrderStatus": "Closed",
        "CurrencyCode": first.currency or order.currency,
        "ReturnDeadline": noon(first.refunded_at),
        "Email": customer.email if customer else "",
    }


def _lines(refund_id: str, refunds: list[Refund], ledger: Ledger, lot: Lot) -> list[Row]:
    header = _header(refund_id, refunds[0], ledger)
    rows = []
    for at, refund in enumerate(refunds, start=1):
        original = _original(refund, ledger)
        quantity = abs(refund.quantity) if refund.quantity is not None else Decimal(1)
        amount = abs(refund.amount) if refund.amount is not None else quantity * _price(original)
        order_id = f"{header['dataAreaId']}|{refund.order_id}"
        rows.append({
            "dataAreaId": header["dataAreaId"],
            "InventoryLotId": f"R{refund_id}-{at:05d}",
            "ReturnOrderNumber": header["ReturnOrderNumber"],
            "RMANumber": header["RMANumber"],
            "LineNumber": at,
            "ItemNumber": refund.sku or (original.sku if original else ""),
            "ReturnSalesQuantity": number(-quantity),
            "ReturnedSalesQuantity": number(-quantity),
            "SalesPrice": number(each(amount, quantity)),
            "LineAmount": number(-amount),
            "CurrencyCode": header["CurrencyCode"],
            "ReturnDispositionCode": "CREDIT",
            "ReturnStatus": "Invoiced",
            "ReferenceNumber": refund.order_id,
            "ReferenceInventoryLotId": lot(order_id, refund.line_no) if refund.line_no is not None else "",
            "ActualReturnArrivalDate": noon(refund.refunded_at),
            "ReturnClosedDate": noon(refund.refunded_at),
        })  # fmt: skip
    return rows


def _price(original: OrderLine | None) -> Decimal:
    return (original.unit_price if original else None) or _ZERO
