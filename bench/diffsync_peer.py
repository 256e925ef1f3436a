"""The customers' sync as `diffsync` does it: both sides are loaded as objects, compared, and the differences applied.

Creating and updating collects the payloads; `sync_complete` sends them in thousands, as its documentation advises
for bulk APIs. It remembers nothing: the target is read each time, so there is no database.
"""

import logging
from typing import Any, ClassVar

import msgspec
import structlog
from diffsync import Adapter, Diff, DiffSyncModel

from bench.customers import Account
from bench.peers import BATCH, PAGE, Page, Systems, contact

QUERY_PAGE = 10_000
# As it stands every object is logged for debugging; dropped here in the way that costs least.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


class Customer(DiffSyncModel):
    _modelname: ClassVar = "customer"
    _identifiers: ClassVar = ("account",)
    _attributes: ClassVar = (
        *("email", "first_name", "last_name", "organisation", "phone", "street", "city", "postcode", "country"),
        *("born", "language", "tier"),
    )

    account: str
    email: str
    first_name: str
    last_name: str
    organisation: str
    phone: str
    street: str
    city: str
    postcode: str
    country: str
    born: str
    language: str
    tier: str

    @classmethod
    def create(cls, adapter: Any, ids: dict[str, str], attrs: dict[str, str]) -> Any:
        adapter.waiting.append({**ids, **attrs})
        return super().create(adapter, ids, attrs)

    def update(self, attrs: dict[str, str]) -> Any:
        self.adapter.waiting.append({**self.get_identifiers(), **self.get_attrs(), **attrs})
        return super().update(attrs)


NAMES = ("account", *Customer._attributes)


class Side(Adapter):
    customer = Customer
    top_level: ClassVar = ["customer"]

    def __init__(self, systems: Systems, account: Account) -> None:
        super().__init__()
        self.systems, self.account = systems, account


class Erp(Side):
    def load(self) -> None:
        decode, after = msgspec.json.Decoder(Page).decode, None
        while True:
            rows = decode(self.systems.page(after).content).value
            for row in rows:
                self.add(Customer(**dict(zip(NAMES, contact(row, self.account).values(), strict=True))))
            if len(rows) < PAGE:
                return
            after = (rows[-1].dataAreaId, rows[-1].CustomerAccount)


class Emarsys(Side):
    def __init__(self, systems: Systems, account: Account) -> None:
        super().__init__(systems, account)
        self.waiting: list[dict[str, str]] = []
        fields = (account.key, "3", "1", "2", "18", "15", "10", "11", "13", "14", "4", "35", account.tier)
        self.ids = dict(zip(NAMES, fields, strict=True))

    def load(self) -> None:
        offset = 0
        while True:
            numbers = self.systems.contact_ids(self.account.key, QUERY_PAGE, offset)
            for start in range(0, len(numbers), BATCH):
                for one in self.systems.contacts(numbers[start : start + BATCH], list(self.ids.values())):
                    self.add(Customer(**{name: one.get(field) or "" for name, field in self.ids.items()}))
            offset += len(numbers)
            if len(numbers) < QUERY_PAGE:
                return

    def sync_complete(self, source: Any, diff: Diff, *others: Any, **options: Any) -> None:
        for start in range(0, len(self.waiting), BATCH):
            contacts = [
                {self.ids[name]: value for name, value in one.items()} for one in self.waiting[start : start + BATCH]
            ]
            self.systems.write(self.account.key, contacts, msgspec.json.encode)


def sync(systems: Systems, account: Account) -> int:
    """The number of rows read."""
    erp, target = Erp(systems, account), Emarsys(systems, account)
    erp.load()
    target.load()
    target.sync_from(erp)
    return int(erp.count())
