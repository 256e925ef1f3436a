"""The stream `order_status`: the orders of the last months, read in the order of who ordered them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from connectors.base import Page, Row
from connectors.dynamics365 import odata
from connectors.dynamics365.finance.joining import Document, joined, parts
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.order_status import OPTIONAL, REQUIRED, order_status_key
from connectors.dynamics365.finance.reading import as_text, key_or_nothing
from connectors.dynamics365.finance.tenant import COMPANY, KEYS_A_REQUEST, Table
from connectors.dynamics365.finance.windows import Window

ACCOUNT, NUMBER = "OrderingCustomerAccountNumber", "SalesOrderNumber"


class Key(NamedTuple):
    company: str
    account: str

    @property
    def stretch(self) -> tuple[str, ...]:
        return (self.company,)


@dataclass(frozen=True)
class OrderStatuses:
    """`days` is how far back orders count; open ones count whatever their age. A customer whose orders were all
    deleted is known from the voided ones, and has none."""

    headers: Table
    voided: Table | None
    window: Window
    days: int
    keys_: Keys

    def read(self, since: str, resume: str) -> Iterator[Page]:
        start = json.loads(resume) if resume else []
        rows: list[Row] = []
        for customer in self._customers([self._recent()], [], start):
            rows += _row(customer)
            if customer.whole and len(rows) >= self.headers.size:
                start = [customer.key.company, customer.key.account][-len(self._order(self.headers)) + 1 :]
                yield Page(rows, resume := json.dumps(start))
                rows = []
        yield Page(rows, resume, watermark="")

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        key, asked = key_or_nothing(order_status_key(self.keys_)), set(keys)
        named = sorted({self.keys_.split(one) for one in keys})
        for start in range(0, len(named), KEYS_A_REQUEST):
            part = named[start : start + KEYS_A_REQUEST]
            where = [self.headers.one_of(ACCOUNT, part), self._recent()]
            voided = [self.voided.one_of(ACCOUNT, part)] if self.voided else []
            found = (row for customer in self._customers(where, voided) for row in _row(customer))
            yield Page([row for row in found if key(row) in asked])

    def keys(self) -> Iterator[Sequence[str]]:
        key = key_or_nothing(order_status_key(self.keys_))
        for page in self.read("", ""):
            yield [found for row in page.rows if (found := key(row))]

    def _recent(self) -> str:
        start = datetime.now(UTC) - timedelta(days=self.days - self.window.lookback_days)
        return self.window.condition(as_text(start))

    def _customers(
        self, where: Sequence[str], voided: Sequence[str], start: Sequence[str] = ()
    ) -> Iterator[Document[Key]]:
        few = [name for name in (*REQUIRED, *OPTIONAL) if self.headers.has(name)]
        headers = self.headers.read(self._order(self.headers), where, few).pages(start)
        deleted = self.voided.read(self._order(self.voided), voided).pages(start) if self.voided else iter(())
        return joined(parts(headers, _key, []), parts(deleted, _key, []))

    @staticmethod
    def _order(table: Table) -> tuple[odata.Column, ...]:
        return table.order(COMPANY, ACCOUNT, NUMBER)


def _key(row: bytes) -> Key:
    values = [(odata.key_values(row, (odata.Column(name),)) or [""])[0] for name in (COMPANY, ACCOUNT)]
    return Key(values[0].lower(), values[1])


def _row(customer: Document[Key]) -> list[Row]:
    name = msgspec.json.encode(customer.key.company), msgspec.json.encode(customer.key.account)
    return [b'{"company":%b,"account":%b,"orders":[%b]}' % (*name, b",".join(customer.headers))]
