"""Invoices of a service whose lines carry no date of their own: read by number, their window asked of the headers.

F&O's lines have one (contract 4.6); those of other OData services mostly name nothing but their document.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.base import Page, Row
from connectors.dynamics365 import odata
from connectors.dynamics365.ahead import ahead
from connectors.dynamics365.finance.documents import Documents, Found
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.sales import sale_key
from connectors.dynamics365.finance.reading import key_or_nothing
from connectors.dynamics365.finance.tenant import COMPANY, KEYS_A_REQUEST, Table

NUMBER, DATE, SEQUENCE = "InvoiceNumber", "InvoiceDate", "LineCreationSequenceNumber"


@dataclass(frozen=True)
class InvoicesByNumber:
    """The stream `sale` over such a service."""

    headers: Table
    lines: Table
    keys_: Keys
    lookback_days: int

    def read(self, since: str, resume: str) -> Iterator[Page]:
        """All invoice lines since the watermark (a day), some days' overlap included, after `resume`."""
        *start, latest = json.loads(resume) if resume else [since]
        totals: list[int | None] = []
        found: list[Row] = []
        for document in self._since(since, start, totals):
            found += _rows(document)
            latest = max([latest, *_days(document.headers)])
            if document.whole and len(found) >= self.headers.size:
                token = json.dumps([*self._documents.start(document.key), latest])
                yield Page(found, resume := token, total=totals[0] if totals else None)
                found = []
        yield Page(found, resume, watermark=latest, total=totals[0] if totals else None)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        """The lines with these keys, and all lines of the documents with these keys."""
        asked, key = set(keys), key_or_nothing(sale_key(self.keys_))
        named = sorted({(company, number) for company, rest in map(self.keys_.split, keys)
                        for number in (rest, rest.rpartition("|")[0]) if number})  # fmt: skip
        for start in range(0, len(named), KEYS_A_REQUEST):
            documents = self._documents.of(named[start : start + KEYS_A_REQUEST])
            rows = [row for document in documents for row in _rows(document)]
            yield Page([row for row in rows if key(row) in asked or key(row).rpartition("|")[0] in asked])

    def keys(self) -> Iterator[Sequence[str]]:
        order, key = self.lines.order(COMPANY, NUMBER, SEQUENCE, bare=(SEQUENCE,)), key_or_nothing(sale_key(self.keys_))
        for page in ahead(self.lines.read(order, select=[column.name for column in order]).pages()):
            yield [found for row in page.rows if (found := key(b'{"line":%b}' % row))]

    @property
    def _documents(self) -> Documents:
        return Documents(self.headers, self.lines, NUMBER, (SEQUENCE,), bare=(SEQUENCE,))

    def _since(self, since: str, start: Sequence[str], totals: list[int | None]) -> Iterator[Found]:
        if not since:
            return self._documents.all(start, totals)
        earliest = datetime.fromisoformat(since[:10]) - timedelta(days=self.lookback_days)
        return self._documents.where(self.headers.since(DATE, earliest), start, totals)


def _rows(document: Found) -> list[Row]:
    """A row a line, each with its header; the missing half is null."""
    header = document.headers[0] if document.headers else b"null"
    return [b'{"header":%b,"line":%b}' % (header, line) for line in document.lines or [b"null"]]


def _days(headers: Sequence[bytes]) -> list[str]:
    """The headers' days, none of them of the future: one typing error would move the window past everything else."""
    today, column = datetime.now(UTC).date().isoformat(), odata.Column(DATE)
    return [min(values[0][:10], today) for row in headers if (values := odata.key_values(row, [column]))]
