"""The Emarsys account: what it accepts (inlets), what is read back from it (streams), its segments and lists."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from connectors.base import Answer, Change, Encoded, Inlet, Limits, Observed, Page, Segment, Settings, Stream
from connectors.emarsys import auth, replies
from connectors.emarsys.account import Account
from connectors.emarsys.consents import Consents, notification_url
from connectors.emarsys.contacts import Contacts
from connectors.emarsys.events import Events
from connectors.emarsys.exports import Exports
from connectors.emarsys.inlets import Inlets
from connectors.emarsys.insights import Insights
from connectors.emarsys.lists import ContactList, Filled, Lists
from connectors.emarsys.mapping import consent, contact, insight, order_status
from connectors.emarsys.sales import Sales
from connectors.emarsys.segments import Run, Segments, Size
from connectors.emarsys.setup import sales_form
from connectors.errors import ConfigurationError
from connectors.extra import ExtraField, TargetField
from connectors.http import Http
from connectors.records import Record
from connectors.reply import retry_after, sensible

STREAMS: Mapping[str, Stream] = {
    "consent": Stream("consent", Change.WINDOW, consent.key, consent.map_row),
    "attribution": Stream("attribution", Change.WINDOW, insight.attribution_key, insight.map_attribution),
    "purchase": Stream("purchase", Change.WINDOW, insight.purchase_key, insight.map_purchase),
}
FILES = {"attribution": "ATTRIBUTION_FILES", "purchase": "PURCHASE_FILES"}


class Emarsys:
    """A Source and a Sink. Opening it makes no call; the account's field ids are asked for once, at the first use."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings, self._limits = settings, limits
        way = auth.sign_in(settings)
        self._http = Http(
            settings.connection,
            way.base,
            limits,
            sign=way.sign,
            renew=way.renew,
            throttle_wait=_until_reset,
            observe=self._observe,
            settings=settings,
        )
        self._account = Account(self._http, settings)

    # ------------------------------------------------------------------------------------------- what it accepts

    @cached_property
    def inlets(self) -> Mapping[str, Inlet]:
        """Each is made when it is first asked for: a field that one lacks does not stop the others."""
        return Inlets(self._settings, self._account)

    def find(self, inlet: str, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        """Contacts by our key; customers also by e-mail. Sales, events and products are nowhere to be found."""
        return self._contacts_of(inlet).find(records) if inlet in self._views else {}

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        """`key` is not sent: Emarsys knows no idempotency keys (contract 2.4)."""
        if inlet == "product":
            raise ConfigurationError(
                f"{self._settings.connection}: the product feed is not sent; Emarsys pulls it from us.",
                system=self._settings.connection,
                remedy="Give Emarsys the address of the feed (Predict, Data Sources, Product Catalog).",
            )
        if inlet == "sale":
            return self._sales.send(batch)
        return self._events.send(batch) if inlet == "order_event" else self._contacts_of(inlet).send(batch)

    def look(self, inlet: str, keys: Sequence[str]) -> Mapping[str, Observed]:
        return self._contacts_of(inlet).look(keys)

    def scan(self, inlet: str) -> Iterator[Sequence[Observed]]:
        return self._contacts_of(inlet).scan()

    # ------------------------------------------------------------------------------------- a site's own fields

    extendable_inlets = ("customer",)

    def offered(self, inlet: str) -> Sequence[TargetField]:
        return self._account.offered()

    def choices(self, inlet: str, target: str) -> Sequence[str]:
        return self._account.labels(target)

    def take(self, inlet: str, extra: Sequence[ExtraField]) -> None:
        if inlet not in self.extendable_inlets:
            raise ConfigurationError(
                f"{self._settings.connection}: {inlet} takes no fields of the site's own.",
                system=self._settings.connection,
                remedy="Take them out of the flow's field mapping.",
            )
        self._account.extra = extra

    # ------------------------------------------------------------------------------------- what is read back

    @property
    def streams(self) -> Mapping[str, Stream]:
        return STREAMS

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        return self._source(stream).read(since, resume)

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        return self._source(stream).fetch(keys)

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        return self._source(stream).keys()

    def _source(self, stream: str) -> Consents | Insights:
        return self._consents if stream == "consent" else Insights(self._settings, stream, FILES[stream])

    # ----------------------------------------------------------------------------------------------- segments

    def segments(self) -> list[Segment]:
        return self._segments.all()

    def segment_count(self, segment: str) -> int:
        """How many contacts, opted in or not; waits while the segment is being evaluated."""
        return self._segments.count(segment)

    def segment_size(self, segment: str) -> Size:
        return self._segments.size(segment)

    def run_segment(self, segment: str, renew: bool = False) -> Run:
        """A run's counts and the contact list that it leaves; `list_members(run.contact_list)` pages through it."""
        return self._segments.run(segment, renew)

    def members(self, segment: str) -> Iterator[Sequence[str]]:
        return self._segments.members(segment)

    # ------------------------------------------------------------------------------------------ contact lists

    def lists(self) -> list[ContactList]:
        return self._lists.all()

    def create_list(self, name: str, keys: Sequence[str] = (), description: str = "") -> Filled:
        """`keys` are external ids (e-mails where contacts are keyed so), here and below."""
        return self._lists.create(name, keys, description)

    def add_to_list(self, number: str, keys: Sequence[str]) -> Filled:
        return self._lists.add(number, keys)

    def remove_from_list(self, number: str, keys: Sequence[str]) -> Filled:
        return self._lists.remove(number, keys)

    def replace_list(self, number: str, keys: Sequence[str]) -> Filled:
        return self._lists.replace(number, keys)

    def list_count(self, number: str) -> int:
        return self._lists.count(number)

    def list_members(self, number: str) -> Iterator[Sequence[str]]:
        """Internal ids of the list's contacts, page by page."""
        return self._lists.members(number)

    def rename_list(self, number: str, name: str) -> None:
        self._lists.rename(number, name)

    def delete_list(self, number: str) -> None:
        """The list; its contacts stay."""
        self._lists.delete(number)

    # ------------------------------------------------------------------------------------------------- parts

    def check(self) -> str:
        schema = self._account.schema
        name = self._account.details().get("name", "")
        named = f" as {name}" if name else ""
        if schema.by_email:
            return f"Answers{named}; contacts are keyed by e-mail."
        return f"Answers{named}; the key field {self._settings.text('KEY_FIELD')} is field {schema.key}."

    def events(self) -> Mapping[str, str]:
        """The account's external events: name → id."""
        return self._events.names()

    @cached_property
    def _views(self) -> Mapping[str, Callable[[], Contacts]]:
        return {"customer": self._profiles, "order_status": self._statuses, "consent": self._opt_ins}

    def _contacts_of(self, inlet: str) -> Contacts:
        if inlet not in self._made:
            self._made[inlet] = self._views[inlet]()
        return self._made[inlet]

    @cached_property
    def _made(self) -> dict[str, Contacts]:
        return {}

    @property
    def _scanners(self) -> int:
        return self._settings.number("SCAN_WORKERS")

    def _profiles(self) -> Contacts:
        schema = self._account.schema
        return Contacts(self._http, schema, contact.view(schema), self._scanners)

    def _statuses(self) -> Contacts:
        schema, fields = self._account.numbered, self._account.status_fields
        return Contacts(self._http, schema, order_status.view(schema, fields), self._scanners, creates=False)

    def _opt_ins(self) -> Contacts:
        schema = self._account.numbered
        return Contacts(self._http, schema, consent.view(schema), self._scanners, creates=False)

    @cached_property
    def _consents(self) -> Consents:
        exports = Exports(self._http, self._settings.number("EXPORT_WAIT"), self._settings.number("EXPORT_SLICE"))
        return Consents(self._http, self._account, exports, notification_url(self._settings))

    @cached_property
    def _events(self) -> Events:
        return Events(self._http, self._account.numbered.key)

    @cached_property
    def _segments(self) -> Segments:
        return Segments(self._http, self._settings.number("SEGMENT_WAIT"))

    @cached_property
    def _lists(self) -> Lists:
        return Lists(self._http, self._account.schema.key)

    @cached_property
    def _sales(self) -> Sales:
        for name in ("MERCHANT_ID", "SALES_TOKEN"):
            if not self._settings.secret(name):
                raise ConfigurationError(
                    f"{self._settings.connection}: {name} is not set, so no sales data can be sent.",
                    system=self._settings.connection,
                    remedy=f"Set {self._settings.connection.upper()}_{name} (Emarsys: Data Sources, Sales Data).",
                )
        url = self._settings.text("SALES_URL").replace("{merchant}", self._settings.text("MERCHANT_ID"))
        # A large first load is validated before it is answered.
        http = Http(
            f"{self._settings.connection} sales data",
            url,
            self._limits,
            sign=auth.sales_token(self._settings),
            throttle_wait=_until_reset,
            timeout=120.0,
            deadline=300.0,
            settings=self._settings,
        )
        return Sales(http, sales_form(self._settings).header)

    def _observe(self, headers: Mapping[str, str]) -> None:
        try:
            limit, left = int(headers["X-RateLimit-Limit"]), int(headers["X-RateLimit-Remaining"])
            ends = float(headers["X-RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        self._limits.observe(limit, left, ends - replies.server_ahead(headers))


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until the window ends: Retry-After if it says so, else the reset header, else a minute (contract 2.4)."""
    if (asked := retry_after(headers)) is not None:
        return asked
    try:
        reset = sensible(float(headers["X-RateLimit-Reset"]) - time.time() - replies.server_ahead(headers))
    except (KeyError, ValueError):
        reset = None
    return 60.0 if reset is None else reset
