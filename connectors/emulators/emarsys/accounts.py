"""Emarsys accounts: each with its own credentials, switches, fields, contacts, segments and sales (contract 13.1).

The collection `settings` holds one record per account; putting another record there opens another account.
What the contract leaves open is a switch in that record, with the contract's default.
"""

from collections.abc import Callable, Iterator
from typing import Any

from connectors.emulators.emarsys import event_configuration, relational_table
from connectors.emulators.emarsys.buyers import Buyers
from connectors.emulators.emarsys.catalogue import Catalogue
from connectors.emulators.emarsys.changes import IMPORT, Changes, Written
from connectors.emulators.emarsys.contacts import Contact, Contacts
from connectors.emulators.emarsys.events import Events
from connectors.emulators.emarsys.exports import Exports, Lines, shown
from connectors.emulators.emarsys.field_table import custom_fields, system_fields
from connectors.emulators.emarsys.fields import Fields
from connectors.emulators.emarsys.limits import Budget
from connectors.emulators.emarsys.lists import Lists
from connectors.emulators.emarsys.mail import Mail
from connectors.emulators.emarsys.outgoing import Callbacks
from connectors.emulators.emarsys.sales_store import Sales
from connectors.emulators.emarsys.segment_store import Segments
from connectors.emulators.emarsys.switches import SWITCHES, same_type
from connectors.emulators.emarsys.unseen import Shown, Unseen
from connectors.emulators.store import Collection, Record
from connectors.emulators.system import Host

DEFAULT = "demo"

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


_CATALOGUE = ("products", "catalogue_versions", "catalogue_changes")
_MAIL = ("campaigns", "launches", "mail_events", "outbox")
_VISIBLE = (
    "contacts", "fields", "segments", "contact_lists", "contact_changes", "sources", "sales_uploads", "sales_totals",
    "generated_contacts", "events", "triggers", *_MAIL, *_CATALOGUE, "exports", "export_files", "callbacks",
    "rds_tables", "event_configurations", "engagement_events", "planted",
)  # fmt: skip


class Account:
    """One account. `settings` is read anew at every use: the control API changes it."""

    def __init__(self, name: str, host: Host, settings: Collection) -> None:
        self.name = name
        self.now = host.now
        self._settings = settings
        self.suffix = "" if name == DEFAULT else f"@{name}"
        self._host = host
        self.budgets: dict[str, Budget] = {}
        self._opened: dict[str, Collection] = {}
        fields = self.collection("fields")
        if not len(fields):
            every = system_fields() + custom_fields(int(self.settings["first_field"]))
            fields.put_many({record["id"]: record for record in every})
        self.fields = Fields(fields)
        self.contacts = Contacts(self.collection("contacts"), self.fields)
        self.contacts.heard = self._edited
        self.unseen = Unseen(self.contacts)
        self.changes = Changes(self.collection("contact_changes"))
        self.lists = Lists(self.collection("contact_lists"))
        self.segments = Segments(self.collection("segments"), self.contacts, self.fields, self.lists)
        self._open_sales()
        self._open_mail()
        self.catalogue = Catalogue(*(self.collection(name) for name in _CATALOGUE))
        self.tables = self.collection("rds_tables")
        self.tables.accept = relational_table.accept
        self.event_configurations = self.collection("event_configurations")
        self.event_configurations.accept = event_configuration.accept
        self.engagement_events = self.collection("engagement_events")
        self.wake: Callable[[], None] = lambda: None

    def _open_sales(self) -> None:
        names = ("sales_uploads", "sales_csv", "sales_totals", "generated_contacts")
        uploads, texts, totals, generated = (self.collection(name) for name in names)
        self.sales = Sales(uploads, texts, totals, self._host.store.lock)
        self.sales.buyers = Buyers(generated, self.contacts, self.fields)

    def _open_mail(self) -> None:
        self.mail = Mail(*(self.collection(name) for name in _MAIL))
        self.events = Events(self.collection("events"), self.collection("triggers"))
        self.exports = Exports(self.collection("exports"), self.collection("export_files"))
        self.callbacks = Callbacks(self.collection("callbacks"))

    def collection(self, name: str) -> Collection:
        collection = self._opened[name] = self._host.store.collection(name + self.suffix)
        return collection

    @property
    def settings(self) -> dict[str, Any]:
        """This account's record, under the switches set for the whole server as `emarsys_<switch>`."""
        own, server = {**SWITCHES, **(self._settings.get(self.name) or {})}, self._host.settings
        if not server:
            return own
        return own | {key: same_type(key, server[f"emarsys_{key}"]) for key in SWITCHES if f"emarsys_{key}" in server}

    @property
    def outgoing_hosts(self) -> list[str]:
        return [one.strip() for one in str(self.settings["outgoing_hosts"]).split(",") if one.strip()]

    def visible(self) -> dict[str, Collection]:
        """What the control API shows of this account."""
        shown = {**{name: self.collection(name) for name in _VISIBLE}, "sales": self.sales.rows}
        return {name + self.suffix: collection for name, collection in shown.items()}

    @property
    def shown(self) -> Contacts | Shown:
        """The contacts as who reads now sees them."""
        return self.unseen.now(self.now())

    def clear(self) -> None:
        """Everything the account holds goes; it is opened anew afterwards."""
        for collection in self._opened.values():
            collection.clear()

    def call_back(self, kind: str, url: str, payload: Any) -> None:
        """Posts JSON as soon as the request is over."""
        self.callbacks.add(kind, url, payload, self.now(), self.outgoing_hosts)
        self.wake()

    def settle_exports(self, write: "Callable[[Account, Record], Lines]") -> None:
        """What should have ended by now has ended, and who asked to be told is called back."""
        for export in self.exports.settle(self.now(), lambda record: write(self, record)):
            if url := export["request"].get("notification_url"):
                self.call_back("export", str(url), shown(export))

    def _edited(self, contact_id: str, before: Contact | None, after: Contact | None) -> None:
        """A change behind the API's back is an import: `getchanges` does not tell of it (contract 3.11)."""
        self.unseen.shows(contact_id)
        if after is None:
            self.lists.forget([contact_id])
        else:
            written = Written()
            written.add(contact_id, before, after, "0")
            written.note(self.changes, self.now(), IMPORT)


class Accounts:
    """All accounts, opened from their settings; `demo` and `demo2` exist from the start."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.settings = host.store.collection("settings")
        self.settings.accept = self._accept
        self.settings.edited = lambda *_: self._changed()
        self.opened: Callable[[Account], None] = lambda account: None
        self._by_name: dict[str, Account] = {}
        for name in _IDENTITY:
            if name not in self.settings:
                self.settings.put(name, settings_of(name))
        self._open()

    def _accept(self, name: str, record: dict[str, Any]) -> dict[str, Any]:
        if "@" in name or not name:
            raise ValueError("an account's name has no @")
        before = {**SWITCHES, **(self.settings.get(name) or settings_of(name))}
        merged = {**before, **record, "id": name}
        return {**merged, **{key: same_type(key, merged[key]) for key in SWITCHES}}

    def _changed(self) -> None:
        """Accounts come and go, and an address that something is sent to may be a new one."""
        self._open()
        for account in self:
            account.wake()

    def _open(self) -> None:
        for name in list(self._by_name):
            if name not in self.settings:
                self._by_name.pop(name).clear()
        for name in self.settings:
            if name not in self._by_name:
                self._by_name[name] = Account(name, self.host, self.settings)
                self.opened(self._by_name[name])

    def __iter__(self) -> Iterator[Account]:
        return iter(list(self._by_name.values()))

    def named(self, name: str) -> Account | None:
        return self._by_name.get(name)

    def by(self, setting: str, value: str) -> Account | None:
        """The account whose setting (merchant_id, customer_id) has this value."""
        return next((one for one in self if str(one.settings.get(setting)) == value), None)
