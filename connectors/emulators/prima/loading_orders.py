"""Orders of a neutral dataset as Prima holds them."""

from decimal import Decimal
from sys import intern

from connectors.emulators.dataset import Dataset, Order, OrderLine
from connectors.emulators.prima.written import Record, Records, amount, quantity, sku_keys, stamp

_STATUS = {
    "open": "Open", "on_hold": "On Hold", "part_shipped": "Part Despatched", "shipped": "Despatched",
    "invoiced": "Invoiced", "cancelled": "Cancelled",
}  # fmt: skip
_SENT = frozenset(("Despatched", "Invoiced"))


def orders(dataset: Dataset, separator: str) -> Records:
    """Orders with their lines and charges; a line whose order is unknown is left out."""
    found = {row.order_id: _order(row) for row in dataset.orders()}
    for line in dataset.order_lines():
        if (order := found.get(line.order_id)) is not None:
            _add_line(order, line, separator)
    for row in dataset.orders():
        _balance(found[row.order_id], row)
    return found


def _order(row: Order) -> Record:
    return {
        "OrderNumber": row.order_id, "TPGUID": "", "Customer": row.customer_id, "OrderChannel": "WEB",
        "OrderType": "SALE", "OrderStatus": _STATUS.get(row.status, row.status),
        "OrderDate": stamp(row.ordered_at, ""), "LastChanged": stamp(row.modified_at or row.ordered_at),
        "Currency": row.currency, "VatInclusive": "No" if row.prices_include_tax is False else "Yes", "B2B": "No",
        "SourceMedia": row.campaign_code, "OrderLineData": [],
    }  # fmt: skip


def _add_line(order: Record, line: OrderLine, separator: str) -> None:
    value = _value(line)
    if line.line_type == "charge":
        charge = {"Charge": line.sku or "CHARGE", "ChargeValue": amount(value)}
        order.setdefault("OrderChargeData", []).append(charge)
        return
    count = line.quantity if line.quantity is not None else Decimal(1)
    status = _STATUS.get(line.status, line.status) or order["OrderStatus"]
    written = {
        "OrderLine": intern(str(line.line_no)),
        **sku_keys(line.sku or "VOUCHER", separator),
        "Quantity": quantity(count),
        "Price": intern(amount(line.unit_price if line.unit_price is not None else value)),
        "LineValue": intern(amount(value)),
        "LineStatus": status,
        "QtyDespatched": quantity(count) if status in _SENT else "0",
        "QtyCancelled": quantity(count) if status == "Cancelled" else "0",
    }
    if line.discount:
        written["TrDisc"] = amount(line.discount)
    order["OrderLineData"].append(written)


def _value(line: OrderLine) -> Decimal:
    if line.line_total is not None:
        return line.line_total
    count = line.quantity if line.quantity is not None else Decimal(1)
    return count * (line.unit_price or Decimal(0)) - (line.discount or Decimal(0))


def _balance(order: Record, row: Order) -> None:
    """Header amounts; charges without a line of their own become one, so that lines and charges add up (7.4)."""
    charges = order.get("OrderChargeData", [])
    if row.charges and not charges:
        charges = order["OrderChargeData"] = [{"Charge": "STD", "ChargeValue": amount(row.charges)}]
    lines = sum((Decimal(line["LineValue"]) for line in order["OrderLineData"]), Decimal(0))
    extra = sum((Decimal(charge["ChargeValue"]) for charge in charges), Decimal(0))
    order["GoodsValue"] = amount(row.goods if row.goods is not None else lines)
    order["DiscountValue"] = amount(row.discount or Decimal(0))
    order["VatValue"] = amount(row.tax or Decimal(0))
    order["OrderTotal"] = amount(row.total if row.total is not None else lines + extra)
