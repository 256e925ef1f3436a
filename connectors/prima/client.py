"""A Prima site: the streams it offers and the consents it takes, over SOAP or as files (TRANSPORT)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from connectors.base import Answer, Encoded, Inlet, Limits, Observed, Page, Settings, Stream
from connectors.errors import ConfigurationError
from connectors.extra import ReadColumns, SourceColumn, check_extendable
from connectors.prima import own_columns, site_files
from connectors.prima.consent_inlet import INLET, ConsentInlet, Pen, SoapPen
from connectors.prima.files.drop import open_drop
from connectors.prima.mapping import clock_of
from connectors.prima.model import Model, model
from connectors.prima.soap_site import SoapSite
from connectors.prima.transport import Soap
from connectors.records import Record

SAMPLE = 50
"""Records that are looked at to learn which columns there are."""


class Way(Protocol):
    """How a site is read."""

    def demand(self, stream: str, columns: Sequence[str]) -> None:
        """From now on a read that shows that one of these own columns is gone stops; the stream has one entity."""

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]: ...
    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]: ...
    def keys(self, stream: str) -> Iterator[Sequence[str]]: ...
    def check(self) -> str: ...


class Prima:
    """A Source and a Sink. Opening it makes no call."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        file = site_files.load(settings.text("MAPPING_FILE"))
        self.mapping = file
        found = model(file, settings.text("SALE_BASIS"), settings.connection)
        transport = settings.text("TRANSPORT").strip().lower()
        if transport not in ("soap", "files"):
            raise ConfigurationError(
                f"{settings.connection}: TRANSPORT is {transport!r}, and a site is reached by soap or files.",
                system=settings.connection,
                remedy="Set TRANSPORT to soap or files.",
            )
        self.streams: Mapping[str, Stream] = found.streams(transport == "files")
        self.inlets: Mapping[str, Inlet] = {"consent": INLET}
        self._event_days = settings.number("EVENT_DAYS")
        self._way, pen = self._open(settings, limits, found, transport)
        self._consents = ConsentInlet(settings, pen, self.streams["consent"], self._consents_of)

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        """Events without a watermark begin EVENT_DAYS back: nobody is told of a parcel of last year."""
        if stream == "order_event" and not since:
            since = (datetime.now(UTC) - timedelta(days=self._event_days)).isoformat(timespec="seconds")
        return self._way.read(stream, since, resume)

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        return self._way.fetch(stream, keys)

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        return self._way.keys(stream)

    def find(self, inlet: str, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        return self._consents.find(records)

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        return self._consents.send(batch, key)

    def look(self, inlet: str, keys: Sequence[str]) -> Mapping[str, Observed]:
        return self._consents.look(keys)

    def scan(self, inlet: str) -> Iterator[Sequence[Observed]]:
        return self._consents.scan()

    extendable_streams = ("customer",)
    tells_all_columns = False

    def columns(self, stream: str) -> Sequence[SourceColumn]:
        """The paths that the first records of the site hold: it describes itself nowhere."""
        found: dict[str, SourceColumn] = {}
        for page in self._way.read(stream, ""):
            for row in page.rows[:SAMPLE]:
                found |= {path: SourceColumn(path) for path in own_columns.paths_of(row)}
            if found:
                break
        return list(found.values())

    def standard(self, stream: str) -> Mapping[str, str]:
        return own_columns.standard(self.mapping.site, stream)

    def extend(self, stream: str, columns: Mapping[str, str]) -> ReadColumns:
        """Rows hold the whole record: nothing more is asked for."""
        check_extendable(self.mapping.site.site, stream, self.extendable_streams)
        read = own_columns.reader(self.mapping.site, stream, columns)
        self._way.demand(stream, list(columns))
        return read

    def check(self) -> str:
        return self._way.check()

    def _open(self, settings: Settings, limits: Limits, found: Model, transport: str) -> tuple[Way, Pen]:
        clock = clock_of(found.file.site.defaults)
        if transport == "files":
            drop = open_drop(settings, found, self.streams)
            return drop, drop
        service = Soap(settings, limits, found.file.site.endpoint, clock.zone)
        pen = SoapPen(service, found.file.site, clock, lambda keys: self._consents.look(keys))
        return SoapSite(service, found, self.streams), pen

    def _consents_of(self, keys: Sequence[str]) -> Iterable[Page]:
        return self._way.fetch("consent", keys) if keys else self._way.read("consent", "")
