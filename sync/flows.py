"""Flow = connection.stream → target. The list follows from the connections and their connectors.

ERPs offer customers, marketing platforms accept them. An ERP's streams go to one platform (the first, or the
one named in `<NAME>_TARGETS`); what a platform offers (consent) goes to every ERP that accepts it; what nobody
accepts but the console itself keeps (attribution) stays here.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, cast

import msgspec
from django.utils import timezone

from connectors.base import Answer, Effect, Encoded, Fault, Inlet, Limits, Observed, Sink, Source, Stream
from connectors.errors import ConfigurationError
from connectors.extra import ExtraField, OffersColumns, TakesFields, extended
from connectors.records import Record
from connectors.registry import Connection, connections
from sync.models import FieldMapping, Flow
from sync.models.field_mapping import ACTIVE
from sync.models.flow import NOT_WANTED_YET

CONSOLE = "console"
"""The name of our own tables among the targets."""
OBSERVED = ("attribution", "purchase")
"""What is kept here and sent to nobody."""
URGENT = frozenset({"order_event"})
"""Entities that a person waits for: their calls go first."""
RUNNING_AT_ONCE = frozenset({"customer", "sale"})
"""Entities whose flows may run as soon as both systems are connected; the others wait until they are wanted."""


class Active(Enum):
    """Whichever version of a flow's own fields is in force."""

    NOW = "now"


@dataclass(frozen=True)
class Route:
    """A flow with both its ends open."""

    flow: Flow
    source: Source
    sink: Sink
    stream: Stream
    inlet: Inlet
    extra: Sequence[ExtraField] = ()
    """The site's own fields, by version `mapping` of the flow's field mapping (0: it has none)."""
    mapping: int = 0

    @property
    def version(self) -> str:
        """What rows are known by: a changed mapping knows no row any more, so that each is mapped again."""
        return f"{self.sent_version}/fields {self.mapping}" if self.mapping else self.sent_version

    @property
    def sent_version(self) -> str:
        """What payloads are known by. A site's own fields show in the payload itself: of a changed field mapping
        only the records that it touches are sent again."""
        return f"{self.flow.name}/{self.stream.version}/{self.inlet.version}"


class Declared(NamedTuple):
    name: str
    source: str
    stream: str
    target: str


def declared() -> list[Declared]:
    """Every flow the environment describes."""
    found = connections()
    return [flow for source in found.values() for stream in source.connector.streams
            for flow in _of(source, stream, found)]  # fmt: skip


def _of(source: Connection, stream: str, found: Mapping[str, Connection]) -> Iterator[Declared]:
    if stream in OBSERVED:
        yield Declared(f"{source.name}.{stream}", source.name, stream, CONSOLE)
        return
    for number, target in enumerate(_targets(source, stream, found)):
        name = f"{source.name}.{stream}" if number == 0 else f"{source.name}.{stream}.{target}"
        yield Declared(name, source.name, stream, target)


def _targets(source: Connection, stream: str, found: Mapping[str, Connection]) -> list[str]:
    accepting = [
        one.name
        for one in found.values()
        if one.name != source.name and stream in set(one.connector.inlets) and _is_erp(one) != _is_erp(source)
    ]
    named = [name.strip().lower() for name in os.environ.get(source.settings.variable("TARGETS"), "").split(",")]
    if any(named):
        return [name for name in accepting if name in named]
    return accepting[:1] if _is_erp(source) else accepting


def _is_erp(connection: Connection) -> bool:
    return "customer" in set(connection.connector.streams)


def ensure() -> list[Flow]:
    """Creates the rows of flows that are new; never touches what people changed."""
    there = {(flow.source, flow.stream, flow.target): flow for flow in Flow.objects.all()}
    return [there.get(one[1:]) or _ensured(*one) for one in declared()]


def _ensured(name: str, source: str, stream: str, target: str) -> Flow:
    if Flow.objects.filter(name=name).exclude(target=target).exists():  # the short name is another target's by now
        name = f"{source}.{stream}.{target}"
    waiting = {} if stream in RUNNING_AT_ONCE else {"paused_at": timezone.now(), "paused_note": NOT_WANTED_YET}
    values = {"source": source, "stream": stream, "target": target, "entity": stream, **waiting}
    return Flow.objects.get_or_create(name=name, defaults=values)[0]


def connection(name: str) -> Connection:
    found = connections().get(name)
    if found is None:
        raise ConfigurationError(
            f"The connection {name} is not configured here.",
            system=name,
            remedy="Add it to CONNECTIONS in the environment of this process.",
        )
    return found


def active_fields(flow: Flow) -> FieldMapping | None:
    """The version of the site's own fields that is in force."""
    named = {"source": flow.source, "stream": flow.stream, "target": flow.target}
    return FieldMapping.objects.filter(**named, state=ACTIVE).first()


def open_route(
    flow: Flow, source_limits: Limits, sink_limits: Limits, fields: FieldMapping | Active | None = Active.NOW
) -> Route:
    """Opens both ends; makes no call yet. `fields` is the version of the site's own fields to use, the one in force
    if none is given. Raises ConfigurationError naming what is missing."""
    source, sink = ends(flow, source_limits, sink_limits)
    version = active_fields(flow) if isinstance(fields, Active) else fields
    if version is None or not version.fields:
        # A version without rows is one all the same: rows of the version before are not known by it.
        stream = source.streams[flow.stream]
        return Route(flow, source, sink, stream, sink.inlets[flow.entity], mapping=version.number if version else 0)
    extra = extra_fields(version)
    stream = _with_columns(flow, source, extra)
    if not isinstance(sink, TakesFields):
        raise _takes_none(flow, flow.target)
    sink.take(flow.entity, extra)
    return Route(flow, source, sink, stream, sink.inlets[flow.entity], extra, version.number)


def ends(flow: Flow, source_limits: Limits, sink_limits: Limits) -> tuple[Source, Sink]:
    """Both systems, opened; nothing of them is asked."""
    source = cast(Source, connection(flow.source).open(source_limits))
    sink = cast(Sink, OwnTables() if flow.target == CONSOLE else connection(flow.target).open(sink_limits))
    return source, sink


def extra_fields(version: FieldMapping) -> list[ExtraField]:
    return msgspec.convert(version.fields, list[ExtraField])


def _with_columns(flow: Flow, source: Source, extra: Sequence[ExtraField]) -> Stream:
    if not isinstance(source, OffersColumns):
        raise _takes_none(flow, flow.source)
    columns = source.extend(flow.stream, {one.source: one.reader for one in extra})
    return extended(source.streams[flow.stream], extra, columns)


def _takes_none(flow: Flow, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} knows no fields of the site's own, and {flow.name} has a field mapping.",
        system=name,
        remedy="Activate a field mapping without rows for this flow.",
    )


class OwnTables:
    """A Sink for what is observed: it says that it takes it; the page's transaction keeps it."""

    inlets: Mapping[str, Inlet] = {
        entity: Inlet(
            entity, Effect.OBSERVE, 5_000, 1 << 30, readable=False, encode=lambda record, known: _kept(record)
        )
        for entity in OBSERVED
    }

    def find(self, inlet: str, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        return {}

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        raise NotImplementedError("what is observed is written with its page")

    def look(self, inlet: str, keys: Sequence[str]) -> Mapping[str, Observed]:
        return {}

    def scan(self, inlet: str) -> Iterator[Sequence[Observed]]:
        yield from ()

    def check(self) -> str:
        return "The console's own tables."


def _kept(record: Record) -> tuple[Encoded, tuple[Fault, ...]]:
    return Encoded(record.key, b""), ()
