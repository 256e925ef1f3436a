"""Sales rows of one merchant: appended, never de-duplicated, kept as the CSV text that came (contract 6)."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from threading import RLock

from connectors.emulators.store import Collection, Record

REQUIRED = ("item", "price", "order", "timestamp", "quantity")
CONTACT = ("customer", "email")
_FAILS_THE_LOAD = ("order", "timestamp")
_SHOWN_PROBLEMS = 20
_TOTAL = "total"


class HeaderError(ValueError):
    """The header line cannot be used: the upload is refused at once."""


@dataclass
class Load:
    """What became of one upload; amounts in the account's currency."""

    rows: list[list[str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failed: bool = False


class Sales:
    """Uploads with their load reports, and all rows as one read-only collection."""

    def __init__(self, uploads: Collection, csv_texts: Collection, totals: Collection, lock: RLock) -> None:
        self.uploads = uploads
        self.totals = totals
        self._texts = csv_texts
        self._seen: set[int] | None = None
        self.rows = SalesRows(uploads, csv_texts, lock)
        uploads.accept = _refuse_edit

    def clear(self) -> None:
        for collection in (self.uploads, self.totals, self._texts):
            collection.clear()
        self._seen = None
        self.rows.forget()

    @property
    def columns(self) -> list[str] | None:
        """The columns agreed: those of the first upload. They must stay the same (contract 6.1)."""
        return next((one["columns"] for one in self.uploads.values()), None)

    def upload(self, text: str, now: datetime) -> Record:
        """Loads a file and returns its report; HeaderError when the header line is not usable."""
        header, _, rest = text.partition("\n")
        columns = read_header(header.rstrip("\r"), self.columns)
        lines = rest.split("\n")
        load = _load(columns, list(csv.reader(lines)))
        duplicates = self._count_duplicates(load.rows)
        upload_id = str(len(self.uploads) + 1)
        report = _report(columns, load, duplicates) | {"id": upload_id, "at": now.isoformat(), "bytes": len(text)}
        report["first_row"] = self.rows.count + 1
        kept = lines if not load.problems else [_line(row) for row in load.rows]
        self._texts.put(upload_id, {"csv": "" if load.failed else "\n".join(kept)})
        self.uploads.put(upload_id, report)
        self._add_up(report)
        self.rows.forget()
        return report

    def _add_up(self, report: Record) -> None:
        """One record over all uploads, refunds netted."""
        before = self.totals.get(_TOTAL) or {}
        counts = {name: before.get(name, 0) + report[name] for name in ("rows", "refund_rows", "duplicate_rows")}
        money = {
            name: str(Decimal(before.get(name, "0")) + Decimal(report[name])) for name in ("sold", "refunded", "net")
        }
        self.totals.put(_TOTAL, {"id": _TOTAL, "uploads": before.get("uploads", 0) + 1, **counts, **money})

    def _count_duplicates(self, rows: Iterable[list[str]]) -> int:
        """Rows equal to one loaded before, here or in an earlier upload."""
        if self._seen is None:
            self._seen = {
                hash(tuple(row)) for one in self._texts.values() for row in csv.reader(one["csv"].split("\n")) if row
            }
        seen = self._seen
        before = len(seen)
        hashes = [hash(tuple(row)) for row in rows]
        seen.update(hashes)
        return len(hashes) - (len(seen) - before)


def _refuse_edit(upload_id: str, record: Record) -> Record:
    raise ValueError("sales data is append-only: upload it through the API")


def read_header(line: str, agreed: list[str] | None) -> list[str]:
    """The columns of a header line; HeaderError when it is malformed or not as agreed (contract 6.1)."""
    columns = next(csv.reader([line.removeprefix("\ufeff")]), [])
    if len(set(columns)) != len(columns) or not all(columns):
        raise HeaderError("The header line has empty or repeated columns")
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise HeaderError(f"The header line lacks: {', '.join(missing)}")
    if sum(name in columns for name in CONTACT) != 1:
        raise HeaderError("The header line must have one of customer and email")
    if agreed is not None and columns != agreed:
        raise HeaderError(f"The columns differ from those agreed: {','.join(agreed)}")
    return columns


def _load(columns: list[str], rows: list[list[str]]) -> Load:
    """Whole columns are checked at once; only a file with a problem is read row by row."""
    rows = [row for row in rows if row]
    if _is_clean(columns, rows):
        return Load(rows)
    load = Load()
    for number, row in enumerate(rows, start=2):
        problem = _problem(columns, row)
        if problem is None:
            load.rows.append(row)
            continue
        load.problems.append(f"line {number}: {problem[1]}")
        load.failed = load.failed or problem[0] in _FAILS_THE_LOAD
    if load.failed:
        load.rows = []
    return load


def _is_clean(columns: list[str], rows: list[list[str]]) -> bool:
    width = len(columns)
    if any(len(row) != width for row in rows):
        return False
    values = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else {}
    if not rows:
        return True
    return (
        all(values["order"])
        and all(values["item"])
        and all(_is_time(one) for one in set(values["timestamp"]))
        and all(_amount(one) is not None for one in set(values["price"]) | set(values["quantity"]))
    )


def _problem(columns: list[str], row: list[str]) -> tuple[str, str] | None:
    if len(row) != len(columns):
        return "", f"{len(row)} values for {len(columns)} columns"
    values = dict(zip(columns, row, strict=True))
    for name in ("order", "item"):
        if not values[name]:
            return name, f"{name} is empty"
    if not _is_time(values["timestamp"]):
        return ("" if values["timestamp"] else "timestamp"), f"timestamp is not a time: {values['timestamp']!r}"
    for name in ("price", "quantity"):
        if _amount(values[name]) is None:
            return name, f"{name} is not a number: {values[name]!r}"
    return None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) >= 10


def _amount(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _report(columns: list[str], load: Load, duplicates: int) -> Record:
    """The load report: rows with a negative price are refunds and are netted (contract 6.3)."""
    at = columns.index("price")
    prices = [Decimal(row[at]) for row in load.rows]
    sold = sum((one for one in prices if one >= 0), Decimal(0))
    refunded = sum((one for one in prices if one < 0), Decimal(0))
    status = "Failed Load" if load.failed else "Partial Load" if load.problems else "Full Load"
    return {
        "columns": columns,
        "status": status,
        "rows": len(load.rows),
        "refund_rows": sum(one < 0 for one in prices),
        "duplicate_rows": duplicates,
        "sold": str(sold),
        "refunded": str(refunded),
        "net": str(sold + refunded),
        "problem_count": len(load.problems),
        "problems": load.problems[:_SHOWN_PROBLEMS],
    }


def _line(row: list[str]) -> str:
    return ",".join(f'"{one.replace(chr(34), chr(34) * 2)}"' if set(one) & set(',"') else one for one in row)


class SalesRows(Collection):
    """All loaded rows by running number, read from the uploads' text when somebody looks."""

    def __init__(self, uploads: Collection, csv_texts: Collection, lock: RLock) -> None:
        super().__init__(None, lock)
        self.accept = _refuse_edit
        self._uploads = uploads
        self._texts = csv_texts
        self._parsed: tuple[str, list[Record]] = ("", [])

    def forget(self) -> None:
        self._parsed = ("", [])

    @property
    def count(self) -> int:
        last: Record | None = next(reversed(list(self._uploads.values())), None)
        return last["first_row"] + last["rows"] - 1 if last else 0

    def __len__(self) -> int:
        return self.count

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.isdecimal() and 1 <= int(key) <= self.count

    def get(self, key: str) -> Record | None:
        found = self.list(int(key) - 1, 1) if key in self else []
        return found[0][1] if found else None

    def delete(self, key: str) -> bool:
        raise ValueError("sales data is append-only: nothing can be deleted")

    def _parse(self, upload: Record) -> list[Record]:
        if self._parsed[0] != upload["id"]:
            text = (self._texts.get(upload["id"]) or {"csv": ""})["csv"]
            rows = (row for row in csv.reader(text.split("\n")) if row)
            columns, first = upload["columns"], upload["first_row"]
            records = [
                {"id": str(first + at), "upload": upload["id"], **dict(zip(columns, row, strict=True))}
                for at, row in enumerate(rows)
            ]
            self._parsed = (upload["id"], records)
        return self._parsed[1]

    def list(self, offset: int = 0, limit: int = 100) -> "list[tuple[str, Record]]":
        with self.lock:
            found: list[Record] = []
            for upload in self._uploads.values():
                first, rows = upload["first_row"] - 1, upload["rows"]
                start = max(offset - first, 0)
                stop = min(offset + limit - first, rows)
                if start < stop:
                    found += self._parse(upload)[start:stop]
            return [(one["id"], one) for one in found]
