"""Invoices with their lines: a merge join of two ordered reads, in constant memory."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import msgspec

from connectors.base import Page, Row
from connectors.dynamics365 import odata
from connectors.dynamics365.ahead import ahead
from connectors.dynamics365.finance import mapping
from connectors.errors import RecordError
from connectors.http import Http

DOCUMENT = (odata.Column("dataAreaId"), odata.Column("InvoiceDate", bare=True), odata.Column("InvoiceNumber"))
LINES = (*DOCUMENT, odata.Column("LineCreationSequenceNumber", bare=True))
DOCUMENTS_A_REQUEST = 25


class Key(msgspec.Struct, frozen=True):
    """A document's key as headers and lines carry it; a missing value is an empty one."""

    dataAreaId: str = ""
    InvoiceDate: str = ""
    InvoiceNumber: str = ""

    @property
    def day(self) -> tuple[str, str]:
        """What both reads are surely ordered by, whatever order the server gives to invoice numbers."""
        return self.dataAreaId.lower(), self.InvoiceDate[:10]


class Part(NamedTuple):
    """A header, or all lines of one document."""

    key: Key
    raw: list[bytes]


Waiting = tuple[dict[Key, Part], dict[Key, Part]]
"""Headers and lines whose match has not come."""


class Document(NamedTuple):
    key: Key
    rows: list[Row]
    whole: bool
    """Everything before and with this document has been given out: a page may end here."""


@dataclass(frozen=True)
class Invoices:
    """The stream `sale`. `columns` are the columns asked for of headers and lines."""

    http: Http
    size: int
    sets: tuple[str, str]
    columns: tuple[Sequence[str], Sequence[str]]
    company_filter: str
    lookback_days: int

    def read(self, since: str, resume: str) -> Iterator[Page]:
        """All invoice lines since the watermark (a day), some days' overlap included, after `resume`."""
        *start, latest = json.loads(resume) if resume else ["", "", "", since]
        window = [f"InvoiceDate ge {self._from(since)}T00:00:00Z"] if since else []
        totals: list[int | None] = []
        rows: list[Row] = []
        for document in self._documents(window, totals, start if resume else ()):
            rows += document.rows
            latest = max(latest, document.key.InvoiceDate[:10])
            if document.whole and len(rows) >= self.size:
                key = document.key
                token = [key.dataAreaId, key.InvoiceDate, key.InvoiceNumber, latest]
                yield Page(rows, resume := json.dumps(token), total=totals[0])
                rows = []
        yield Page(rows, resume, watermark=min(latest, _today()), total=totals[0] if totals else None)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        """The lines with these keys, and all lines of the documents with these keys."""
        asked = set(keys)
        documents = sorted({document for key in keys for document in _documents_of(key)})
        for start in range(0, len(documents), DOCUMENTS_A_REQUEST):
            where = " or ".join(
                f"({odata.company(company)} and InvoiceNumber eq {odata.text(number)})"
                for company, number in documents[start : start + DOCUMENTS_A_REQUEST]
            )
            found = [row for document in self._documents([f"({where})"], []) for row in document.rows]
            yield Page([row for row in found if _is_asked(row, asked)])

    def keys(self) -> Iterator[Sequence[str]]:
        read = odata.KeysetRead(self.http, self.sets[1], LINES, self.size, [column.name for column in LINES],
                                self._where([]))  # fmt: skip
        for page in ahead(read.pages()):
            yield [key for row in page.rows if (key := _sale_key(b'{"line":%b}' % row))]

    def _documents(
        self, where: Sequence[str], totals: list[int | None], start: Sequence[str] = ()
    ) -> Iterator[Document]:
        where = self._where(where)
        headers = odata.KeysetRead(self.http, self.sets[0], DOCUMENT, self.size, self.columns[0], where)
        lines = odata.KeysetRead(self.http, self.sets[1], LINES, self.size, self.columns[1], where)
        return joined(_parts(headers.pages(start), []), _parts(lines.pages(start), totals))

    def _where(self, window: Sequence[str]) -> list[str]:
        return [*([self.company_filter] if self.company_filter else []), *window]

    def _from(self, since: str) -> date:
        return date.fromisoformat(since[:10]) - timedelta(days=self.lookback_days)


def _parts(pages: Iterator[odata.ODataPage], totals: list[int | None]) -> Iterator[Part]:
    def rows() -> Iterator[tuple[Key, bytes]]:
        for page in ahead(pages):
            totals.append(page.count)
            for row in page.rows:
                yield _key(row), row

    for key, group in groupby(rows(), lambda pair: pair[0]):
        yield Part(key, [row for _, row in group])


def joined(headers: Iterable[Part], lines: Iterable[Part]) -> Iterator[Document]:
    """Each header with its lines; headers without lines and lines without a header on their own.

    Both come in one order that the server chose (its collation, not ours), so keys are compared for equality
    alone: parts wait until their match comes, and what waited before a match has none.
    """
    sides = (iter(headers), iter(lines))
    heads = [next(side, None) for side in sides]
    waiting: Waiting = ({}, {})
    day: tuple[str, str] | None = None
    while any(heads):
        today = min(part.key.day for part in heads if part)
        if today != day:
            yield from _alone(waiting)
            day = today
        for mine in (0, 1):
            part = heads[mine]
            if part is None or part.key.day != today:
                continue
            heads[mine] = next(sides[mine], None)
            match = waiting[1 - mine].get(part.key)
            if match is None:
                waiting[mine][part.key] = part
                continue
            yield from _alone(waiting, until=part.key, of=1 - mine)
            header, body = (part, match) if mine == 0 else (match, part)
            yield Document(part.key, _rows(header.raw, body.raw), not any(waiting))
    yield from _alone(waiting)


def _alone(
    waiting: tuple[dict[Key, Part], dict[Key, Part]], until: Key | None = None, of: int = 0
) -> Iterator[Document]:
    """Gives out what waited in vain: everything, or on side `of` only what came before the key `until`."""
    for side in (0, 1):
        for key in list(waiting[side]):
            part = waiting[side].pop(key)
            if key == until and side == of:
                break
            rows = _rows(part.raw, []) if side == 0 else _rows([], part.raw)
            yield Document(key, rows, until is None and not any(waiting))


def _rows(headers: Sequence[bytes], lines: Sequence[bytes]) -> list[Row]:
    header = headers[0] if headers else b"null"
    rows = [b'{"header":%b,"line":%b}' % (header, line) for line in lines]
    # A second header of the same number (another voucher) has no lines of its own.
    return rows + [b'{"header":%b,"line":null}' % other for other in headers[1 if lines else 0 :]]


_decode_key = msgspec.json.Decoder(Key).decode


def _key(row: bytes) -> Key:
    try:
        return _decode_key(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Key(*[(odata.key_values(row, (column,)) or [""])[0] for column in DOCUMENT])


def _documents_of(key: str) -> set[tuple[str, str]]:
    """`company|number|line` and `company|number` both name a document; a number may itself hold a bar."""
    company, _, rest = key.partition("|")
    return {(company, number) for number in (rest, rest.rpartition("|")[0]) if number}


def _is_asked(row: Row, asked: set[str]) -> bool:
    key = _sale_key(row)
    return key in asked or key.rpartition("|")[0] in asked


def _sale_key(row: Row) -> str:
    """The row's key; empty when it has none, which whoever maps the row will say."""
    try:
        return mapping.sale_key(row)
    except RecordError:
        return ""


def _today() -> str:
    """A date of the future (a typing error in one invoice) must not move the window past everything else."""
    return datetime.now(UTC).date().isoformat()
