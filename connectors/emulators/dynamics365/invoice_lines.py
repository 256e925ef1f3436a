"""Half a million invoice lines, kept by invoice: a line is a short list, its row is made when it is asked for.

A stored group is `{"date", "currency", "record", "version", "lines"}` under the invoice's id; a line in it is
`[sequence, product, name, quantity, price, amount, tax, discount]`, with a ninth element for the
rare line that says more (anything edited that the short form cannot hold).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from connectors.emulators.dynamics365.schema import ETAG, LINES, comparable
from connectors.emulators.dynamics365.tables import Index, Row, etag
from connectors.emulators.store import Collection, Record

SHORT = (
    "LineCreationSequenceNumber", "ProductNumber", "ProductName", "InvoicedQuantity", "SalesPrice", "LineAmount",
    "LineTotalTaxAmount", "LineTotalDiscountAmount",
)  # fmt: skip
_FIRST_RECORD = 5_637_144_576
_DEFAULTS = {name: value for name, value in LINES.defaults.items() if name not in SHORT}


def _row(group_id: str, group: Record, line: list[Any]) -> Row:
    company, _, number = group_id.partition("|")
    row = {ETAG: etag(group["version"], group["record"] + line[0]), **_DEFAULTS}
    row["dataAreaId"], row["InvoiceNumber"] = company, number
    row["InvoiceDate"], row["CurrencyCode"] = group["date"], group["currency"]
    row.update(zip(SHORT, line, strict=False))
    if len(line) > len(SHORT):
        row.update(line[len(SHORT)])
    return row


class LineIndex:
    """An order that begins with columns of the invoice and ends with the line's number."""

    def __init__(self, columns: tuple[str, ...], groups: Collection) -> None:
        self.columns = columns
        self._groups = groups
        self._depth = len(columns) - 1
        date = LINES.properties["InvoiceDate"]
        keys = []
        for group_id, group in groups.items():
            company, _, number = group_id.partition("|")
            day = (comparable(date, group["date"]),) if "InvoiceDate" in columns else ()
            keys.append((company.lower(), *day, number, group_id))
        keys.sort()
        self._keys = keys
        sizes = (len((groups.get(key[-1]) or {"lines": ()})["lines"]) for key in keys)
        self._starts = [0, *accumulate(sizes)]

    def __len__(self) -> int:
        return self._starts[-1]

    def position(self, key: tuple[Any, ...]) -> int:
        at = bisect_left(self._keys, key[: self._depth])
        if len(key) <= self._depth or at == len(self._keys) or self._keys[at][: self._depth] != key[: self._depth]:
            return self._starts[at]
        group = self._groups.get(self._keys[at][-1]) or {"lines": ()}
        numbers = [(line[0],) for line in group["lines"]]
        return self._starts[at] + bisect_left(numbers, key[self._depth :])

    def rows(self, start: int, end: int) -> Iterator[Row]:
        at = bisect_right(self._starts, start) - 1
        while start < end and at < len(self._keys):
            group_id = self._keys[at][-1]
            group = self._groups.get(group_id)
            skip = start - self._starts[at]
            take = min(end, self._starts[at + 1]) - self._starts[at]
            for line in group["lines"][skip:take] if group else ():
                yield _row(group_id, group or {}, line)
            at += 1
            start = self._starts[at]


class InvoiceLines:
    """`SalesInvoiceV2Lines`, and the collection of the same for the control API: ids `company|invoice|number`."""

    entity = LINES

    def __init__(self, groups: Collection) -> None:
        self.groups = groups
        self.lock = groups.lock
        self._built: tuple[int, list[Index], list[str]] | None = None
        self._next_record = _FIRST_RECORD + sum(len(group["lines"]) + 1 for group in groups.values())

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

    def indexes(self) -> list[Index]:
        return self._current()[1]

    def companies(self) -> list[str]:
        return self._current()[2]

    def _current(self) -> tuple[int, list[Index], list[str]]:
        changed = self.groups.changes
        if self._built is None or self._built[0] != changed:
            with self.lock:
                built: list[Index] = [LineIndex(columns, self.groups) for columns in LINES.indexes]
                companies = sorted({key.partition("|")[0].lower() for key in self.groups})
                self._built = changed, built, companies
        return self._built

    def find(self, key: str) -> Row | None:
        return self.get(key)

    # What the control API uses of a Collection.

    def __len__(self) -> int:
        return sum(len(group["lines"]) for group in self.groups.values())

    def get(self, key: str) -> Record | None:
        group_id, number = _split(key)
        group = self.groups.get(group_id)
        line = next((line for line in group["lines"] if line[0] == number), None) if group else None
        return dict(_row(group_id, group or {}, line)) if line else None

    def list(self, offset: int = 0, limit: int = 100) -> "list[tuple[str, Record]]":
        index, found = self.indexes()[0], []
        for row in index.rows(offset, min(len(index), offset + limit)):
            key = f"{row['dataAreaId']}|{row['InvoiceNumber']}|{row['LineCreationSequenceNumber']}"
            found.append((key, dict(row)))
        return found

    def edit(self, key: str, record: Record | None) -> Record | None:
        group_id, number = _split(key)
        if not group_id or number < 0:
            raise ValueError(f"the id of {LINES.name} is dataAreaId|InvoiceNumber|number, not {key!r}")
        unknown = sorted(set(record or ()) - set(LINES.properties) - {ETAG})
        if unknown:
            raise ValueError(f"{LINES.name} has no property {', '.join(unknown)}")
        with self.lock:
            return self._edit(key, group_id, number, record)

    def _edit(self, key: str, group_id: str, number: int, record: Record | None) -> Record | None:
        group = self.groups.get(group_id)
        if group is None:
            given = record or {}
            date = str(given.get("InvoiceDate", LINES.defaults["InvoiceDate"]))
            group = self._new_group(date, str(given.get("CurrencyCode", "")), [])
        lines = [line for line in group["lines"] if line[0] != number]
        if record is not None:
            lines.append(_short(group_id, group, number, record))
            lines.sort(key=lambda line: line[0])
        if lines:
            self.groups.put(group_id, {**group, "version": group["version"] + 1, "lines": lines})
        else:
            self.groups.delete(group_id)
        return self.get(key) if record is not None else None


def _split(key: str) -> tuple[str, int]:
    group_id, _, number = key.rpartition("|")
    return (group_id, int(number)) if number.isdigit() and "|" in group_id else ("", -1)


def _short(group_id: str, group: Record, number: int, record: Record) -> list[Any]:
    """The stored form of a whole row; what the group or the defaults already say is left out."""
    whole = {**LINES.defaults, **record}
    line = [number, *(whole[name] for name in SHORT[1:])]
    company, _, invoice = group_id.partition("|")
    implied = {
        **_DEFAULTS, "dataAreaId": company, "InvoiceNumber": invoice, "InvoiceDate": group["date"],
        "CurrencyCode": group["currency"], SHORT[0]: number,
    }  # fmt: skip
    rest = {name: value for name, value in record.items() if name in implied and value != implied[name]}
    return [*line, rest] if rest else line
