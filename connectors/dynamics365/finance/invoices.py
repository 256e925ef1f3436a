"""Invoices with their lines, read by invoice date."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.base import Division, Page, Row
from connectors.dynamics365 import odata
from connectors.dynamics365.ahead import ahead
from connectors.dynamics365.finance.joining import Document, joined, parts
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.sales import sale_key
from connectors.dynamics365.finance.portion import Portion, division, portion
from connectors.dynamics365.finance.reading import key_or_nothing
from connectors.dynamics365.finance.tenant import COMPANY, KEYS_A_REQUEST, Table

DOCUMENT = (COMPANY, "InvoiceDate", "InvoiceNumber")
SEQUENCE = "LineCreationSequenceNumber"
BARE = ("InvoiceDate", SEQUENCE)


class Key(msgspec.Struct, frozen=True):
    """A document's key as headers and lines carry it; a missing value is an empty one."""

    dataAreaId: str = ""
    InvoiceDate: str = ""
    InvoiceNumber: str = ""

    @property
    def stretch(self) -> tuple[str, ...]:
        return self.dataAreaId.lower(), self.InvoiceDate[:10]


@dataclass(frozen=True)
class Invoices:
    """The stream `sale`."""

    headers: Table
    lines: Table
    keys_: Keys
    lookback_days: int

    def read(self, since: str, resume: str) -> Iterator[Page]:
        """All invoice lines since the watermark (a day), some days' overlap included, after `resume`."""
        at = portion(resume, since)
        latest = at.latest
        totals: list[int | None] = []
        found: list[Row] = []
        for document in self._documents(self._where(since, at), totals, at.start):
            found += rows(document)
            latest = max(latest, document.key.InvoiceDate[:10])
            if document.whole and len(found) >= self.headers.size:
                at = at.to([getattr(document.key, column.name) for column in self._order], latest)
                yield Page(found, resume := at.token, total=totals[0])
                found = []
        yield Page(found, resume, watermark=min(latest, _today()), total=totals[0] if totals else None)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        """The lines with these keys, and all lines of the documents with these keys."""
        asked = set(keys)
        documents = sorted({document for key in keys for document in self._documents_of(key)})
        for start in range(0, len(documents), KEYS_A_REQUEST):
            named = documents[start : start + KEYS_A_REQUEST]
            where = [table.one_of("InvoiceNumber", named) for table in (self.headers, self.lines)]
            found = [row for document in self._documents(where, []) for row in rows(document)]
            yield Page([row for row in found if self._is_asked(row, asked)])

    def keys(self) -> Iterator[Sequence[str]]:
        order = self._line_order
        key = key_or_nothing(sale_key(self.keys_))
        for page in ahead(self.lines.read(order, select=[column.name for column in order]).pages()):
            yield [found for row in page.rows if (found := key(b'{"line":%b}' % row))]

    @property
    def _order(self) -> tuple[odata.Column, ...]:
        return self.headers.order(*DOCUMENT, bare=BARE)

    @property
    def _line_order(self) -> tuple[odata.Column, ...]:
        return self.lines.order(*DOCUMENT, SEQUENCE, bare=BARE)

    def _documents(
        self, where: Sequence[str], totals: list[int | None], start: Sequence[str] = ()
    ) -> Iterator[Document[Key]]:
        """`where` is what the headers must fit and what the lines must."""
        mine, theirs = where or ("", "")
        headers = self.headers.read(self._order, [mine]).pages(start)
        lines = self.lines.read(self._line_order, [theirs]).pages(start)
        return joined(parts(headers, _key, []), parts(lines, _key, totals))

    def divide(self, parts: int, least: int) -> Division | None:
        """By days and numbers; how many lines each part holds differs a little."""
        found = division(self.headers.read(self._order), parts, least)
        lines = self.lines.read(self._line_order).bounds(1, 1)[0] if found else 0
        return found._replace(total=lines) if found else None

    def _where(self, since: str, at: Portion) -> Sequence[str]:
        bounds = at.bound(self._order), at.bound(self._line_order)
        if not since:
            return bounds
        start = datetime.fromisoformat(since[:10]) - timedelta(days=self.lookback_days)
        tables = zip((self.headers, self.lines), bounds, strict=True)
        return [" and ".join(filter(None, (table.since("InvoiceDate", start), bound))) for table, bound in tables]

    def _documents_of(self, key: str) -> set[tuple[str, str]]:
        """`company|number|line` and `company|number` both name a document; a number may itself hold a bar."""
        company, rest = self.keys_.split(key)
        return {(company, number) for number in (rest, rest.rpartition("|")[0]) if number}

    def _is_asked(self, row: Row, asked: set[str]) -> bool:
        key = key_or_nothing(sale_key(self.keys_))(row)
        return key in asked or key.rpartition("|")[0] in asked


def rows(document: Document[Key]) -> list[Row]:
    """A row a line, each with its header; the missing half is null."""
    header = document.headers[0] if document.headers else b"null"
    found = [b'{"header":%b,"line":%b}' % (header, line) for line in document.lines]
    # A second header of the same number (another voucher) has no lines of its own.
    return found + [b'{"header":%b,"line":null}' % other for other in document.headers[1 if found else 0 :]]


_decode_key = msgspec.json.Decoder(Key).decode


def _key(row: bytes) -> Key:
    try:
        return _decode_key(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Key(*[(odata.key_values(row, (odata.Column(name),)) or [""])[0] for name in DOCUMENT])


def _today() -> str:
    """A date of the future (a typing error in one invoice) must not move the window past everything else."""
    return datetime.now(UTC).date().isoformat()
