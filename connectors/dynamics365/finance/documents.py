"""Documents: headers and lines that share a legal entity and a number."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from connectors.base import Page, Row
from connectors.dynamics365 import odata
from connectors.dynamics365.ahead import ahead
from connectors.dynamics365.finance.joining import Document, joined, parts
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.reading import key_or_nothing
from connectors.dynamics365.finance.tenant import COMPANY, KEYS_A_REQUEST, Table

SPARSE = 50
"""Lines a document in a range of numbers, above which asking for the documents one by one is cheaper."""


class Key(NamedTuple):
    company: str
    number: str

    @property
    def stretch(self) -> tuple[str, ...]:
        return (self.company,)


Found = Document[Key]


@dataclass(frozen=True)
class Documents:
    """`number` is the column both sides share, `within` what orders the lines of a document; `lines` may be None
    where a tenant does not offer them."""

    headers: Table
    lines: Table | None
    number: str
    within: Sequence[str] = ()
    bare: Sequence[str] = ()

    @property
    def order(self) -> tuple[odata.Column, ...]:
        return self.headers.order(COMPANY, self.number)

    def start(self, key: Key) -> list[str]:
        """Where a read goes on after this document."""
        return [key.company, key.number][-len(self.order) :]

    def all(self, start: Sequence[str] = (), totals: list[int | None] | None = None) -> Iterator[Found]:
        """Every document, as a merge join of two ordered reads."""
        headers = parts(self.headers.read(self.order).pages(start), self._key, [] if totals is None else totals)
        lines = parts(self._lines().pages(start), self._key, []) if self.lines else iter(())
        return joined(headers, lines)

    def where(self, condition: str, start: Sequence[str] = (), totals: list[int | None] | None = None) -> Iterator[
        Found
    ]:  # fmt: skip
        """The documents whose header fits; their lines are asked for a page of headers at a time."""
        for page in ahead(self.headers.read(self.order, [condition]).pages(start)):
            if totals is not None:
                totals.append(page.count)
            yield from self._with_lines(page.rows)

    def of(self, keys: Sequence[tuple[str, str]]) -> Iterator[Found]:
        """At least the documents of these companies (in any case) and numbers, as far as they exist."""
        for start in range(0, len(keys), KEYS_A_REQUEST):
            condition = self.headers.one_of(self.number, keys[start : start + KEYS_A_REQUEST])
            rows = [row for page in self.headers.read(self.order, [condition]).pages() for row in page.rows]
            yield from self._with_lines(rows)

    def key_rows(self) -> Iterator[Sequence[bytes]]:
        """Every header's key columns, page by page."""
        for page in ahead(self.headers.read(self.order, select=[column.name for column in self.order]).pages()):
            yield page.rows

    def _with_lines(self, headers: Sequence[bytes]) -> Iterator[Found]:
        keys = [self._key(row) for row in headers]
        found: dict[Key, list[bytes]] = {key: [] for key in keys}
        for row in self._lines_of(keys) if self.lines else ():
            if (key := self._key(row)) in found:
                found[key].append(row)
        for key, header in zip(keys, headers, strict=True):
            yield Document(key, [header], found[key], True)

    def _lines_of(self, keys: Sequence[Key]) -> Iterator[bytes]:
        for _, group in groupby(keys, lambda key: key.company):
            named = [key for key in group if key.number]
            rows = self._range(named) if len(named) > KEYS_A_REQUEST else None
            yield from self._by_number(named) if rows is None else rows

    def _range(self, keys: Sequence[Key]) -> Iterator[bytes] | None:
        """The lines from the first number to the last: numbers are given in the order of creation, mostly, so
        that a window of time is a range of numbers. None where it holds far more than was asked for."""
        assert self.lines is not None
        column = self.lines.column(self.number)
        bounds = [self.lines.is_company(keys[0].company), f"{column.asked} ge {column.literal(keys[0].number)}",
                  f"{column.asked} le {column.literal(keys[-1].number)}"]  # fmt: skip
        pages = self._lines(bounds).pages()
        first = next(pages)
        if first.count is not None and first.count > SPARSE * len(keys):
            return None
        return (row for page in _and_then(first, pages) for row in page.rows)

    def _by_number(self, keys: Sequence[Key]) -> Iterator[bytes]:
        assert self.lines is not None
        for start in range(0, len(keys), KEYS_A_REQUEST):
            condition = self.lines.one_of(self.number, keys[start : start + KEYS_A_REQUEST])
            for page in self._lines([condition]).pages():
                yield from page.rows

    def _lines(self, where: Sequence[str] = ()) -> odata.KeysetRead:
        assert self.lines is not None
        order = self.lines.order(COMPANY, self.number, *self.within, bare=self.bare)
        return self.lines.read(order, where)

    def _key(self, row: bytes) -> Key:
        values = odata.key_values(row, (odata.Column(COMPANY), odata.Column(self.number)))
        if values is None:  # one of them is missing, or the tenant has no companies
            values = [(odata.key_values(row, (odata.Column(name),)) or [""])[0] for name in (COMPANY, self.number)]
        return Key(values[0].lower(), values[1])


def _and_then(first: odata.ODataPage, rest: Iterator[odata.ODataPage]) -> Iterator[odata.ODataPage]:
    yield first
    yield from rest


def one_row(document: Found) -> list[Row]:
    """The document as one row; lines without a header are one, too, for whoever maps it to complain of."""
    lines = b",".join(document.lines)
    return [b'{"header":%b,"lines":[%b]}' % (header, lines) for header in document.headers or [b"null"]]


@dataclass(frozen=True)
class DocumentScan:
    """A stream of whole documents, all of them at each read. `shape` makes rows of one (none: it is left out)."""

    documents: Documents
    keys_: Keys
    key: Callable[[bytes], str]
    shape: Callable[[Found], list[Row]] = field(default=one_row)

    def read(self, since: str, resume: str) -> Iterator[Page]:
        rows: list[Row] = []
        totals: list[int | None] = []
        for document in self.documents.all(json.loads(resume) if resume else (), totals):
            rows += self.shape(document)
            if document.whole and len(rows) >= self.documents.headers.size:
                yield Page(rows, resume := json.dumps(self.documents.start(document.key)), total=totals[0])
                rows = []
        yield Page(rows, resume, watermark="", total=totals[0] if totals else None)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        key, asked = key_or_nothing(self.key), set(keys)
        named = sorted({self.keys_.split(one) for one in keys})
        for start in range(0, len(named), KEYS_A_REQUEST):
            found = self.documents.of(named[start : start + KEYS_A_REQUEST])
            yield Page([row for document in found for row in self.shape(document) if key(row) in asked])

    def keys(self) -> Iterator[Sequence[str]]:
        key = key_or_nothing(self.key)
        for page in self.documents.key_rows():
            yield [found for row in page if (found := key(b'{"header":%b,"lines":[]}' % row))]
