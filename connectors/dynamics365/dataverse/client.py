"""Dataverse as a source of customers and consent, and as a sink of consent."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from threading import Lock

from connectors.base import Answer, Change, Effect, Encoded, Inlet, Limits, Observed, Page, Settings, Stream
from connectors.dynamics365 import auth, metadata
from connectors.dynamics365.dataverse import mapping, tables, web_api, writing
from connectors.dynamics365.dataverse.consent import Consents
from connectors.dynamics365.dataverse.contact_points import ContactPoints
from connectors.dynamics365.dataverse.covering import Covering
from connectors.dynamics365.dataverse.delta import TRACK, DeltaRead, TrackedTable
from connectors.dynamics365.dataverse.merges import Merges
from connectors.dynamics365.dataverse.tables import CONSENT_POINTS, GUID, Table
from connectors.errors import ConfigurationError, RecordError
from connectors.extra import ReadColumns, SourceColumn, check_extendable
from connectors.http import Http
from connectors.records import Consent, Record

WRITES_A_BATCH = 50
TRACKED = "EntityDefinitions?$select=LogicalName&$filter=ChangeTrackingEnabled%20eq%20true"


class Dataverse:
    """A Source and a Sink. Opening it makes no call."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings = settings
        base = settings.text("URL").rstrip("/")
        bearer = auth.bearer(settings, settings.text("SCOPE").replace("{url}", base))
        api = f"{base}/{settings.text('API').strip('/')}"
        self._http = Http(settings.connection, api, limits, sign=bearer.sign, renew=bearer.renew, settings=settings)
        self._flags = tables.flags(settings)
        self._by_point = tables.by_contact_point(settings)
        self._rules = tables.rules(settings)
        extra = [rule.column for rule in self._rules]
        self._tables: Mapping[str, list[Table]] = {
            "customer": tables.customer_tables(settings, extra),
            "consent": tables.consent_tables(settings, self._flags),
        }
        tier = settings.text("TIER_FIELD")
        self._demanded: Mapping[str, Sequence[str]] = {"customer": [*extra, *([tier] if tier else [])]}
        """Columns that somebody named: without them every value would count as empty, or no row be excluded."""
        self._asking = Lock()
        self.streams: Mapping[str, Stream] = {"customer": self._customers(), "consent": self._consents_read()}
        self.inlets: Mapping[str, Inlet] = {"consent": self._consents_written()}

    def _customers(self) -> Stream:
        found, settings = self._tables["customer"], self._settings
        party, tier = settings.text("PARTY_FIELD"), settings.text("TIER_FIELD")
        return Stream(
            entity="customer",
            change=Change.DELTA,
            key=mapping.key_reader(found),
            map=mapping.customer_mapping(found, party, tier, self._rules),
        )

    def _consents_read(self) -> Stream:
        found = self._tables["consent"]
        by_flags = mapping.consent_mapping(found, self._flags)
        return Stream(
            entity="consent",
            change=Change.DELTA,
            key=mapping.point_key if self._by_point else mapping.key_reader(found),
            map=mapping.point_mapping(self._flags.channel) if self._by_point else by_flags,
        )

    def _consents_written(self) -> Inlet:
        owned = "msdynmkt_value" if self._by_point else ",".join(self._flags.written)
        return Inlet(
            entity="consent",
            effect=Effect.UPSERT,
            batch=WRITES_A_BATCH,
            max_bytes=1_000_000,
            readable=True,
            encode=writing.encoder(self._flags, self._by_point),
            fields={"given": owned},
            identify=writing.identify,
            expected=writing.expected,
            after="customer",
        )

    # ------------------------------------------------------------------------------------- a site's own columns

    extendable_streams = ("customer",)
    tells_all_columns = True

    def columns(self, stream: str) -> Sequence[SourceColumn]:
        known = metadata.read(self._http)
        kinds = {name: kind for table in self._tables[stream] for name, kind in known.types(table.name).items()}
        return [SourceColumn(name, kind) for name, kind in kinds.items()]

    def standard(self, stream: str) -> Mapping[str, str]:
        named = {name: ", ".join(columns) for name, columns in mapping.COLUMNS.items()}
        tier = self._settings.text("TIER_FIELD")
        return {**named, "email": "emailaddress1", "organisation": "name", **({"loyalty_tier": tier} if tier else {})}

    def extend(self, stream: str, columns: Mapping[str, str]) -> ReadColumns:
        """A column that none of the tables has stops the read; one that a table lacks is absent in its rows."""
        check_extendable(self._settings.connection, stream, self.extendable_streams)
        extra = [*(rule.column for rule in self._rules), *columns]
        self._tables = {**self._tables, stream: tables.customer_tables(self._settings, extra)}
        self._demanded = {**self._demanded, stream: [*self._demanded[stream], *columns]}
        self.streams = {**self.streams, stream: self._customers()}
        return mapping.column_reader(tuple(columns))

    # ------------------------------------------------------------------------------------------------ reading

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        covering = self._covering(stream)
        margin = timedelta(minutes=self._settings.number("GAP_MINUTES"))
        delta = DeltaRead(self._http, self._of(stream), self._size, margin)
        for changes in delta.pages(since, resume):
            rows = covering.covered(changes.table, changes.rows)
            yield Page(rows, changes.resume, watermark=changes.watermark)

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        """By id, in batches; what is no id cannot be there. Merged and inactive rows come as what they are."""
        covering = self._covering(stream)
        asked = list(dict.fromkeys(id for key in keys if GUID.match(id := mapping.guid(key.partition("|")[0]))))
        for tracked in self._of(stream):
            for start in range(0, len(asked), web_api.KEYS_A_REQUEST):
                part = asked[start : start + web_api.KEYS_A_REQUEST]
                found = web_api.by_value(self._http, tracked.name, tracked.table.id, part, tracked.select, True)
                wanted = set(keys)
                rows = covering.covered(tracked.table, list(found))
                yield Page([row for row in rows if self.streams[stream].key(row) in wanted])

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        """The active rows' keys: merged and inactive ones are no customers any more."""
        covering = self._covering(stream)
        for tracked in self._of(stream):
            select = tracked.select if self._by_point and stream == "consent" else (tracked.table.id,)
            path = f"{tracked.name}?$select={','.join(select)}&$filter=statecode%20eq%200&$orderby={tracked.table.id}"
            for page in web_api.pages(self._http, path, self._size):
                yield [key for row in covering.covered(tracked.table, page.rows) if (key := self._key(stream, row))]

    def _key(self, stream: str, row: bytes) -> str:
        try:
            return self.streams[stream].key(row)
        except RecordError:
            return ""

    def check(self) -> str:
        """Reads a row of each table with change tracking, as the first read will."""
        tracked = {str(mapping.text(web_api.members(row), "LogicalName"))
                   for row in web_api.rows(self._http, TRACKED).rows}  # fmt: skip
        wanted = {one.name: one for stream in self._tables for one in self._of(stream)}
        told = []
        for one in wanted.values():
            if one.table.logical not in tracked:
                raise self._not_tracked(one.table)
            web_api.rows(self._http, one.address(), f"{TRACK}, odata.maxpagesize=1")
            path = f"{one.name}?$select={one.table.id}&$count=true&$top=1"
            count = web_api.rows(self._http, path).count or 0
            told.append(f"{one.name} {count:,}{' or more' if count >= web_api.LARGEST_PAGE else ''}")
        return f"Answers; change tracking is on; rows: {', '.join(told)}."

    def _not_tracked(self, table: Table) -> ConfigurationError:
        return ConfigurationError(
            f"{self._http.system}: change tracking is off for the table {table.logical}.",
            system=self._http.system,
            request="GET EntityDefinitions",
            remedy=f"Turn on Track changes in the properties of {table.logical} (it cannot be turned off again).",
        )

    def _covering(self, stream: str) -> Covering:
        if stream == "consent":
            points = ContactPoints(self._http, self._settings) if self._by_point else None
            return Covering(Merges(self._http), points, with_version=True)
        return Covering(Merges(self._http), None, with_version=False)

    @property
    def _size(self) -> int:
        return max(1, min(self._settings.number("PAGE_SIZE"), web_api.LARGEST_PAGE))

    def _of(self, stream: str) -> list[TrackedTable]:
        """The stream's tables. Raises ConfigurationError naming what none of them has (any more)."""
        found = self._tracked[stream]
        there = {name for one in found for name in one.select}
        gone = [name for name in dict.fromkeys(self._demanded.get(stream, ())) if name not in there]
        if gone:
            raise ConfigurationError(
                f"{self._http.system}: {', '.join(one.name for one in found)} has no column {', '.join(gone)} any "
                "more; nothing was sent.",
                system=self._http.system,
                request="GET $metadata",
                remedy="If it was renamed, write its new name in the flow's field mapping, or in TIER_FIELD or EXCLUDE "
                "of this connection; if it is gone for good, take it out there.",
            )
        return found

    @property
    def _tracked(self) -> Mapping[str, list[TrackedTable]]:
        with self._asking:
            return self._known_columns

    @cached_property
    def _known_columns(self) -> Mapping[str, list[TrackedTable]]:
        known = metadata.read(self._http)
        return {
            stream: [TrackedTable(one, known.select(one.name, one.required, one.optional)) for one in found]
            for stream, found in self._tables.items()
        }

    # ------------------------------------------------------------------------------------------------ writing

    def find(self, inlet: str, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        return self._consents.find([record for record in records if isinstance(record, Consent)])

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        """`key` is not sent: the row's version is what keeps a repeat from doing harm."""
        return self._consents.send(batch)

    def look(self, inlet: str, keys: Sequence[str]) -> Mapping[str, Observed]:
        return self._consents.look(keys)

    def scan(self, inlet: str) -> Iterator[Sequence[Observed]]:
        return self._consents.scan(self._size)

    @cached_property
    def _consents(self) -> Consents:
        points = ContactPoints(self._http, self._settings) if self._by_point else None
        tracked = self._tracked["consent"]
        contacts = [one for one in tracked if one.name != CONSENT_POINTS]
        if points:
            known = metadata.read(self._http)
            contacts = [
                TrackedTable(one, known.select(one.name, one.required, [one.number, "emailaddress1"]))
                for one in tables.customer_tables(self._settings)
            ]
        return Consents(self._http, contacts, self._flags, points, self._settings.number("CONCURRENCY"))
