"""Two systems of the test's own making behind the kit's interface: for what no emulated system can be made to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from connectors.base import (  # fmt: skip
    Answer,
    Change,
    Effect,
    Encoded,
    Gone,
    Inlet,
    Known,
    Mapped,
    Observed,
    Outcome,
    Page,
    Result,
    Stream,
)
from connectors.errors import ExpiredWatermarkError, RecordError
from connectors.records import ENTITIES, Product
from sync import flows
from sync.models import Flow


class Erp:
    """Rows are JSON: {"entity's fields"} or {"gone": why, "key", "into"}. `expired` watermarks are refused."""

    def __init__(self, entity: str) -> None:
        self.entity = entity
        self.rows: list[dict[str, Any]] = []
        self.expired = ""
        self.reads: list[str] = []
        way = Change.SCAN if entity == "product" else Change.DELTA
        change = Stream(entity, way, lambda row: str(msgspec.json.decode(row)["key"]), self._map)
        self.streams: Mapping[str, Stream] = {entity: change, "customer": change}

    def _map(self, row: bytes) -> Mapped:
        values = msgspec.json.decode(row)
        if "gone" in values:
            return Mapped(Gone(values["key"], values["gone"], values.get("into", "")))
        if values.get("bad"):
            raise RecordError("missing_value", "name", "No name.")
        return Mapped(msgspec.convert(values, ENTITIES[self.entity], strict=False))

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        self.reads.append(since)
        if since and since == self.expired:
            raise ExpiredWatermarkError("The token is too old.")
        yield Page([msgspec.json.encode(row) for row in self.rows], "end", watermark=f"token-{len(self.reads)}")

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        yield Page([msgspec.json.encode(row) for row in self.rows if row["key"] in keys])

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        yield [row["key"] for row in self.rows]


class Platform:
    """Keeps what it is sent."""

    def __init__(self, entity: str, effect: Effect, after: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self.given: Mapping[str, str] = {}
        self.inlets = {
            entity: Inlet(entity, effect, 100, 1 << 20, False, self._encode, after=after, head=b"item,title")
        }

    @staticmethod
    def _encode(record: Any, known: Known) -> tuple[Encoded, tuple[()]]:
        if getattr(record, "name", "") == "unwritable":
            raise RecordError("too_long", "name", "Too long.")
        line = f"{record.key},{record.name}".encode() if isinstance(record, Product) else msgspec.json.encode(record)
        return Encoded(record.key, line), ()

    def find(self, inlet: str, records: Sequence[Any]) -> Mapping[str, Sequence[Observed]]:
        owned = {record.key: getattr(record, "customer", "") for record in records}
        return {
            key: [Observed(f"id-{customer}", customer, {"given": self.given[customer]})]
            for key, customer in owned.items()
            if customer in self.given
        }

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        self.sent += [msgspec.json.decode(one.body) for one in batch]
        return Answer([Result(one.key, Outcome.ACCEPTED, f"id-{one.key}") for one in batch])

    def readable(self, given: Mapping[str, str]) -> None:
        """From now on it shows these consents, by customer."""
        self.given = given
        self.inlets = {name: replace(inlet, readable=True) for name, inlet in self.inlets.items()}

    def look(self, inlet: str, keys: Sequence[str]) -> Mapping[str, Observed]:
        return {key: Observed(f"id-{key}", key, {"given": self.given[key]}) for key in keys if key in self.given}

    def scan(self, inlet: str) -> Iterator[Sequence[Observed]]:
        yield from ()


def connect(
    monkeypatch: pytest.MonkeyPatch, entity: str, effect: Effect, *, after: str = "", platform_first: bool = False
) -> tuple[Flow, Erp, Platform]:
    """A flow between the two, as if both were configured connections."""
    source, target = ("platform", "erp") if platform_first else ("erp", "platform")
    flow = Flow.objects.create(name=f"{source}.{entity}", source=source, stream=entity, target=target, entity=entity)
    erp, platform = Erp(entity), Platform(entity, effect, after)
    if platform_first:
        erp.streams = {entity: erp.streams[entity]}  # a platform offers no customers

    def opened(asked: Flow, source_limits: Any, sink_limits: Any, fields: Any = None) -> flows.Route:
        sink: Any = flows.OwnTables() if asked.target == flows.CONSOLE else platform
        return flows.Route(asked, erp, sink, erp.streams[entity], sink.inlets[entity])

    monkeypatch.setattr("sync.flows.open_route", opened)
    monkeypatch.setattr("sync.mappings.in_use", lambda connection: None)
    for module in ("pipeline", "comparing"):
        monkeypatch.setattr(f"sync.{module}.limits_for", lambda name, lease=None: None)
    return flow, erp, platform
