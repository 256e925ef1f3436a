"""The stream `sale` of a tenant that counts free-text invoices, too: they follow the sales invoices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.base import Page, Row
from connectors.dynamics365.finance.documents import Documents, Found
from connectors.dynamics365.finance.mapping.free_text import as_invoice, invoice_date
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.sales import sale_key
from connectors.dynamics365.finance.reading import Reader, key_or_nothing
from connectors.dynamics365.finance.tenant import KEYS_A_REQUEST
from connectors.errors import RecordError


class _Reached(msgspec.Struct):
    """Sales invoices are all read up to `latest`, free-text ones up to the document `start`."""

    latest: str
    start: list[str] = []


@dataclass(frozen=True)
class WithFreeText:
    """`item` is what their lines are sold as: they name no article."""

    invoices: Reader
    documents: Documents
    item: str
    keys_: Keys
    lookback_days: int

    def read(self, since: str, resume: str) -> Iterator[Page]:
        reached = msgspec.json.decode(resume, type=_Reached) if resume[:1] == "{" else None
        if reached is None:
            for page in self.invoices.read(since, resume):
                if page.watermark is not None:
                    reached = _Reached(page.watermark)
                    page = replace(page, resume=_token(reached), watermark=None)
                yield page
        assert reached is not None
        yield from self._free(since, reached)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        yield from self.invoices.fetch(keys)
        key, asked = key_or_nothing(sale_key(self.keys_)), set(keys)
        named = sorted({(company, number) for company, rest in map(self.keys_.split, keys)
                        for number in (rest, rest.rpartition("|")[0]) if number})  # fmt: skip
        for start in range(0, len(named), KEYS_A_REQUEST):
            where = self.documents.headers.one_of("InvoiceId", named[start : start + KEYS_A_REQUEST])
            rows = [row for document in self.documents.where(where) for row in self._rows(document)]
            yield Page([row for row in rows if key(row) in asked or key(row).rpartition("|")[0] in asked])

    def keys(self) -> Iterator[Sequence[str]]:
        yield from self.invoices.keys()
        key = key_or_nothing(sale_key(self.keys_))
        for document in self.documents.all():
            yield [found for row in self._rows(document) if (found := key(row))]

    def _free(self, since: str, reached: _Reached) -> Iterator[Page]:
        rows: list[Row] = []
        today = datetime.now(UTC).date().isoformat()
        for document in self.documents.where(self._from(since), reached.start):
            found = self._rows(document)
            if found:  # a draft has no day of its own yet
                days = [min(invoice_date(header), today) for header in document.headers]
                reached.latest = max([reached.latest, *days])
            rows += found
            if len(rows) >= self.documents.headers.size:
                reached.start = self.documents.start(document.key)
                yield Page(rows, _token(reached))
                rows = []
        yield Page(rows, _token(reached), watermark=reached.latest)

    def _from(self, since: str) -> str:
        if not since:
            return ""
        start = datetime.fromisoformat(since[:10]) - timedelta(days=self.lookback_days)
        return self.documents.headers.since("InvoiceDate", start)

    def _rows(self, document: Found) -> list[Row]:
        try:
            return [row for header in document.headers for row in as_invoice(header, document.lines, self.item)]
        except RecordError:  # whoever maps the document as it is says what is wrong
            return [b'{"header":%b,"line":null}' % header for header in document.headers]


def _token(reached: _Reached) -> str:
    return msgspec.json.encode(reached).decode()
