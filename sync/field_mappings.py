"""A site's own fields of a flow: draft, check, try on a real record, count what a change touches, activate."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec
from django.db import transaction

from connectors.base import Change, Excluded, Fault, Gone, Known, Row, Unlimited
from connectors.errors import ConnectorError, RecordError
from connectors.extra import (
    ERP,
    OWNERS,
    PERSONAL_READERS,
    READERS,
    RULES,
    ExtraField,
    OffersColumns,
    SourceColumn,
    TakesFields,
    TargetField,
    is_path,
    read,
    same,
)
from connectors.records import Record
from sync import clock, flows, history, runs
from sync.digests import digester
from sync.flows import Route
from sync.models import CrossReference, FieldMapping, Flow, SyncRun
from sync.models.field_mapping import ACTIVE, DRAFT, RETIRED

MOST_FIELDS = 100
SAMPLE, SAMPLE_SECONDS = 2_000, 10.0


class NotPossibleError(Exception):
    """What was asked for cannot be done now; says why and what to do instead."""


class Problem(NamedTuple):
    """What is wrong with a row (from 1; 0: with the whole mapping), and with which of its cells."""

    row: int
    cell: str
    message: str

    def __str__(self) -> str:
        return f"Row {self.row}, {self.cell}: {self.message}" if self.row else self.message


@dataclass(frozen=True)
class Offer:
    """What both systems have, as they were asked just now. `standard` is the mapping in code: (canonical field,
    column of the source, id and name of the target's field)."""

    columns: Sequence[SourceColumn]
    targets: Sequence[TargetField]
    standard: Sequence[tuple[str, str, str, str]]
    change: Change
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    complete: bool = True
    """Whether the source has no columns but these."""

    @property
    def free(self) -> list[TargetField]:
        """The target's fields that nothing else writes and that we can write."""
        return [one for one in self.targets if one.kind and not one.standard]


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


# ----------------------------------------------------------------------------------------------------- versions


def _of(flow: Flow) -> dict[str, str]:
    return {"source": flow.source, "stream": flow.stream, "target": flow.target}


def active(flow: Flow) -> FieldMapping | None:
    return flows.active_fields(flow)


def draft(flow: Flow) -> FieldMapping | None:
    return FieldMapping.objects.filter(**_of(flow), state=DRAFT).first()


def versions(flow: Flow) -> list[FieldMapping]:
    """Newest first."""
    return list(FieldMapping.objects.filter(**_of(flow)).select_related("created_by", "activated_by"))


def fields_of(version: FieldMapping | None) -> list[ExtraField]:
    return flows.extra_fields(version) if version else []


def possible(flow: Flow) -> bool:
    """Whether both ends of the flow know fields of the site's own. Makes no call."""
    try:
        source, sink = flows.ends(flow, Unlimited(), Unlimited())
    except ConnectorError:
        return False
    return _extendable(flow, source, sink)


def _extendable(flow: Flow, source: object, sink: object) -> bool:
    return (
        isinstance(source, OffersColumns)
        and isinstance(sink, TakesFields)
        and flow.stream in source.extendable_streams
        and flow.entity in sink.extendable_inlets
    )


def save(
    flow: Flow, rows: Sequence[Mapping[str, Any]], note: str, user: Any
) -> tuple[FieldMapping | None, list[Problem]]:
    """Stores the draft; with problems nothing is stored and they are given back. Raises ConnectorError."""
    fields, problems = parsed(rows)
    problems = problems or check(flow, fields, offer(flow, fields))
    if problems:
        return None, problems
    with transaction.atomic():
        Flow.objects.select_for_update().get(pk=flow.pk)
        stored = draft(flow)
        latest = FieldMapping.objects.filter(**_of(flow)).exclude(state=DRAFT).order_by("-number").first()
        before = names(stored or active(flow))
        if stored is None:
            stored = FieldMapping(**_of(flow), number=latest.number + 1 if latest else 1)
        stored.fields, stored.note = msgspec.to_builtins(fields), note
        stored.created_by, stored.created_at = _person(user), clock.now()
        stored.save()
        after = {"version": stored.number, "fields": names(stored)}
        history.record("save field mapping", flow, actor=user, before={"fields": before}, after=after, reason=note)
    return stored, []


def discard(flow: Flow, user: Any) -> bool:
    with transaction.atomic():
        deleted, _ = FieldMapping.objects.filter(**_of(flow), state=DRAFT).delete()
        if deleted:
            history.record("discard field mapping draft", flow, actor=user)
    return bool(deleted)


def activate(flow: Flow, user: Any, why: str, *, number: int | None = None, read_now: bool = False) -> SyncRun | None:
    """Puts the draft in force (the one with this number, if given); the version before stays as history. With
    `read_now` a full read is queued, which is given back. Raises NotPossibleError."""
    if not why.strip():
        raise NotPossibleError("Say why the mapping changes: colleagues will ask.")
    with transaction.atomic():
        Flow.objects.select_for_update().get(pk=flow.pk)
        chosen = draft(flow)
        if chosen is None or number not in (None, chosen.number):
            raise NotPossibleError("This draft is not there any more: somebody activated or discarded it.")
        busy = runs.active(flow) if read_now else None
        if busy is not None:  # it keeps the version that it began with, and no second one can be queued
            raise NotPossibleError(
                f"Run {busy.pk} is under way, so that no full read can be queued: wait for its end or cancel it, "
                "or activate without a full read."
            )
        before = active(flow)
        FieldMapping.objects.filter(**_of(flow), state=ACTIVE).update(state=RETIRED)
        chosen.state, chosen.note = ACTIVE, why[:300]
        chosen.activated_by, chosen.activated_at = _person(user), clock.now()
        chosen.save()
        history.record(
            "activate field mapping",
            flow,
            actor=user,
            before={"version": before.number if before else 0, "fields": names(before)},
            after={"version": chosen.number, "fields": names(chosen)},
            reason=why,
        )
    return runs.start(flow, user=user, full=True) if read_now else None


def names(version: FieldMapping | None) -> list[str]:
    """The rows as the audit trail keeps them: columns and fields, never values of people."""
    return [
        f"{one.source} → {one.name} ({one.target}), {one.reader}, {one.owner}, {one.rule}" for one in fields_of(version)
    ]


def _person(user: Any) -> Any:
    return user if getattr(user, "is_authenticated", False) else None


def what_follows(change: Change, running: bool = False) -> str:
    """When the records follow an activated version, in words."""
    kept = " The run under way keeps the version it began with." if running else ""
    if change is Change.SCAN:
        return f"The next run reads every record anyway and sends those that the change touches.{kept}"
    return (
        "Runs of this flow read only what changed in the source: until a full read, older records keep what they have "
        f"in the target.{kept}"
    )


# --------------------------------------------------------------------------------------------------- validation


def parsed(rows: Sequence[Mapping[str, Any]]) -> tuple[list[ExtraField], list[Problem]]:
    """The rows as fields, and the rows that are none."""
    fields, problems = [], []
    for number, row in enumerate(rows, 1):
        try:
            fields.append(msgspec.convert(dict(row), ExtraField))
        except (msgspec.ValidationError, TypeError) as error:
            problems.append(Problem(number, "row", f"Not a field: {error}"))
    return fields, problems


def offer(flow: Flow, fields: Sequence[ExtraField] = ()) -> Offer:
    """Asks both systems what they have. Raises ConnectorError, and NotPossibleError for flows without own fields."""
    route = flows.open_route(flow, Unlimited(), Unlimited(), None)
    if not _extendable(flow, route.source, route.sink):
        raise NotPossibleError(f"{flow.name} takes no fields of the site's own.")
    source, sink = route.source, route.sink
    assert isinstance(source, OffersColumns)
    assert isinstance(sink, TakesFields)
    targets = sink.offered(flow.entity)
    by_id = {one.id: one for one in targets}
    read_from = source.standard(flow.stream)
    standard = [
        (name, read_from.get(name, ""), number, by_id[number].name if number in by_id else "")
        for name, number in route.inlet.fields.items()
    ]
    asked = {one.target for one in fields if one.target in by_id and by_id[one.target].kind == "choice"}
    choices = {number: sink.choices(flow.entity, number) for number in sorted(asked)}
    columns = source.columns(flow.stream)
    return Offer(columns, targets, standard, route.stream.change, choices, bool(columns) and source.tells_all_columns)


def check(flow: Flow, fields: Sequence[ExtraField], known: Offer) -> list[Problem]:
    """Everything that is wrong with these rows, in words for whoever edits them."""
    problems = []
    if len(fields) > MOST_FIELDS:
        problems.append(Problem(0, "", f"More than {MOST_FIELDS} fields; that is no list of extra fields any more."))
    for number, one in enumerate(fields, 1):
        found = [*_source_problems(one, known), *_target_problems(flow, one, known), *_value_problems(one, known)]
        problems += [Problem(number, cell, message) for cell, message in found]
    for cell in ("target", "name"):
        seen: dict[str, int] = {}
        for number, one in enumerate(fields, 1):
            first = seen.setdefault(getattr(one, cell).casefold(), number)
            if first != number:
                problems.append(Problem(number, cell, f"Row {first} goes to the same field; one field, one row."))
                break
    return problems


def _source_problems(one: ExtraField, known: Offer) -> list[tuple[str, str]]:
    if not is_path(one.source):
        return [("source", f"{one.source[:60]!r} is no name of a column: letters, digits and _ are all it may have.")]
    if not known.complete:
        return []
    if one.source.casefold() not in {column.name.casefold() for column in known.columns}:
        alike = [column.name for column in known.columns if _alike(column.name, one.source)][:5]
        hint = f" Similar: {', '.join(alike)}." if alike else ""
        return [("source", f"The source has no column {one.source}.{hint}")]
    exact = {column.name for column in known.columns}
    if one.source not in exact:
        spelled = next(name for name in exact if name.casefold() == one.source.casefold())
        return [("source", f"Write it as the source does: {spelled}.")]
    return []


def _alike(name: str, other: str) -> bool:
    return name.casefold()[:4] == other.casefold()[:4] or other.casefold() in name.casefold()


def _target_problems(flow: Flow, one: ExtraField, known: Offer) -> list[tuple[str, str]]:
    found = next((target for target in known.targets if target.id == one.target), None)
    if found is None:
        return [("target", f"{flow.target} has no field {one.target or 'without an id'}; choose one from the list.")]
    if found.standard:
        called = found.standard.replace("_", " ")
        return [
            ("target", f"{found.name} is written by the standard mapping ({called}); an extra field cannot own it.")
        ]
    if not found.kind:
        return [("target", f"{found.name} is of a type that cannot be written from here.")]
    problems = []
    if one.name != found.name:
        problems.append(("name", f"The field is called {found.name} in {flow.target}."))
    if one.name in {name for name, *_ in known.standard} | {"external_id", "opt_in"}:
        problems.append(("name", "A field of the standard mapping has this name; rename the field in the target."))
    if one.reader in READERS and found.kind not in READERS[one.reader].fits:
        label = READERS[one.reader].label.lower()
        problems.append(("reader", f"{found.name} holds {_KINDS[found.kind]}; {label} does not fit it."))
    return problems


_KINDS = {"text": "text", "number": "numbers", "date": "dates", "choice": "one of its choices"}


def _value_problems(one: ExtraField, known: Offer) -> list[tuple[str, str]]:
    problems = []
    if one.reader not in READERS:
        problems.append(("reader", f"There is no reader {one.reader!r}; there are {', '.join(READERS)}."))
    if one.owner not in OWNERS:
        problems.append(("owner", f"The owner is {' or '.join(OWNERS)}."))
    if one.rule not in RULES:
        problems.append(("rule", f"There is no rule {one.rule!r}; there are {', '.join(RULES)}."))
    if not _tolerable(one.tolerance):
        problems.append(("tolerance", "The tolerance is a number from 0 upwards."))
    elif one.rule != "number" and Decimal(one.tolerance):
        problems.append(("tolerance", "Only numbers are compared with a tolerance."))
    if one.reader == "choice" and not one.table:
        problems.append(("table", "A code needs a table: one code = meaning a line."))
    if one.reader in PERSONAL_READERS and not one.personal:
        problems.append(("personal", "An e-mail address or a phone number is always personal: mark it so."))
    if one.region and not (len(one.region) == 2 and one.region.isascii() and one.region.isupper()):
        problems.append(("region", "A country is two capital letters, GB for one."))
    labels = {label.strip().casefold() for label in known.choices.get(one.target, ())}
    lacking = [
        meaning for meaning in one.table.values() if meaning.strip() and meaning.strip().casefold() not in labels
    ]
    if labels and lacking:
        problems.append(("table", f"The field has no choice {lacking[0]!r} in the target."))
    return problems


def _tolerable(text: str) -> bool:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return False
    return found.is_finite() and found >= 0


# ------------------------------------------------------------------------------------------- trying and counting


def _tried_out(flow: Flow, fields: Sequence[ExtraField]) -> Route:
    """The flow as it would be with these fields. Nothing of it is stored."""
    number = (draft(flow) or active(flow) or FieldMapping(number=1)).number
    return flows.open_route(
        flow, Unlimited(), Unlimited(), FieldMapping(**_of(flow), number=number, fields=msgspec.to_builtins(fields))
    )


def preview(flow: Flow, fields: Sequence[ExtraField], key: str = "") -> Preview:
    """These fields on one real record: the one with this key, or the first that the source gives. Reads only; raises
    ConnectorError."""
    if not fields:
        return Preview(key, note="There is no field to try.")
    route = _tried_out(flow, fields)
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
    route = _tried_out(flow, fields)
    digest = digester(route.sent_version)
    ends = time.monotonic() + SAMPLE_SECONDS
    linked = CrossReference.objects.filter(flow=flow).exclude(sent_digest=None)
    looked = changed = failing = 0
    complete = True
    for page in route.source.read(flow.stream, "", ""):
        rows = page.rows[: most - looked]
        bodies, failed = _bodies(route, rows)
        sent = dict(linked.filter(source_id__in=list(bodies)).values_list("source_id", "sent_digest"))
        changed += sum(bytes_of(before) != digest(bodies[key]) for key, before in sent.items())
        looked, failing = looked + len(rows), failing + failed
        if len(rows) < len(page.rows) or (looked >= most and page.watermark is None) or time.monotonic() > ends:
            complete = len(rows) == len(page.rows) and page.watermark is not None
            break
    of = linked.count()
    if complete or not looked:
        return Touched(changed, complete, looked, of, failing)
    return Touched(round(changed * of / looked), False, looked, of, failing)


def bytes_of(digest: Any) -> bytes:
    """A digest as it is computed, whatever the database gives back."""
    return digest.bytes if hasattr(digest, "bytes") else bytes(digest)


def _bodies(route: Route, rows: Sequence[Row]) -> tuple[dict[str, bytes], int]:
    """Key → what would be sent; and how many records lose a field of the site's own by a value."""
    own = {one.name for one in route.extra}
    bodies, failing = {}, 0
    for row in rows:
        try:
            mapped = route.stream.map(row)
            if isinstance(mapped.record, Gone | Excluded):
                continue
            payload, faults = route.inlet.encode(mapped.record, Known())
        except RecordError:
            continue
        bodies[mapped.record.key] = payload.body
        failing += any(fault.field in own for fault in (*mapped.faults, *faults))
    return bodies, failing
