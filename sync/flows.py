"""Flow = connection.stream → target. The list follows from the connections and their connectors."""

from dataclasses import dataclass
from typing import cast

from connectors.base import Inlet, Limits, Sink, Source, Stream
from connectors.errors import ConfigurationError
from connectors.registry import Connection, connections
from sync.models import Flow


@dataclass(frozen=True)
class Route:
    """A flow with both its ends open."""

    flow: Flow
    source: Source
    sink: Sink
    stream: Stream
    inlet: Inlet

    @property
    def version(self) -> str:
        """What the digests are salted with: a changed mapping knows nothing any more."""
        return f"{self.flow.name}/{self.stream.version}/{self.inlet.version}"


def declared() -> list[tuple[str, str, str, str]]:
    """(name, source connection, stream, target connection) of every flow the environment describes."""
    found = connections()
    sinks = [connection for connection in found.values() if connection.connector.inlets]
    return [
        (f"{source.name}.{stream}", source.name, stream, sink.name)
        for source in found.values()
        for stream in source.connector.streams
        for sink in sinks[:1]
        if stream in set(sink.connector.inlets)
    ]


def ensure() -> list[Flow]:
    """Creates the rows of flows that are new; never touches what people changed."""
    return [
        Flow.objects.get_or_create(
            name=name, defaults={"source": source, "stream": stream, "target": target, "entity": stream}
        )[0]
        for name, source, stream, target in declared()
    ]


def connection(name: str) -> Connection:
    found = connections().get(name)
    if found is None:
        raise ConfigurationError(
            f"The connection {name} is not configured here.",
            system=name,
            remedy="Add it to CONNECTIONS in the environment of this process.",
        )
    return found


def open_route(flow: Flow, source_limits: Limits, sink_limits: Limits) -> Route:
    """Opens both ends; makes no call yet. Raises ConfigurationError naming what is missing."""
    source = cast(Source, connection(flow.source).open(source_limits))
    sink = cast(Sink, connection(flow.target).open(sink_limits))
    return Route(flow, source, sink, source.streams[flow.stream], sink.inlets[flow.entity])
