"""The lines of posted invoices (dynamics365.md 4.6); a group also holds the invoice's `date` and `currency`."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from connectors.emulators.dynamics365.entity_sets.invoices import LINES
from connectors.emulators.dynamics365.grouped_lines import FIRST_RECORD, GroupedLines, LineIndex, heads
from connectors.emulators.dynamics365.schema import ETAG
from connectors.emulators.dynamics365.tables import Index, Row, etag
from connectors.emulators.store import Collection, Record

SHORT = (
    "LineCreationSequenceNumber", "ProductNumber", "ProductName", "InvoicedQuantity", "SalesPrice", "LineAmount",
    "LineTotalTaxAmount", "LineTotalDiscountAmount",
)  # fmt: skip
_DEFAULTS = {name: value for name, value in LINES.defaults.items() if name not in SHORT}


class InvoiceLines(GroupedLines):
    """`SalesInvoiceV2Lines`."""

    groups: Collection

    def __init__(self, groups: Collection) -> None:
        super().__init__(LINES, SHORT, groups)
        self._next_record = FIRST_RECORD + sum(len(group["lines"]) + 1 for group in groups.values())

    def load(self, groups: Iterable[tuple[str, str, str, list[list[Any]]]]) -> None:
        """(invoice id, date, currency, short lines) of every invoice."""
        fresh = {}
        for group_id, date, currency, lines in groups:
            fresh[group_id] = self._new_group(date, currency, lines)
            self._next_record += len(lines)
        with self.lock:
            self.groups.clear()
            self.groups.put_many(fresh)

    def _new_group(self, date: str, currency: str, lines: list[list[Any]]) -> Record:
        self._next_record += 1
        return {"date": date, "currency": currency, "record": self._next_record, "version": 0, "lines": lines}

    def new_group(self, record: Mapping[str, Any]) -> Record:
        date = str(record.get("InvoiceDate", _DEFAULTS["InvoiceDate"]))
        return self._new_group(date, str(record.get("CurrencyCode", "")), [])

    def stamp(self) -> Hashable:
        return self.groups.changes

    def index(self, columns: tuple[str, ...]) -> Index:
        return LineIndex(columns, heads(LINES, columns, "InvoiceNumber", self, {"InvoiceDate": "date"}), self)

    def row(self, group_id: str, group: Record, line: list[Any]) -> dict[str, Any]:
        company, _, number = group_id.partition("|")
        row = {ETAG: etag(group["version"], group["record"] + line[0]), **_DEFAULTS}
        row["dataAreaId"], row["InvoiceNumber"] = company, number
        row["InvoiceDate"], row["CurrencyCode"] = group["date"], group["currency"]
        row.update(zip(SHORT, line, strict=False))
        if len(line) > len(SHORT):
            row.update(line[len(SHORT)])
        return row

    def implied(self, group_id: str, group: Record) -> dict[str, Any]:
        company, _, invoice = group_id.partition("|")
        own = {"dataAreaId": company, "InvoiceNumber": invoice}
        return {**_DEFAULTS, **own, "InvoiceDate": group["date"], "CurrencyCode": group["currency"]}

    def find(self, key: str) -> Row | None:
        return self.get(key)

    def id_of(self, row: Row) -> str:
        return self.place(row)

    def place(self, row: Row) -> str:
        return f"{row['dataAreaId']}|{row['InvoiceNumber']}|{row['LineCreationSequenceNumber']}"
