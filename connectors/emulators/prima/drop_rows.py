"""Records as the rows of a flat file (contract 9): header, then one row each, in the site's words."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from connectors.emulators.prima.changes import free
from connectors.emulators.prima.dialect import Dialect
from connectors.emulators.prima.vocabulary import (
    CREDIT,
    CREDIT_LINE,
    CUSTOMER,
    DATE,
    DESPATCH,
    DESPATCH_LINE,
    MOMENT,
    ORDER,
    ORDER_LINE,
    STOCK,
    TEXT,
    Part,
)

Record = Mapping[str, Any]
Row = list[str]
_AMOUNTS = frozenset(("amount", "quantity"))
_SERIAL_FROM = date(1899, 12, 30)  # what a spreadsheet counts days from
_ORDER_OF_LINE = Part("Order", {"OrderNumber": TEXT})

# entity → (collection, header part, part of one row inside it or none)
FILES: dict[str, tuple[str, Part, Part | None]] = {
    "customers": ("customers", CUSTOMER, None),
    "orders": ("orders", ORDER, None),
    "orderlines": ("orders", _ORDER_OF_LINE, ORDER_LINE),
    "joined": ("orders", ORDER, ORDER_LINE),
    "credits": ("credits", CREDIT, CREDIT_LINE),
    "despatches": ("despatches", DESPATCH, DESPATCH_LINE),
    "stock": ("stock", STOCK, None),
}


class Columns:
    """The columns of one kind of file. `spreadsheet`: the values as a spreadsheet program leaves them (9)."""

    def __init__(self, entity: str, dialect: Dialect, spreadsheet: bool = False) -> None:
        _, head, inside = FILES[entity]
        self._dialect, self._spreadsheet = dialect, spreadsheet
        self._head = [(head, name, kind) for name, kind in head.attributes.items()]
        self._line = [(inside, name, kind) for name, kind in inside.attributes.items()] if inside else []
        self._inside = inside

    def header(self) -> Row:
        """The last step of each attribute's path; a name taken already has its element's in front."""
        names: Row = []
        for part, name, _ in (*self._head, *self._line):
            called = self._dialect.attribute(part, name).rpartition("/")[2]
            element = self._dialect.element(part).rpartition("/")[2]
            names.append(f"{element}{called}" if called in names else called)
        return names

    def rows(self, records: Iterable[Record]) -> Iterator[Row]:
        for record in records:
            if self._inside is None:
                filled = {**record, "Free": free(record)} if "Physical" in record else record
                yield [self._cell(column, filled) for column in self._head]
                continue
            head = [self._cell(column, record) for column in self._head]
            for line in _lines(record, self._inside):
                yield head + [self._cell(column, line) for column in self._line]

    def _cell(self, column: tuple[Part, str, str], record: Record) -> str:
        part, name, kind = column
        if name == "Price" and self._dialect.price_basis == "line":
            name = "LineValue"
        value = str(record.get(name) or "")
        if self._spreadsheet:
            return _through_a_spreadsheet(value, kind)
        if kind in _AMOUNTS and part.element.startswith("Credit") and self._dialect.credit_sign == "negative":
            value = f"-{value}" if value.strip("0.") and not value.startswith("-") else value.lstrip("-")
        return self._dialect.write(name, kind, value) if value else ""


def _lines(record: Record, inside: Part) -> Iterator[Record]:
    """The lines of a record; an order's charges follow as lines with a service code (7.4)."""
    yield from record.get(inside.stored, ())
    if inside is ORDER_LINE:
        for at, charge in enumerate(record.get("OrderChargeData", ()), start=1):
            value = charge.get("ChargeValue", "")
            yield {"OrderLine": f"C{at}", "Product": charge.get("Charge", ""), "Quantity": "1", "Price": value,
                   "LineValue": value, "LineStatus": record.get("OrderStatus", "")}  # fmt: skip


def _through_a_spreadsheet(value: str, kind: str) -> str:
    if kind in (DATE, MOMENT) and value:
        return str((date.fromisoformat(value[:10]) - _SERIAL_FROM).days)
    if value.isdigit() and len(value) > 11:
        return f"{int(value):.5E}"
    return value.lstrip("0") or "0" if value.isdigit() else value


def changed_since(records: Iterable[Record], since: str) -> list[Record]:
    return [record for record in records if str(record.get("LastChanged") or "") >= since]
