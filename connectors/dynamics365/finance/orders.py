"""The stream `order`: sales orders by window, then the voided ones, of which F&O keeps no date."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.base import Page, Row
from connectors.dynamics365.finance.documents import Documents, Found, one_row
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.orders import order_key
from connectors.dynamics365.finance.reading import key_or_nothing
from connectors.dynamics365.finance.tenant import KEYS_A_REQUEST
from connectors.dynamics365.finance.windows import Progress, Window


@dataclass(frozen=True)
class Orders:
    documents: Documents
    voided: Documents | None
    window: Window
    keys_: Keys

    def read(self, since: str, resume: str) -> Iterator[Page]:
        """Everything at the first read (a merge join), the window afterwards; then every voided order."""
        progress = Progress.of(resume, since)
        rows: list[Row] = []
        totals: list[int | None] = []
        for document, voided in self._documents(since, progress.second, progress.start, totals):
            rows += voided_row(document) if voided else one_row(document)
            for header in () if voided else document.headers:
                progress.see(header)
            if document.whole and len(rows) >= self.documents.headers.size:
                progress.second, progress.start = voided, self.documents.start(document.key)
                yield Page(rows, resume := progress.token(), total=totals[0] if totals else None)
                rows = []
        watermark = progress.watermark(since, self.window.open_days)
        yield Page(rows, resume, watermark=watermark, total=totals[0] if totals else None)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        """The orders with these keys; what is no longer one may be a voided one."""
        key = key_or_nothing(order_key(self.keys_))
        for start in range(0, len(keys), KEYS_A_REQUEST):
            asked = set(keys[start : start + KEYS_A_REQUEST])
            named = sorted({self.keys_.split(one) for one in asked})
            rows = [row for document in self.documents.of(named) for row in one_row(document) if key(row) in asked]
            gone = sorted({self.keys_.split(one) for one in asked - {key(row) for row in rows}})
            if gone and self.voided:
                found = (row for document in self.voided.of(gone) for row in voided_row(document))
                rows += [row for row in found if key(row) in asked]
            yield Page(rows)

    def keys(self) -> Iterator[Sequence[str]]:
        key = key_or_nothing(order_key(self.keys_))
        for documents in (self.documents, self.voided):
            for page in documents.key_rows() if documents else ():
                yield [found for row in page if (found := key(b'{"header":%b,"lines":[]}' % row))]

    def _documents(
        self, since: str, voided: bool, start: Sequence[str], totals: list[int | None]
    ) -> Iterator[tuple[Found, bool]]:
        if not voided:
            condition = self.window.condition(since)
            found = self.documents.where(condition, start, totals) if condition else self.documents.all(start, totals)
            yield from ((document, False) for document in found)
        if self.voided:
            yield from ((document, True) for document in self.voided.all(start if voided else ()))


def voided_row(document: Found) -> list[Row]:
    """A deleted order as one row. Lines that are left without a header belong to no order that could be told of."""
    lines = b",".join(document.lines)
    return [b'{"header":%b,"lines":[%b],"voided":true}' % (header, lines) for header in document.headers]
