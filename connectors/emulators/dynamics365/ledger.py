"""A neutral dataset's orders, lines and refunds, looked up the ways loading needs them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from connectors.emulators.dataset import Dataset, Order, OrderLine, Refund
from connectors.emulators.dynamics365.loading import company_of, number

ShortLine = list[Any]  # see grouped_lines
_ZERO = Decimal(0)


class Ledger:
    """Reads everything once."""

    def __init__(self, dataset: Dataset) -> None:
        self.names = {product.sku: product.name for product in dataset.products()}
        self.customers = {customer.customer_id: customer for customer in dataset.customers()}
        self.orders = {order.order_id: order for order in dataset.orders()}
        self.lines: dict[str, list[OrderLine]] = defaultdict(list)
        for line in dataset.order_lines():
            self.lines[line.order_id].append(line)
        self.refunds: dict[str, list[Refund]] = defaultdict(list)
        for refund in dataset.refunds():
            self.refunds[refund.refund_id].append(refund)

    def company(self, legal_entity: str, customer_id: str) -> str:
        customer = self.customers.get(customer_id)
        return company_of(legal_entity or (customer.legal_entity if customer else ""))

    def order_id(self, order: Order) -> str:
        """`company|number`."""
        return f"{self.company(order.legal_entity, order.customer_id)}|{order.order_id}"


def short_line(line: OrderLine, names: Mapping[str, str]) -> ShortLine:
    quantity = Decimal(1) if line.quantity is None else line.quantity
    discount = line.discount or _ZERO
    price = line.unit_price
    total = line.line_total
    if total is None:
        total = quantity * (price or _ZERO) - discount
    if price is None:
        price = each(total + discount, quantity)
    code = line.sku or ("" if line.line_type == "goods" else line.line_type.upper())
    amounts = [number(value) for value in (quantity, price, total, line.tax or _ZERO, discount)]
    return [line.line_no, code, names.get(line.sku, ""), *amounts]


def each(total: Decimal, quantity: Decimal) -> Decimal:
    return round(total / quantity, 4) if quantity else _ZERO


def total_of(amounts: Iterable[int | float]) -> int | float:
    return number(sum((Decimal(str(amount)) for amount in amounts), _ZERO))
