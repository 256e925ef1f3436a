"""Invoices and credit notes out of a neutral dataset, or straight from the demo company's own file."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.emulators.dataset import Order, Refund
from connectors.emulators.datasets.online_retail import CURRENCY, Invoice, OnlineRetail
from connectors.emulators.datasets.online_retail.people import COMPANY as DEMO_COMPANY
from connectors.emulators.dynamics365.entity_sets.invoices import INVOICES
from connectors.emulators.dynamics365.ledger import Ledger, ShortLine, each, short_line, total_of
from connectors.emulators.dynamics365.loading import noon, number

_INVOICED = frozenset(("", "invoiced", "shipped"))
_ZERO = Decimal(0)
_DEFAULTS = INVOICES.defaults


class Posted(NamedTuple):
    """One invoice: its header row and its lines in short form."""

    header: dict[str, Any]
    lines: list[ShortLine]

    @property
    def id(self) -> str:
        return f"{self.header['dataAreaId']}|{self.header['InvoiceNumber']}"


def invoices(ledger: Ledger) -> Iterator[Posted]:
    return _Neutral(ledger).posted()


def demo_invoices(dataset: OnlineRetail) -> Iterator[Posted]:
    return map(_as_posted, dataset.posted.values())


def demo_moments(dataset: OnlineRetail) -> str:
    """When each order of the demo company was placed: lines of document id and time; credit notes are no orders."""
    posted = (invoice for invoice in dataset.posted.values() if not invoice.number.startswith("C"))
    return "\n".join(
        f"{DEMO_COMPANY}|{invoice.number} {invoice.stamp[:10]}T{invoice.stamp[11:]}Z" for invoice in posted
    )


def _as_posted(invoice: Invoice) -> Posted:
    """A line of the file as it stands; amounts in thousandths, the finest price there is, so that they are exact."""
    lines, total = [], 0
    for at, (code, name, quantity, price) in enumerate(invoice.lines, start=1):
        unit_price = _thousandths(price)
        total += quantity * unit_price
        lines.append([at, code, name, quantity, _unit(unit_price), _unit(quantity * unit_price), 0, 0])
    header = {
        **_DEFAULTS,
        "dataAreaId": DEMO_COMPANY,
        "InvoiceNumber": invoice.number,
        "InvoiceDate": f"{invoice.stamp[:10]}T12:00:00Z",
        "LedgerVoucher": f"ARV-{invoice.number}",
        "InvoiceCustomerAccountNumber": invoice.customer,
        "SalesOrderNumber": "" if invoice.number.startswith("C") else invoice.number,
        "CurrencyCode": CURRENCY,
        "TotalInvoiceAmount": _unit(total),
    }
    return Posted(header, lines)


_prices: dict[str, int] = {}


def _thousandths(price: str) -> int:
    if price not in _prices:
        _prices[price] = int(Decimal(price) * 1000)
    return _prices[price]


def _unit(thousandths: int) -> int | float:
    """Division of whole numbers rounds once: the float reads back as the exact decimal."""
    return thousandths // 1000 if thousandths % 1000 == 0 else thousandths / 1000


class _Neutral:
    """The mapping of the package's README, with the look-ups it needs."""

    def __init__(self, ledger: Ledger) -> None:
        self._names = ledger.names
        self._orders = ledger.orders
        self._lines = ledger.lines
        self._refunds = ledger.refunds
        self._company = ledger.company

    def posted(self) -> Iterator[Posted]:
        taken = set()
        for order in self._orders.values():
            if order.status in _INVOICED:
                taken.add(order.order_id)
                yield self._invoice(order)
        for refund_id, rows in self._refunds.items():
            yield self._credit_note(f"CN-{refund_id}" if refund_id in taken else refund_id, rows)

    def _invoice(self, order: Order) -> Posted:
        lines = sorted(self._lines[order.order_id], key=lambda line: line.line_no)
        short = [short_line(line, self._names) for line in lines if line.status != "cancelled"]
        total = number(order.total) if order.total is not None else total_of(line[5] for line in short)
        header = {
            **_DEFAULTS,
            "dataAreaId": self._company(order.legal_entity, order.customer_id),
            "InvoiceNumber": order.order_id,
            "InvoiceDate": noon(order.ordered_at),
            "LedgerVoucher": f"ARV-{order.order_id}",
            "InvoiceCustomerAccountNumber": order.customer_id,
            "SalesOrderNumber": order.order_id,
            "CurrencyCode": order.currency,
            "TotalInvoiceAmount": total,
            "TotalTaxAmount": number(order.tax or _ZERO),
            "TotalDiscountAmount": number(order.discount or _ZERO),
            "TotalChargeAmount": number(order.charges or _ZERO),
            "CustomersOrderReference": order.campaign_code,
        }
        return Posted(header, short)

    def _credit_note(self, credit_id: str, refunds: list[Refund]) -> Posted:
        first = refunds[0]
        order = self._orders.get(first.order_id)
        customer = first.customer_id or (order.customer_id if order else "")
        lines = [self._refunded(at, refund) for at, refund in enumerate(refunds, start=1)]
        header = {
            **_DEFAULTS,
            "dataAreaId": self._company(order.legal_entity if order else "", customer),
            "InvoiceNumber": credit_id,
            "InvoiceDate": noon(first.refunded_at),
            "LedgerVoucher": f"ARC-{credit_id}",
            "InvoiceCustomerAccountNumber": customer,
            "SalesOrderNumber": first.order_id,
            "CurrencyCode": first.currency or (order.currency if order else ""),
            "TotalInvoiceAmount": total_of(line[5] for line in lines),
        }
        return Posted(header, lines)

    def _refunded(self, at: int, refund: Refund) -> ShortLine:
        original = next((line for line in self._lines[refund.order_id] if line.line_no == refund.line_no), None)
        sku = refund.sku or (original.sku if original else "")
        quantity = abs(refund.quantity) if refund.quantity is not None else Decimal(1)
        if refund.amount is not None:
            amount = abs(refund.amount)
        else:
            amount = quantity * ((original.unit_price if original else None) or _ZERO)
        price = each(amount, quantity)
        code = sku or refund.reason.upper()[:20] or "REFUND"
        return [at, code, self._names.get(sku, ""), number(-quantity), number(price), number(-amount), 0, 0]
