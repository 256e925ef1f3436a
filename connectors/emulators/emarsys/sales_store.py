"""Sales data of one merchant: appended, never de-duplicated, kept as the CSV text that came (contract 6)."""

import csv
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from threading import RLock

from connectors.emulators.emarsys.buyers import Buyers
from connectors.emulators.emarsys.sales_file import CONTACT, Load, as_line, read_header, read_rows
from connectors.emulators.emarsys.sales_rows import TOTAL, SalesRows, refuse_edit
from connectors.emulators.store import Collection, Record

_SHOWN_PROBLEMS = 20
IN_PROGRESS = "In Progress"
_IN_PROGRESS: Record = {
    "status": IN_PROGRESS, "rows": 0, "refund_rows": 0, "duplicate_rows": 0, "generated_contacts": 0, "sold": "0",
    "refunded": "0", "net": "0", "problem_count": 0, "problems": [],
}  # fmt: skip


class Sales:
    """Uploads with their load reports, and all rows as one read-only collection."""

    def __init__(self, uploads: Collection, csv_texts: Collection, totals: Collection, lock: RLock) -> None:
        self.uploads = uploads
        self.totals = totals
        self._texts = csv_texts
        self._seen: set[int] | None = None
        self._waiting: dict[str, str] = {}
        self._may_wait = True  # an earlier process may have left something
        self.rows = SalesRows(uploads, csv_texts, totals, lock)
        self.buyers: Buyers
        uploads.accept = refuse_edit

    @property
    def columns(self) -> list[str] | None:
        """The columns agreed: those of the first upload. They must stay the same (contract 6.1)."""
        return next((one["columns"] for one in self.uploads.values()), None)

    def upload(self, text: str, now: datetime, seconds: float = 0) -> Record:
        """Accepts a file, to be loaded some seconds later; HeaderError when the header line is not usable."""
        header, _, rest = text.partition("\n")
        columns = read_header(header.rstrip("\r"), self.columns)
        upload_id = str(len(self.uploads) + 1)
        due = (now + timedelta(seconds=seconds)).isoformat()
        report = {**_IN_PROGRESS, "columns": columns, "id": upload_id, "at": now.isoformat(), "bytes": len(text)}
        self._waiting[upload_id] = rest
        self._may_wait = True
        self.uploads.put(upload_id, {**report, "due": due, "first_row": self.rows.count + 1})
        if seconds:
            self._texts.put(upload_id, {"csv": "", "raw": rest})
        self.settle(now)
        return self.uploads.get(upload_id) or report

    def settle(self, now: datetime) -> None:
        """Loads what is due, in the order it came."""
        if not self._may_wait:
            return
        for upload in [one for one in self.uploads.values() if one["status"] == IN_PROGRESS]:
            if datetime.fromisoformat(upload["due"]) > now:
                return
            waiting = self._waiting.pop(upload["id"], None)
            raw = waiting if waiting is not None else (self._texts.get(upload["id"]) or {}).get("raw", "")
            self._load(upload, raw)
        self._may_wait = False

    def _load(self, upload: Record, raw: str) -> None:
        columns, lines = upload["columns"], raw.split("\n")
        load = read_rows(columns, lines)
        report = _report(columns, load, self._count_duplicates(load.rows))
        at = next(at for at, name in enumerate(columns) if name in CONTACT)
        report["generated_contacts"] = self.buyers.meet(columns[at], {row[at] for row in load.rows}, upload["id"])
        report["first_row"] = self.rows.count + 1
        kept = lines if not load.problems else [as_line(row) for row in load.rows]
        self._texts.put(upload["id"], {"csv": "" if load.failed else "\n".join(kept)})
        self.uploads.put(upload["id"], {**upload, **report})
        self._add_up(report)
        self.rows.forget()

    def _add_up(self, report: Record) -> None:
        """One record over all uploads, refunds netted."""
        before = self.totals.get(TOTAL) or {}
        counts = {name: before.get(name, 0) + report[name] for name in ("rows", "refund_rows", "duplicate_rows")}
        money = {
            name: str(Decimal(before.get(name, "0")) + Decimal(report[name])) for name in ("sold", "refunded", "net")
        }
        self.totals.put(TOTAL, {"id": TOTAL, "uploads": before.get("uploads", 0) + 1, **counts, **money})

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
