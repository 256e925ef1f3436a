"""All loaded sales rows of one merchant by running number, read from the uploads' text when somebody looks."""

import csv
from threading import RLock

from connectors.emulators.store import Collection, Record

TOTAL = "total"


def refuse_edit(upload_id: str, record: Record) -> Record:
    raise ValueError("sales data is append-only: upload it through the API")


class SalesRows(Collection):
    """All loaded rows by running number, read from the uploads' text when somebody looks."""

    def __init__(self, uploads: Collection, csv_texts: Collection, totals: Collection, lock: RLock) -> None:
        super().__init__(None, lock)
        self.accept = refuse_edit
        self._uploads = uploads
        self._texts = csv_texts
        self._totals = totals
        self._parsed: tuple[str, list[Record]] = ("", [])

    def forget(self) -> None:
        self._parsed = ("", [])

    @property
    def count(self) -> int:
        rows: int = (self._totals.get(TOTAL) or {"rows": 0})["rows"]
        return rows

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
