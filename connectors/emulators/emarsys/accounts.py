"""Emarsys accounts: each with its own credentials, switches, fields, contacts, segments and sales (contract 13.1).

The collection `settings` holds one record per account; putting another record there opens another account.
What the contract leaves open is a switch in that record, with the contract's default.
"""

from collections.abc import Iterator
from typing import Any

from connectors.emulators.emarsys.contacts import Contacts
from connectors.emulators.emarsys.field_table import custom_fields, system_fields
from connectors.emulators.emarsys.fields import Fields
from connectors.emulators.emarsys.limits import Budget
from connectors.emulators.emarsys.lists import Lists
from connectors.emulators.emarsys.sales_store import Sales
from connectors.emulators.emarsys.segment_store import Segments
from connectors.emulators.store import Collection
from connectors.emulators.system import Host

DEFAULT = "demo"

SWITCHES: dict[str, int | str] = {
    "rate_limit": 1000,  # requests per minute; 0 = no limit (2.3)
    "token_seconds": 3600,  # lifetime of an access token (1.3)
    "content_type": "application/json; charset=utf-8",  # a recording of 2020 has text/html (2.1)
    "plain_429": 0,  # 1 = the gateway's plain-text form (2.3)
    "oversize_status": 413,  # answer to a body above 8 or 10 MB; not documented (2.3)
    "delete_unknown_status": 200,  # single delete of an unknown contact: 200, 400 or 404 (3.7)
    "segment_202": 1,  # answers "being evaluated" before a segment's count or contacts (5)
    "run_polls": 1,  # polls of a segment run that still say "waiting" (5)
    "strict_nonce": 0,  # 1 = a WSSE nonce is accepted once (1.2)
}

_IDENTITY = {
    "demo": {
        "customer_id": "218524530",
        "merchant_id": "19CAA097101B372A",
        "name": "Demo retailer",
        "first_field": 10569,
        "country": "United Kingdom",
        "timezone": "Europe/London",
    },
    "demo2": {
        "customer_id": "218524531",
        "merchant_id": "2A07C5D41E88F613",
        "name": "Second brand",
        "first_field": 20411,
        "country": "Germany",
        "timezone": "Europe/Berlin",
    },
}


def settings_of(name: str) -> dict[str, Any]:
    """A new account's record."""
    number = sum(name.encode()) * 7919
    return {
        "id": name,
        "customer_id": str(218_000_000 + number),
        "client_id": f"{name}-client",
        "client_secret": f"{name}-secret",
        "wsse_user": f"{name}001",
        "wsse_secret": f"{name}-wsse-secret",
        "merchant_id": f"{number:016X}",
        "sales_token": f"{name}-sales-token",
        "name": name,
        "country": "United Kingdom",
        "timezone": "Europe/London",
        "first_field": 10569,
        **_IDENTITY.get(name, {}),
        **SWITCHES,
    }


def _same_type(key: str, value: Any) -> int | str:
    return int(value) if isinstance(SWITCHES[key], int) else str(value)


class Account:
    """One account. `settings` is read anew at every use: the control API changes it."""

    def __init__(self, name: str, host: Host, settings: Collection) -> None:
        self.name = name
        self.now = host.now
        self._settings = settings
        self.suffix = "" if name == DEFAULT else f"@{name}"
        self._host = host
        fields = self.collection("fields")
        if not len(fields):
            every = system_fields() + custom_fields(int(self.settings["first_field"]))
            fields.put_many({record["id"]: record for record in every})
        self.fields = Fields(fields)
        self.contacts = Contacts(self.collection("contacts"), self.fields)
        self.lists = Lists(self.collection("contact_lists"))
        self.segments = Segments(self.collection("segments"), self.contacts, self.fields)
        uploads, texts, totals = (self.collection(f"sales_{name}") for name in ("uploads", "csv", "totals"))
        self.sales = Sales(uploads, texts, totals, host.store.lock)
        self.budget = Budget()

    def collection(self, name: str) -> Collection:
        return self._host.store.collection(name + self.suffix)

    @property
    def settings(self) -> dict[str, Any]:
        """This account's record, under the switches set for the whole server as `emarsys_<switch>`."""
        own, server = self._settings.get(self.name) or {}, self._host.settings
        if not server:
            return own
        return own | {key: _same_type(key, server[f"emarsys_{key}"]) for key in SWITCHES if f"emarsys_{key}" in server}

    def visible(self) -> dict[str, Collection]:
        """What the control API shows of this account."""
        shown = {
            "contacts": self.contacts.records,
            "fields": self.fields.records,
            "segments": self.segments.records,
            "contact_lists": self.lists.records,
            "sales": self.sales.rows,
            "sales_uploads": self.sales.uploads,
            "sales_totals": self.sales.totals,
            "planted": self.collection("planted"),
        }
        return {name + self.suffix: collection for name, collection in shown.items()}


class Accounts:
    """All accounts, opened from their settings; `demo` and `demo2` exist from the start."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.settings = host.store.collection("settings")
        self.settings.accept = self._accept
        self.settings.edited = lambda *_: self._open()
        self._by_name: dict[str, Account] = {}
        for name in _IDENTITY:
            if name not in self.settings:
                self.settings.put(name, settings_of(name))
        self._open()

    def _accept(self, name: str, record: dict[str, Any]) -> dict[str, Any]:
        if "@" in name or not name:
            raise ValueError("an account's name has no @")
        before = self.settings.get(name) or settings_of(name)
        merged = {**before, **record, "id": name}
        return {**merged, **{key: _same_type(key, merged[key]) for key in SWITCHES}}

    def _open(self) -> None:
        for name in list(self._by_name):
            if name not in self.settings:
                del self._by_name[name]
        for name in self.settings:
            if name not in self._by_name:
                self._by_name[name] = Account(name, self.host, self.settings)

    def __iter__(self) -> Iterator[Account]:
        return iter(list(self._by_name.values()))

    def named(self, name: str) -> Account | None:
        return self._by_name.get(name)

    def by(self, setting: str, value: str) -> Account | None:
        """The account whose setting (client_id, wsse_user, merchant_id, customer_id) has this value."""
        return next((one for one in self if str(one.settings.get(setting)) == value), None)
