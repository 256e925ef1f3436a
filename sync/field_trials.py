"""A site's own fields tried before they are in force: on one real record, and how many a change touches."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from connectors.base import Excluded, Fault, Gone, Known, Limits, Row
from connectors.errors import RecordError
from connectors.extra import ERP, ExtraField, read, same
from connectors.records import Record
from sync import field_mappings, flows
from sync.digests import digester
from sync.flows import Route
from sync.limits import limits_for, limits_for_a_person
from sync.models import CrossReference, FieldMapping, Flow

SAMPLE, SAMPLE_SECONDS = 2_000, 10.0


class Tried(NamedTuple):
    """One field on a real record. `written` is whether it would be sent; `same` None where the target has nothing
    to compare with."""

    field: ExtraField
    source: str
    value: str
    sent: str
    target: str
    same: bool | None
    written: bool
    error: str


@dataclass(frozen=True)
class Preview:
    """`note` says why there is nothing to see, if so."""

    key: str
    fields: Sequence[Tried] = ()
    in_target: bool = False
    note: str = ""


@dataclass(frozen=True)
class Touched:
    """How many records a change would send again. Exact when every record was looked at, else estimated from the
    first `looked_at` of `of` linked ones. `failing` could not be read or expressed in at least one field."""

    records: int
    exact: bool
    looked_at: int
    of: int
    failing: int = 0

    @property
    def words(self) -> str:
        if self.exact:
            return f"{self.records:,} of {self.of:,} records would be sent again (every record was looked at)."
        return (
            f"About {self.records:,} of {self.of:,} records would be sent again: an estimate from the first "
            f"{self.looked_at:,}."
        )


def _tried_out(flow: Flow, fields: Sequence[ExtraField], limits: Callable[[str], Limits]) -> Route:
    """The flow as it would be with these fields. Nothing of it is stored."""
    number = (field_mappings.draft(flow) or field_mappings.active(flow) or FieldMapping(number=1)).number
    version = FieldMapping(**field_mappings.of(flow), number=number, fields=msgspec.to_builtins(fields))
    return flows.open_route(flow, limits(flow.source), limits(flow.target), version)


def preview(flow: Flow, fields: Sequence[ExtraField], key: str = "") -> Preview:
    """These fields on one real record: the one with this key, or the first that the source gives. Reads only; raises
    ConnectorError."""
    if not fields:
        return Preview(key, note="There is no field to try.")
    route = _tried_out(flow, fields, limits_for_a_person)
    row = _row(route, key)
    if row is None:
        return Preview(key, note="The source has no record with this key." if key else "The source has no record.")
    try:
        record = route.stream.map(row).record
    except RecordError as error:
        return Preview(key, note=f"This record cannot be mapped at all: {error.message}")
    if isinstance(record, Gone | Excluded):
        return Preview(record.key, note="This record is not sent: it is archived, merged or kept out by a rule.")
    columns = route.source.extend(flow.stream, {one.source: one.reader for one in fields})  # type: ignore[attr-defined]  # _tried_out has checked it
    held = route.sink.look(flow.entity, [record.key]).get(record.key) if route.inlet.readable else None
    found = columns(row)
    would, faults = _would_show(route, record)
    tried = [_tried(one, found, would, faults, held.fields if held else None) for one in fields]
    return Preview(record.key, tried, held is not None)


def _row(route: Route, key: str) -> Row | None:
    pages = route.source.fetch(route.flow.stream, [key]) if key else route.source.read(route.flow.stream, "", "")
    for page in pages:
        for row in page.rows:
            if key or not _is_gone(route, row):
                return row
    return None


def _is_gone(route: Route, row: Row) -> bool:
    try:
        return isinstance(route.stream.map(row).record, Gone | Excluded)
    except RecordError:
        return True


def _would_show(route: Route, record: Record) -> tuple[Mapping[str, str], Sequence[Fault]]:
    """Field → value as the target will show it, and what it cannot hold."""
    try:
        payload, faults = route.inlet.encode(record, Known())
    except RecordError as error:
        return {}, [Fault(error.kind, "", error.message)]
    shown = dict(route.inlet.expected(payload)) if route.inlet.expected else {}
    return {**shown, **(route.inlet.beside(record) if route.inlet.beside else {})}, faults


def _tried(
    one: ExtraField,
    found: Mapping[str, object],
    would: Mapping[str, str],
    faults: Sequence[Fault],
    held: Mapping[str, str] | None,
) -> Tried:
    raw = found.get(one.source)
    source = "" if raw is None else str(raw)
    has = held.get(one.name, "") if held is not None else ""
    written = one.owner == ERP
    if one.source not in found:
        return Tried(one, "", "", "", has, None, False, "The record has no such column; the field is left out.")
    try:
        value = read(one, raw)
    except RecordError as error:
        return Tried(one, source, "", "", has, None, False, f"{error.message} The field is left out.")
    fault = next((fault for fault in faults if fault.field in ("", one.name)), None)
    if fault or one.name not in would:
        return Tried(one, source, value, "", has, None, False, fault.message if fault else "The target cannot hold it.")
    sent = would[one.name]
    equal = same(one, sent, has) if held is not None else None
    return Tried(one, source, value, sent if written else "", has, equal, written, "")


def touched(flow: Flow, fields: Sequence[ExtraField], most: int = SAMPLE) -> Touched:
    """How many records these fields would send again. Reads at most `most` records for at most SAMPLE_SECONDS and
    sends nothing; raises ConnectorError."""
    route = _tried_out(flow, fields, limits_for)
    digest = digester(route.sent_version)
    ends = time.monotonic() + SAMPLE_SECONDS
    linked = CrossReference.objects.filter(flow=flow).exclude(sent_digest=None)
    looked, changed, failing = set[str](), set[str](), set[str]()
    complete = True
    for page in route.source.read(flow.stream, "", ""):
        rows = page.rows[: most - len(looked)]
        bodies = _bodies(route, rows)
        sent = dict(linked.filter(source_id__in=list(bodies)).values_list("source_id", "sent_digest"))
        # A read may give a record again (what changed while it went on): it counts once, as it was last.
        looked |= bodies.keys()
        changed -= bodies.keys()
        changed |= {key for key, before in sent.items() if bytes_of(before) != digest(bodies[key].body)}
        failing -= bodies.keys()
        failing |= {key for key, body in bodies.items() if body.failing}
        whole = len(rows) == len(page.rows)
        if not whole or (len(looked) >= most and page.watermark is None) or time.monotonic() > ends:
            complete = whole and page.watermark is not None
            break
    of, records = linked.count(), len(changed)
    if not complete and looked:
        records = round(records * of / len(looked))
    return Touched(records, complete, len(looked), of, len(failing))


def bytes_of(digest: Any) -> bytes:
    """A digest as it is computed, whatever the database gives back."""
    return digest.bytes if hasattr(digest, "bytes") else bytes(digest)


class _Body(NamedTuple):
    """What would be sent of a record; `failing` is whether it loses a field of the site's own by a value."""

    body: bytes
    failing: bool


def _bodies(route: Route, rows: Sequence[Row]) -> dict[str, _Body]:
    """By key; records that are not sent, or cannot be, are absent."""
    own = {one.name for one in route.extra}
    bodies = {}
    for row in rows:
        try:
            mapped = route.stream.map(row)
            if isinstance(mapped.record, Gone | Excluded):
                continue
            payload, faults = route.inlet.encode(mapped.record, Known())
        except RecordError:
            continue
        failing = any(fault.field in own for fault in (*mapped.faults, *faults))
        bodies[mapped.record.key] = _Body(payload.body, failing)
    return bodies
