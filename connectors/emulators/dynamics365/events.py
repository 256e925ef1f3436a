"""The event pump: business events and data events, posted to the endpoints that asked for them (dynamics365.md 5).

Switches: `event_retry_seconds` (1), `event_duplicates` (n: every n-th message goes out twice), `event_order`
(`reversed`: what waits together leaves last first), `events_held` (`yes`: messages wait), `data_event_prefix`
(`mserp_`; empty for the entity's own names).
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Condition, Event, Thread, local
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

import msgspec

from connectors.emulators.dynamics365 import event_payloads as payloads
from connectors.emulators.dynamics365.posting import post
from connectors.emulators.dynamics365.schema import ETAG, EntitySet
from connectors.emulators.dynamics365.tables import Row
from connectors.emulators.store import Collection, Store

_MOST_ENDPOINTS = 10  # for an event and a company (5)
_ATTEMPTS = 1 + 3
_FIRST_NUMBER = 5_637_985_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BUSINESS: dict[str, tuple[str, Callable[[Row | None, Row | None], Mapping[str, Any] | None]]] = {
    "SalesInvoiceHeadersV2": (payloads.INVOICE_POSTED, payloads.invoice_posted),
    "SalesOrderHeadersV2": (payloads.ORDER_CONFIRMED, payloads.order_confirmed),
    "FreeTextInvoiceHeaders": (payloads.FREE_TEXT_POSTED, payloads.free_text_posted),
}
_encode = msgspec.json.Encoder().encode


class Message(NamedTuple):
    endpoint: str
    event: str
    headers: dict[str, str]
    body: bytes


class EventPump:
    """Hears of every change of a row; what an endpoint subscribed to is delivered by a thread of its own."""

    def __init__(
        self, store: Store, meta: Collection, now: Callable[[], datetime], settings: Mapping[str, str]
    ) -> None:
        self.endpoints = store.collection("endpoints")
        self.errors = store.collection("event_errors")
        self._meta = meta
        self._now = now
        self._settings = settings
        self._waiting: list[Message] = []
        self._changed = Condition()
        self._kept_back = local()
        self._stopping = Event()
        self._thread: Thread | None = None

    def add(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Activates `events` of a `company` ("" = all) at a `url` on loopback, and sends a test message there.

        An event is the name of a business event, or an entity set, alone or with `/Create`, `/Update` or `/Delete`.
        `headers` go with every message. ValueError when this makes no sense.
        """
        url, company = str(wanted.get("url", "")), str(wanted.get("company") or "").lower()
        events, headers = wanted.get("events") or [], wanted.get("headers") or {}
        if urlsplit(url).scheme not in ("http", "https") or urlsplit(url).hostname not in _LOOPBACK:
            raise ValueError("url must be http or https on loopback: events of an emulator leave no machine")
        if not isinstance(events, list) or not events:
            raise ValueError("events is a list of business events or entity sets")
        for event in events:
            others = [e for e in self.endpoints.values() if event in e["events"] and e["company"] == company]
            if len(others) >= _MOST_ENDPOINTS:
                raise ValueError(f"{event} has {_MOST_ENDPOINTS} endpoints in this company, no more are allowed")
        name = str(uuid.uuid4())
        kept = {"id": name, "url": url, "events": events, "company": company, "headers": dict(headers)}
        self.endpoints.put(name, kept)
        self._send(kept, payloads.TEST_EVENT, payloads.test_message(company or "DAT", self._now()), {})
        return kept

    def heard(self, entity: EntitySet, before: Row | None, after: Row | None) -> None:
        """A row of the set came (`before` None), changed, or went (`after` None)."""
        row = after or before or {}
        if len(self.endpoints) == 0 or (before is not None and _same(before, after)):
            return
        company = str(row.get("dataAreaId", "")).lower()
        if entity.name in _BUSINESS:
            event, fields_of = _BUSINESS[entity.name]
            fields = fields_of(before, after)
            if fields is not None:
                self._raise(event, company, fields)
        self._data_event(entity, company, before, after)

    def _raise(self, event: str, company: str, fields: Mapping[str, Any]) -> None:
        takers = [kept for kept in self.endpoints.values() if event in kept["events"]]
        if takers:
            message = payloads.envelope(event, company, self._control_number(), self._now(), fields)
            for kept in takers:
                if kept["company"] in ("", company):
                    self._send(kept, event, message, {})

    def _data_event(self, entity: EntitySet, company: str, before: Row | None, after: Row | None) -> None:
        verb = "Create" if before is None else "Delete" if after is None else "Update"
        names = (entity.name, f"{entity.name}/{verb}")
        takers = [kept for kept in self.endpoints.values() if any(name in kept["events"] for name in names)]
        if not takers:
            return
        prefix = self._settings.get("data_event_prefix", "mserp_")
        logical = f"{prefix}{entity.type.lower()}" if prefix else entity.type
        key = [(after or before or {}).get(name) for name in entity.key]
        shown = [_named(row, prefix) if row is not None else None for row in (before, after)]
        message = payloads.data_event(logical, key, shown[0], shown[1], self._now())
        headers = {
            "x-ms-dynamics-organization": "contoso.operations.dynamics.com",
            "x-ms-dynamics-entity-name": logical,
            "x-ms-dynamics-request-name": verb,
            "x-ms-correlation-request-id": message["CorrelationId"],
        }
        for kept in takers:
            if kept["company"] in ("", company):
                self._send(kept, names[1], message, headers)

    def _control_number(self) -> int:
        """Grows, with gaps: other events of the environment use numbers too (5)."""
        with self._meta.lock:
            last = (self._meta.get("events") or {"number": _FIRST_NUMBER})["number"]
            number = int(last) + 1 + crc32(str(last).encode()) % 4
            self._meta.put("events", {"number": number})
            return number

    def _send(self, endpoint: Mapping[str, Any], event: str, message: Any, headers: dict[str, str]) -> None:
        whole = {**headers, **endpoint["headers"], "Content-Type": "application/json; charset=utf-8"}
        self._queue(Message(endpoint["id"], event, whole, _encode(message)))

    @contextmanager
    def kept_back(self) -> Iterator[None]:
        """What this thread causes meanwhile is sent when the block ends well, dropped when it does not."""
        kept: list[Message] = []
        self._kept_back.messages = kept
        try:
            yield
        finally:
            self._kept_back.messages = None
        for message in kept:
            self._queue(message)

    def _queue(self, message: Message) -> None:
        kept = getattr(self._kept_back, "messages", None)
        if kept is not None:
            kept.append(message)
            return
        with self._changed:
            self._waiting.append(message)
            if self._thread is None:
                self._thread = Thread(target=self._run, daemon=True, name="dynamics365 events")
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        sent = 0
        while not self._stopping.is_set():
            with self._changed:
                if not self._waiting or self._settings.get("events_held") == "yes":
                    self._changed.wait(0.05)
                    continue
                batch, self._waiting = self._waiting, []
            if self._settings.get("event_order") == "reversed":
                batch.reverse()
            for message in batch:
                sent += 1
                share = int(self._settings.get("event_duplicates", "0"))
                for _ in range(2 if share and sent % share == 0 else 1):
                    self._deliver(message)

    def _deliver(self, message: Message) -> None:
        """Four attempts a second apart, then the error log (5)."""
        said = ""
        for attempt in range(_ATTEMPTS):
            endpoint = self.endpoints.get(message.endpoint)
            if endpoint is None or self._stopping.is_set():
                return
            if attempt:
                self._stopping.wait(float(self._settings.get("event_retry_seconds", "1")))
            said = post(endpoint["url"], message.body, message.headers)
            if not said:
                return
        kept = {"endpoint": message.endpoint, "event": message.event, "error": said, "headers": message.headers}
        name = str(uuid.uuid4())
        self.errors.put(name, {"id": name, **kept, "payload": message.body.decode()})

    def resend(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Puts messages of the error log back in the queue: the one with this `id`, or all. KeyError: no such one."""
        names = [str(wanted["id"])] if "id" in wanted else list(self.errors)
        for name in names:
            kept = self.errors.get(name)
            if kept is None:
                raise KeyError(name)
            self.errors.delete(name)
            endpoint = {"id": kept["endpoint"], "headers": {}}
            self._send(endpoint, kept["event"], msgspec.Raw(kept["payload"].encode()), kept["headers"])
        return {"resent": len(names)}

    def clear(self) -> None:
        """Starting over: no endpoint, nothing waiting."""
        with self._changed:
            self._waiting = []
        self.endpoints.clear()
        self.errors.clear()

    def close(self) -> None:
        self._stopping.set()


def _same(before: Row, after: Row | None) -> bool:
    return after is not None and {**before, ETAG: ""} == {**after, ETAG: ""}


def _named(row: Row, prefix: str) -> dict[str, Any]:
    return {f"{prefix}{name.lower()}" if prefix else name: value for name, value in row.items() if name != ETAG}
