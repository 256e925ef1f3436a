"""The lines of sales orders (dynamics365.md 4.4); an invoiced order's are those of its invoice until they differ.

A group also holds the order's `status` for lines, its `date` (creation day) and `currency`. The key of a line is
its inventory lot: the document's record number and the line's, opaque to a client.
"""

import re
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from connectors.emulators.dynamics365.entity_sets.orders import ORDER_LINES
from connectors.emulators.dynamics365.grouped_lines import FIRST_RECORD, PLACES, GroupedLines, LineIndex, heads
from connectors.emulators.dynamics365.invoiced_orders import InvoicedOrders
from connectors.emulators.dynamics365.schema import ETAG
from connectors.emulators.dynamics365.tables import Index, Row, etag
from connectors.emulators.store import Collection, Record

SHORT = (
    "LineCreationSequenceNumber", "ItemNumber", "LineDescription", "OrderedSalesQuantity", "SalesPrice", "LineAmount",
    "-", "LineDiscountAmount",
)  # fmt: skip  # the seventh place is an invoice line's tax
_OWN = (*SHORT, "dataAreaId", "InventoryLotId", "LineNumber")
_DEFAULTS = {
    **{name: value for name, value in ORDER_LINES.defaults.items() if name not in _OWN},
    "SalesPriceQuantity": 1,
    "SalesUnitSymbol": "ea",
    "ShippingSiteId": "1",
}
_LOT = re.compile(r"(\d{8,})-(\d{5,})")
_GONE = "@deleted"


def lot_of(group: Record, number: int) -> str:
    """The inventory lot of a line: fixed widths, so that lots sort as documents and lines do."""
    return f"{group['record'] - FIRST_RECORD:08d}-{number:05d}"


class OrderGroups:
    """The lines by order: what is stored, and where nothing is, what the order's invoice says."""

    def __init__(self, stored: Collection, invoiced: InvoicedOrders) -> None:
        self.stored = stored
        self.lock = stored.lock
        self._invoiced = invoiced

    def stamp(self) -> Hashable:
        return self.stored.changes, self._invoiced.stamp()

    def get(self, key: str) -> Record | None:
        stored = self.stored.get(key)
        if stored is not None:
            return None if _GONE in stored else stored
        return self._invoiced.group(key)

    def put(self, key: str, record: Record) -> None:
        self.stored.put(key, record)

    def delete(self, key: str) -> bool:
        if self._invoiced.group(key) is None:
            return self.stored.delete(key)
        self.stored.put(key, {_GONE: 1})
        return True

    def items(self) -> Iterator[tuple[str, Record]]:
        for key in self._invoiced.ids():
            if key not in self.stored and (group := self._invoiced.group(key)):
                yield key, group
        for key, stored in self.stored.items():
            if _GONE not in stored:
                yield key, stored


class _LotIndex(LineIndex):
    """By company and lot: the lot's first half names the order, the second the line."""

    def position(self, key: tuple[Any, ...]) -> int:
        found = _LOT.fullmatch(key[1]) if len(key) > 1 and isinstance(key[1], str) else None
        if found:
            key = (key[0], found[1], int(found[2]), *key[2:])
        return super().position(key)


class OrderLines(GroupedLines):
    """`SalesOrderLines`."""

    groups: OrderGroups

    def __init__(self, groups: OrderGroups) -> None:
        super().__init__(ORDER_LINES, SHORT, groups)
        self._lots: tuple[Hashable, list[tuple[str, str]]] | None = None

    def load(self, groups: Iterable[tuple[str, str, str, str, list[list[Any]]]]) -> None:
        """(order id, line status, day, currency, short lines) of every order that is stored."""
        fresh, record = {}, FIRST_RECORD
        for group_id, status, date, currency, lines in groups:
            record += 1
            rest = {"status": status, "date": date, "currency": currency}
            fresh[group_id] = {"record": record, "version": 0, **rest, "lines": lines}
        with self.lock:
            self.groups.stored.clear()
            if fresh:
                self.groups.stored.put_many(fresh)

    def new_group(self, record: Mapping[str, Any]) -> Record:
        last = max((group["record"] for _, group in self.groups.items()), default=FIRST_RECORD)
        day = str(record.get("RequestedShippingDate", _DEFAULTS["RequestedShippingDate"]))
        currency = str(record.get("CurrencyCode", ""))
        # Far enough from an invoice's records: its lines are numbered on.
        return {"record": last + 10_000, "version": 0, "status": "Backorder", "date": day, "currency": currency,
                "lines": []}  # fmt: skip

    def stamp(self) -> Hashable:
        return self.groups.stamp()

    def index(self, columns: tuple[str, ...]) -> Index:
        if "InventoryLotId" not in columns:
            return LineIndex(columns, heads(ORDER_LINES, columns, "SalesOrderNumber", self, {}), self)
        found = [(key.partition("|")[0].lower(), lot_of(group, 0)[:-6], key) for key, group in self.groups.items()]
        return _LotIndex(columns, found, self)

    def row(self, group_id: str, group: Record, line: list[Any]) -> dict[str, Any]:
        company, _, number = group_id.partition("|")
        tag = etag(group["version"], group["record"] + line[0], ORDER_LINES.sources)
        row = {ETAG: tag, "dataAreaId": company, "InventoryLotId": lot_of(group, line[0]), **_DEFAULTS}
        row["SalesOrderNumber"], row["LineNumber"] = number, line[0]
        row["SalesOrderLineStatus"], row["CurrencyCode"] = group["status"], group["currency"]
        row["RequestedShippingDate"] = group["date"]
        row["LineCreationSequenceNumber"], row["ItemNumber"], row["LineDescription"] = line[:3]
        row["OrderedSalesQuantity"], row["SalesPrice"], row["LineAmount"] = line[3:6]
        row["LineDiscountAmount"] = line[7]
        if len(line) > PLACES:
            row.update({name: value for name, value in line[PLACES].items() if name in row})
        return row

    def implied(self, group_id: str, group: Record) -> dict[str, Any]:
        company, _, number = group_id.partition("|")
        implied = {**_DEFAULTS, "dataAreaId": company, "SalesOrderNumber": number, "CurrencyCode": group["currency"]}
        rest = {"SalesOrderLineStatus": group["status"], "RequestedShippingDate": group["date"]}
        return {**implied, **rest}

    def find(self, key: str) -> Row | None:
        """By `company|lot`."""
        company, _, lot = key.partition("|")
        found = _LOT.fullmatch(lot)
        if not found:
            return None
        lots = self._by_lot()
        at = bisect_left(lots, (found[1], ""))
        if at == len(lots) or lots[at][0] != found[1] or lots[at][1].partition("|")[0].lower() != company.lower():
            return None
        return self.get(f"{lots[at][1]}|{int(found[2])}")

    def _by_lot(self) -> list[tuple[str, str]]:
        stamp = self.stamp()
        if self._lots is None or self._lots[0] != stamp:
            with self.lock:
                self._lots = stamp, sorted((lot_of(group, 0)[:-6], key) for key, group in self.groups.items())
        return self._lots[1]

    def lot(self, order_id: str, number: int) -> str:
        """The lot of a line of `company|order`, "" when there is no such line."""
        group = self.groups.get(order_id)
        known = group is not None and any(line[0] == number for line in group["lines"])
        return lot_of(group, number) if group is not None and known else ""

    def id_of(self, row: Row) -> str:
        """A line without a number is the next one of its order."""
        if row["LineCreationSequenceNumber"]:
            return self.place(row)
        group = self.groups.get(f"{row['dataAreaId']}|{row['SalesOrderNumber']}") or {"lines": ()}
        last = max((line[0] for line in group["lines"]), default=0)
        return self.place({**row, "LineCreationSequenceNumber": last + 1})

    def place(self, row: Row) -> str:
        return f"{row['dataAreaId']}|{row['SalesOrderNumber']}|{row['LineCreationSequenceNumber']}"
