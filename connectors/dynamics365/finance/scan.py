"""One set read whole, or from the moment its rows were changed, in the order of its key."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.base import Division, Page
from connectors.dynamics365 import odata
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.portion import division, portion
from connectors.dynamics365.finance.reading import as_text, key_or_nothing, moment
from connectors.dynamics365.finance.tenant import COMPANY, KEYS_A_REQUEST, Table


@dataclass(frozen=True)
class Scan:
    """`order` are the key's columns, `identity` the one that keys are asked for by, `parts` how many parts of a
    key follow it. `changed` is the column with the moment of the last change, empty where there is none."""

    table: Table
    order: Sequence[odata.Column]
    identity: str
    keys_: Keys
    key: Callable[[bytes], str]
    parts: int = 0
    changed: str = ""
    overlap_minutes: int = 0

    def read(self, since: str, resume: str) -> Iterator[Page]:
        order, at = self._in_order(), portion(resume, since)
        for page in self.table.read(order, [self._from(since), at.bound(order)]).pages(at.start):
            latest = max([at.latest, *self._changes(page.rows)]) if self.changed else ""
            at = at.to(_last(page.rows, order) or at.start, latest)
            yield Page(page.rows, at.token, watermark=None if page.more else latest, total=page.count)

    def divide(self, parts: int, least: int) -> Division | None:
        """Where rows tell when they changed, the newest change of all is the watermark: no part knows it."""
        return None if self.changed else division(self.table.read(self.order), parts, least)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        asked, key = set(keys), key_or_nothing(self.key)
        named = sorted({self._named(one) for one in keys})
        for start in range(0, len(named), KEYS_A_REQUEST):
            where = [self.table.one_of(self.identity, named[start : start + KEYS_A_REQUEST])]
            rows = [row for page in self.table.read(self.order, where).pages() for row in page.rows]
            yield Page([row for row in rows if key(row) in asked])

    def keys(self) -> Iterator[Sequence[str]]:
        key = key_or_nothing(self.key)
        for page in self.table.read(self.order, select=[column.name for column in self.order]).pages():
            yield [found for row in page.rows if (found := key(row))]

    def _named(self, key: str) -> tuple[str, str]:
        company, rest = self.keys_.split(key)
        return company, rest.rsplit("|", self.parts)[0] if self.parts else rest

    def _in_order(self) -> Sequence[odata.Column]:
        """By company, then by change, then by key: a total order in which new changes come late."""
        if not self.changed:
            return self.order
        companies = [column for column in self.order if column.name == COMPANY]
        others = [column for column in self.order if column.name != COMPANY]
        return (*companies, self.table.column(self.changed, bare=True), *others)

    def _from(self, since: str) -> str:
        start = moment(since) if self.changed and since else None
        return self.table.since(self.changed, start - timedelta(minutes=self.overlap_minutes)) if start else ""

    def _changes(self, rows: Sequence[bytes]) -> list[str]:
        """When these rows were changed, never in the future (one typing error would end the flow)."""
        column, now = odata.Column(self.changed), datetime.now(UTC)
        values = (odata.key_values(row, [column]) for row in rows)
        return [as_text(min(found, now)) for value in values if value and (found := moment(value[0]))]


def _last(rows: Sequence[bytes], order: Sequence[odata.Column]) -> list[str] | None:
    return next((key for row in reversed(rows) if (key := odata.key_values(row, order))), None)
