"""The evidenced questions: what can be sold, and where an order is (contract 5)."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from connectors.emulators.prima.asking import Asked, BusinessError
from connectors.emulators.prima.changes import free
from connectors.emulators.prima.rendering import Reply
from connectors.emulators.prima.state import State
from connectors.emulators.prima.vocabulary import AVAILABLE, AVAILABLE_AT, DATA, STOCK

Record = Mapping[str, Any]
Sums = dict[tuple[str, ...], dict[str, str]]
_MATRIX = ("MtrxCode1", "MtrxCode2", "MtrxCode3", "MtrxCode4")


def order_status(asked: Asked, state: State) -> Reply:
    number = asked.values(DATA).get("OrderNumber", "")
    order = state["orders"].get(number)
    if order is None:
        raise BusinessError("Order not on file")
    return Reply({"OrderNumber": number, "OrderStatus": order.get("OrderStatus", "")}, count=1)


def product_available(asked: Asked, state: State) -> Reply:
    """Every article between two style codes, both empty for all; over all warehouses."""
    wanted = asked.values(DATA)
    first, last = wanted.get("ProductFrom", ""), wanted.get("ProductTo", "") or "\U0010ffff"
    inside = (record for record in _stock(state) if first <= str(record.get("Product") or "") <= last)
    rows = list(_summed(inside, ("Product", "MtrxCode1", "MtrxCode2")).values())
    return Reply({}, AVAILABLE, rows, len(rows))


def multi_available(asked: Asked, state: State) -> Reply:
    """The articles named, with a date; one that is not on file has none available."""
    names = ("Product", *_MATRIX)
    known = _summed(_stock(state), names)
    rows = []
    for element in asked.children(asked.dialect.element(STOCK).rpartition("/")[2], "sku"):
        given = {**asked.values(AVAILABLE_AT, of=element), **asked.values(STOCK, of=element)}
        keys = tuple(given.get(name, "") for name in names)
        none = dict(zip(names, keys, strict=True)) | {"AvailableQuantity": "0"}
        rows.append({"AvailableDate": "", **known.get(keys, none)})
    return Reply({}, AVAILABLE_AT, rows, len(rows))


def _stock(state: State) -> Iterator[Record]:
    records = state["stock"]
    with records.lock:
        return iter([records.get(key) or {} for key in records.sorted_ids()])


def _summed(records: Iterator[Record], names: tuple[str, ...]) -> Sums:
    found: Sums = {}
    for record in records:
        keys = tuple(str(record.get(name, "")) for name in names)
        row = found.setdefault(keys, dict(zip(names, keys, strict=True)) | {"AvailableQuantity": "0"})
        total = Decimal(row["AvailableQuantity"]) + Decimal(free(record) or 0)
        row["AvailableQuantity"] = f"{total.normalize():f}"
        row["AvailableDate"] = max(row.get("AvailableDate", ""), record.get("AvailableDate", ""))
    return found
