"""The Emarsys account as a sink: contacts and sales data; its segments to look at."""

import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cached_property
from threading import Lock

from connectors.base import Answer, Effect, Encoded, Inlet, Limits, Observed, Segment, Settings
from connectors.emarsys import auth, mapping, replies, schema
from connectors.emarsys.contacts import Contacts
from connectors.emarsys.sales import Sales
from connectors.emarsys.segments import Segments, Size
from connectors.errors import ConfigurationError
from connectors.http import Http
from connectors.records import Customer, Record

MEGABYTE = 1_000_000
SALES_FILE = 50 * MEGABYTE
"""No size limit is documented for sales files; larger ones are split (contract 14, question 2)."""


class Emarsys:
    """A Sink. Opening it makes no call; the account's field ids are asked for once, at the first use."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings, self._limits = settings, limits
        bearer = auth.bearer(settings)
        self._http = Http(
            settings.connection,
            settings.text("URL"),
            limits,
            sign=bearer.sign,
            renew=bearer.renew,
            throttle_wait=_until_reset,
            observe=self._observe,
        )
        self._asking = Lock()

    @cached_property
    def inlets(self) -> Mapping[str, Inlet]:
        fields = self._schema
        return {
            "customer": Inlet(
                entity="customer",
                effect=Effect.UPSERT,
                batch=self._settings.number("CONTACT_BATCH"),
                max_bytes=8 * MEGABYTE,
                readable=True,
                encode=mapping.customer_encoder(fields),
                fields=fields.ids,
                identify=fields.external_id,
                expected=mapping.expected(fields),
            ),
            "sale": Inlet(
                entity="sale",
                effect=Effect.ONCE,
                batch=self._settings.number("SALES_BATCH"),
                max_bytes=SALES_FILE,
                readable=False,
                encode=mapping.sale_encoder(fields, self._form),
            ),
        }

    def find(self, inlet: str, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        return self._contacts.find([record for record in records if isinstance(record, Customer)])

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        """`key` is not sent: Emarsys knows no idempotency keys (contract 2.4)."""
        return self._sales.send(batch) if inlet == "sale" else self._contacts.send(batch)

    def look(self, inlet: str, keys: Sequence[str]) -> Mapping[str, Observed]:
        return self._contacts.look(keys)

    def scan(self, inlet: str) -> Iterator[Sequence[Observed]]:
        return self._contacts.scan()

    def segments(self) -> list[Segment]:
        return self._segments.all()

    def segment_size(self, segment: str) -> Size:
        return self._segments.size(segment)

    def members(self, segment: str) -> Iterator[Sequence[str]]:
        return self._segments.members(segment)

    def check(self) -> str:
        key = self._schema.key
        reply = replies.call(self._http, "GET", "settings", None)
        account = replies.envelope(reply).data if reply.status == 200 else {}
        name = account.get("name", "") if isinstance(account, dict) else ""
        named = f" as {name}" if name else ""
        return f"Answers{named}; the key field {self._settings.text('KEY_FIELD')} is field {key}."

    @property
    def _schema(self) -> mapping.Schema:
        with self._asking:
            return self._asked

    @cached_property
    def _asked(self) -> mapping.Schema:
        return schema.read(self._http, self._settings)

    @cached_property
    def _contacts(self) -> Contacts:
        return Contacts(self._http, self._schema, self._settings.number("SCAN_WORKERS"))

    @cached_property
    def _segments(self) -> Segments:
        return Segments(self._http, self._settings.number("SEGMENT_WAIT"))

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
        name = f"{self._settings.connection} sales data"
        # A large first load is validated before it is answered.
        http = Http(
            name,
            url,
            self._limits,
            sign=auth.sales_token(self._settings),
            throttle_wait=_until_reset,
            timeout=120.0,
            deadline=300.0,
        )
        return Sales(http, self._form.header)

    @cached_property
    def _form(self) -> mapping.SalesForm:
        columns = [name.strip() for name in self._settings.text("SALES_COLUMNS").split(",") if name.strip()]
        unknown = [name for name in columns if name not in mapping.SALE_COLUMNS]
        if unknown:
            raise ConfigurationError(
                f"{self._settings.connection}: SALES_COLUMNS names {', '.join(unknown)}, which cannot be filled.",
                system=self._settings.connection,
                remedy=f"Choose from {', '.join(mapping.SALE_COLUMNS)}.",
            )
        return mapping.SalesForm(
            columns=columns,
            unit_price=schema.one_of(self._settings, "PRICE", "line_total", "unit_price") == "unit_price",
            custom_amount=schema.one_of(self._settings, "REFUND_STYLE", "negative_rows", "custom_amount_column")
            == "custom_amount_column",
            by_order=schema.one_of(self._settings, "SALES_ORDER", "document", "order") == "order",
        )

    def _observe(self, headers: Mapping[str, str]) -> None:
        try:
            limit, left = int(headers["X-RateLimit-Limit"]), int(headers["X-RateLimit-Remaining"])
            ends = float(headers["X-RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        self._limits.observe(limit, left, ends - _server_ahead(headers))


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until the window ends: Retry-After if given, else the reset header, else a minute (contract 2.4)."""
    if headers.get("Retry-After", "").strip():
        return None
    try:
        return max(0.0, float(headers["X-RateLimit-Reset"]) - time.time() - _server_ahead(headers))
    except (KeyError, ValueError):
        return 60.0


def _server_ahead(headers: Mapping[str, str]) -> float:
    """How many seconds the server's clock is before ours; its moments are meant by its own clock."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp() - time.time()
    except (KeyError, TypeError, ValueError):
        return 0.0
