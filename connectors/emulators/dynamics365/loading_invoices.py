"""Invoices and credit notes out of a neutral dataset, or straight from the demo company's own file."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.emulators.dataset import Dataset, Order, OrderLine, Refund
from connectors.emulators.datasets.online_retail import CURRENCY, Invoice, OnlineRetail
from connectors.emulators.datasets.online_retail.people import COMPANY as DEMO_COMPANY
from connectors.emulators.dynamics365.loading import company_of, noon, number
from connectors.emulators.dynamics365.schema import INVOICES

ShortLine = list[Any]  # see invoice_lines.SHORT
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


def invoices(dataset: Dataset) -> Iterator[Posted]:
    if isinstance(dataset, OnlineRetail):
        return map(_as_posted, dataset.posted.values())
    return _Neutral(dataset).posted()


def _as_posted(invoice: Invoice) -> Posted:
    """A line of the file as it stands; amounts in thousandths, the finest price there is, so that they are exact."""
    lines, total = [], 0
    for at, (code, name, quantity, price) in enumerate(invoice.lines, start=1):
        each = _thousandths(price)
        total += quantity * each
        lines.append([at, code, name, quantity, _unit(each), _unit(quantity * each), 0, 0])
    header = {
        **_DEFAULTS,
        "dataAreaId": DEMO_COMPANY,
        "InvoiceNumber": invoice.number,
        "InvoiceDate": f"{invoice.stamp[:10]}T12:00:00Z",
        "LedgerVoucher": f"ARV-{invoice.number}",
        "InvoiceCustomerAccountNumber": invoice.customer,
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

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._names = {product.sku: product.name for product in dataset.products()}
        self._companies = {customer.customer_id: customer.legal_entity for customer in dataset.customers()}
        self._orders = {order.order_id: order for order in dataset.orders()}
        self._lines: dict[str, list[OrderLine]] = defaultdict(list)
        for line in dataset.order_lines():
            self._lines[line.order_id].append(line)

    def posted(self) -> Iterator[Posted]:
        taken = set()
        for order in self._orders.values():
            if order.status in _INVOICED:
                taken.add(order.order_id)
                yield self._invoice(order)
        refunds: dict[str, list[Refund]] = defaultdict(list)
        for refund in self._dataset.refunds():
            refunds[refund.refund_id].append(refund)
        for refund_id, rows in refunds.items():
            yield self._credit_note(f"CN-{refund_id}" if refund_id in taken else refund_id, rows)

    def _company(self, legal_entity: str, customer_id: str) -> str:
        return company_of(legal_entity or self._companies.get(customer_id, ""))

    def _invoice(self, order: Order) -> Posted:
        lines = sorted(self._lines[order.order_id], key=lambda line: line.line_no)
        short = [self._line(line) for line in lines if line.status != "cancelled"]
        total = number(order.total) if order.total is not None else _sum(line[5] for line in short)
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

    def _line(self, line: OrderLine) -> ShortLine:
        quantity = Decimal(1) if line.quantity is None else line.quantity
        discount = line.discount or _ZERO
        price = line.unit_price
        total = line.line_total
        if total is None:
            total = quantity * (price or _ZERO) - discount
        if price is None:
            price = _each(total + discount, quantity)
        code = line.sku or ("" if line.line_type == "goods" else line.line_type.upper())
        amounts = [number(value) for value in (quantity, price, total, line.tax or _ZERO, discount)]
        return [line.line_no, code, self._names.get(line.sku, ""), *amounts]

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
            "TotalInvoiceAmount": _sum(line[5] for line in lines),
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
        price = _each(amount, quantity)
        code = sku or refund.reason.upper()[:20] or "REFUND"
        return [at, code, self._names.get(sku, ""), number(-quantity), number(price), number(-amount), 0, 0]


def _each(total: Decimal, quantity: Decimal) -> Decimal:
    return round(total / quantity, 4) if quantity else _ZERO


def _sum(amounts: Iterable[int | float]) -> int | float:
    return number(sum((Decimal(str(amount)) for amount in amounts), _ZERO))
