"""Compares a segment's members at the target with whom the ERP's truth puts into it, and says why they differ.

A check reads all customers of the ERP once and needs memory for the segment's members and the wrong people only.
What is stored of a person is ids and the names of fields, never a value.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, Protocol, cast

from django.contrib.auth.models import User
from django.db import transaction

from connectors.base import Known, Segment
from connectors.errors import ConnectorError, RecordError
from connectors.records import Customer
from sync import clock, flows, history, segments, storage
from sync.catalogue import OPEN_ISSUES, LinkState
from sync.flows import Route
from sync.limits import limits_for
from sync.models import CrossReference, Flow, SegmentCheck, SegmentFinding, SyncIssue

LOOK = 1_000
MOST_LOOKED_AT = 20_000
"""People whose values at the target are read to name the field that differs."""
ABANDONED = timedelta(minutes=30)
LISTING = ""
"""The segment id of a check that only lists the segments; its `criteria` hold the list."""

CAUSES = {
    "contact_missing": "No contact in Emarsys",
    "field_drift": "Value differs in Emarsys",
    "rejected": "Refused by Emarsys",
    "held": "Held back",
    "excluded": "Excluded by a rule",
    "archived": "Archived",
    "orphan": "Contact without an ERP customer",
    "gone": "Customer no longer in the ERP",
    "timing": "Agrees now: changed after Emarsys evaluated the segment",
}


class SegmentSink(Protocol):
    """What a sink with segments offers beyond base.Sink."""

    def segments(self) -> Sequence[Segment]: ...
    def members(self, segment: str) -> Iterator[Sequence[str]]: ...


@dataclass
class Person:
    """Somebody on the wrong side; `fields` are the canonical values the target should hold."""

    direction: str
    source_id: str = ""
    target_id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    cause: str = ""
    differing: tuple[str, ...] = ()
    issue: int | None = None


def connections_with_segments() -> list[str]:
    """The targets of the customer flows."""
    return sorted(set(Flow.objects.filter(entity="customer").values_list("target", flat=True)))


def ask(connection: str, user: User, segment_id: str = LISTING, name: str = "") -> SegmentCheck:
    """A queued check, or the one that is under way already. Ring the worker with tasks.segment_check."""
    fresh = clock.now() - ABANDONED
    active = SegmentCheck.objects.filter(
        connection=connection, segment_id=segment_id, state__in=["queued", "running"], created_at__gt=fresh
    ).first()
    if active:
        return active
    with transaction.atomic():
        check = SegmentCheck.objects.create(
            connection=connection, segment_id=segment_id, name=name or "List of segments", asked_by=user
        )
        history.record("check segment", check, actor=user, after={"segment": segment_id, "name": name})
    return check


def due() -> list[int]:
    """Checks that were asked for and nobody has begun."""
    waiting = clock.now() - timedelta(seconds=10)
    found = SegmentCheck.objects.filter(state="queued", created_at__lt=waiting)
    return list(found.values_list("pk", flat=True))


def listed(connection: str) -> tuple[list[dict[str, Any]], SegmentCheck | None]:
    """The segments as the last listing saw them, and that listing."""
    last = SegmentCheck.objects.filter(connection=connection, segment_id=LISTING, state="completed").first()
    return (last.criteria.get("segments", []) if last else []), last


def run(check_id: int) -> None:
    """Does the check, once; what goes wrong is written down in words."""
    if not SegmentCheck.objects.filter(pk=check_id, state="queued").update(state="running"):
        return
    check = SegmentCheck.objects.get(pk=check_id)
    try:
        _list(check) if check.segment_id == LISTING else _check(check)
    except ConnectorError as error:
        _end(check, "failed", message=f"{error.message} {error.remedy}".strip())
    except Exception as error:
        _end(check, "failed", message=f"{type(error).__name__}: a developer must look at the worker's log.")
        raise


def _end(check: SegmentCheck, state: str, **values: Any) -> None:
    for name, value in {**values, "state": state, "finished_at": clock.now()}.items():
        setattr(check, name, value)
    check.save()


def _routes(connection: str) -> list[Route]:
    found = Flow.objects.filter(target=connection, entity="customer").order_by("pk")
    return [flows.open_route(flow, limits_for(flow.source), limits_for(flow.target)) for flow in found]


def _sink(route: Route) -> SegmentSink:
    return cast(SegmentSink, route.sink)


def _list(check: SegmentCheck) -> None:
    route = _routes(check.connection)[0]
    owned = route.inlet.fields
    found = [
        {
            "id": one.id,
            "name": one.name,
            "kind": one.kind,
            "criteria": one.criteria,
            "why_not": segments.why_not_readable(one.criteria, owned),
        }
        for one in _sink(route).segments()
    ]
    _end(check, "completed", criteria={"segments": found}, members=len(found))


def _check(check: SegmentCheck) -> None:
    routes = _routes(check.connection)
    segment = next((one for one in _sink(routes[0]).segments() if one.id == check.segment_id), None)
    if segment is None:
        _end(check, "failed", message="Emarsys has no such segment any more.")
        return
    check.name, check.criteria = segment.name, dict(segment.criteria or {})
    check.why_not = segments.why_not_readable(segment.criteria, routes[0].inlet.fields)
    check.readable = not check.why_not
    members = {target_id for page in _sink(routes[0]).members(segment.id) for target_id in page}
    if not check.readable:
        _end(check, "completed", members=len(members))
        return
    labels: dict[str, dict[str, str]] = {}
    expected, wrong = _compare(routes, check.criteria, members, labels)
    check.criteria = {**check.criteria, "labels": labels}
    _store(check, len(members), expected, wrong, routes)


def _compare(
    routes: Sequence[Route], criteria: segments.Criteria, members: set[str], labels: dict[str, dict[str, str]]
) -> tuple[int, list[Person]]:
    """How many belong in, and who is on the wrong side, each with its cause."""
    expected, wrong, unclaimed = 0, [], set(members)
    for route in routes:
        owners = _owners(route, members)
        unclaimed -= set(owners.values())
        count, people = _one_route(route, criteria, owners, labels)
        expected += count
        _explain(route, criteria, people)
        wrong += people
    wrong += [Person("extra", target_id=one, cause="orphan") for one in sorted(unclaimed)]
    return expected, wrong


def _owners(route: Route, members: Iterable[str]) -> dict[str, str]:
    """Source id → target id of the members that a customer of this flow owns."""
    rows = storage.fetch(
        CrossReference,
        ["source_id", "target_id"],
        "target_id",
        sorted(members),
        "flow_id = %s AND state <> %s",
        [route.flow.pk, LinkState.SUPERSEDED.value],
    )
    return dict(rows)


def _labels(stored: segments.Values, shown: Mapping[str, str], labels: dict[str, dict[str, str]]) -> None:
    """Choice ids in the criteria become words: what the target stores beside what it shows."""
    for name, value in stored.items():
        words = shown.get(segments.canonical(name), "")
        if value and words and words != value:
            labels.setdefault(name, {})[value] = words


def _one_route(
    route: Route, criteria: segments.Criteria, owners: Mapping[str, str], labels: dict[str, dict[str, str]]
) -> tuple[int, list[Person]]:
    """Reads the ERP's customers once."""
    expected, wrong, left = 0, [], dict(owners)
    for key, stored, shown in _customers(route, criteria):
        _labels(stored, shown, labels)
        belongs, target_id = segments.evaluate(criteria, stored), left.pop(key, "")
        expected += belongs
        if belongs != (key in owners):
            wrong.append(Person("missing" if belongs else "extra", key, target_id, shown))
    wrong += [Person("extra", key, target_id, cause="gone") for key, target_id in left.items()]
    return expected, wrong


def _customers(route: Route, criteria: segments.Criteria) -> Iterator[tuple[str, segments.Values, Mapping[str, str]]]:
    """Each customer's key, its values as the target would store them, and as it would show them."""
    names = set(segments.fields_read(criteria))
    numbers = {name: route.inlet.fields[segments.canonical(name)] for name in names}
    for page in route.source.read(route.flow.stream, ""):
        for row in page.rows:
            try:
                record = route.stream.map(row).record
                if not isinstance(record, Customer):
                    continue
                encoded, _ = route.inlet.encode(record, Known())
            except RecordError:
                continue
            body = json.loads(encoded.body)
            shown = route.inlet.expected(encoded) if route.inlet.expected else {}
            stored = {name: str(body.get(number) or "") for name, number in numbers.items()}
            yield (
                record.key,
                stored,
                {segments.canonical(name): shown.get(segments.canonical(name), "") for name in names},
            )


def _explain(route: Route, criteria: segments.Criteria, people: Sequence[Person]) -> None:
    """The cause of each: no contact, its link's state, or the fields that differ right now."""
    asked = [person for person in people if not person.cause]
    rows = storage.fetch(
        CrossReference,
        ["source_id", "target_id", "state"],
        "source_id",
        [person.source_id for person in asked],
        "flow_id = %s AND state <> %s",
        [route.flow.pk, LinkState.SUPERSEDED.value],
    )
    links = {source_id: (target_id, state) for source_id, target_id, state in rows}
    linked = []
    for person in asked:
        person.target_id, person.state = links.get(person.source_id, ("", ""))
        if not person.target_id:
            person.cause = person.state if person.state in CAUSES else "contact_missing"
        else:
            linked.append(person)
    _look(route, linked)


def _look(route: Route, people: Sequence[Person]) -> None:
    todo = iter(people[:MOST_LOOKED_AT])
    while chunk := list(islice(todo, LOOK)):
        found = route.sink.look(route.flow.entity, [person.source_id for person in chunk])
        for person in chunk:
            _judge(person, found.get(person.source_id))
    for person in people[MOST_LOOKED_AT:]:
        person.cause = person.state if person.state in CAUSES else "field_drift"


def _judge(person: Person, observed: Any) -> None:
    if observed is None:
        person.cause = "contact_missing"
        return
    held = observed.fields
    person.differing = tuple(sorted(name for name, value in person.fields.items() if held.get(name, "") != value))
    if person.differing:
        person.cause = "field_drift"
    else:
        person.cause = person.state if person.state in CAUSES else "timing"


def _store(check: SegmentCheck, members: int, expected: int, wrong: Sequence[Person], routes: Sequence[Route]) -> None:
    """Findings and figures in one transaction; a repeated check replaces its own."""
    flow_ids = [route.flow.pk for route in routes]
    issues = _issues(flow_ids, wrong)
    for person in wrong:
        person.issue, person.cause = _explained(person, issues)
    with transaction.atomic():
        check.findings.all().delete()
        SegmentFinding.objects.bulk_create(
            [
                SegmentFinding(
                    check_run=check,
                    direction=person.direction,
                    source_id=person.source_id,
                    target_id=person.target_id,
                    cause=person.cause,
                    message=", ".join(person.differing),
                    issue_id=person.issue,
                )
                for person in wrong
            ],
            batch_size=1_000,
        )
        missing = sum(person.direction == "missing" for person in wrong)
        figures = {"members": members, "expected": expected, "missing": missing, "extra": len(wrong) - missing}
        _end(check, "completed", **figures)


Best = dict[tuple[str, str], tuple[int, str]]
"""(source id, "") or ("", target id) → the exception and its kind."""


def _explained(person: Person, issues: Best) -> tuple[int | None, str]:
    """The exception behind a wrong person; where there is no contact, its kind is the better cause."""
    found = issues.get((person.source_id, "")) if person.source_id else None
    found = found or issues.get(("", person.target_id))
    if found is None:
        return None, person.cause
    pk, kind = found
    known = {"missing_in_target": "contact_missing", "orphan": "orphan"}
    return pk, known.get(kind, kind) if person.cause in ("contact_missing", "orphan") else person.cause


def _issues(flow_ids: Sequence[int], wrong: Sequence[Person]) -> Best:
    """The open exception that explains each person best: of a field that differs, else the newest."""
    differing = {person.source_id: person.differing for person in wrong if person.source_id}
    orphans = {person.target_id for person in wrong if not person.source_id}
    best: Best = {}
    for pk, kind, source_id, name in _open("source_id", list(differing), flow_ids):
        key = (source_id, "")
        if key not in best or name in differing[source_id]:
            best[key] = pk, kind
    for pk, kind, target_id, _ in _open("target_id", sorted(orphans), flow_ids):
        best["", target_id] = pk, kind
    for pk, details in _duplicates(flow_ids) if orphans - {target_id for _, target_id in best} else ():
        for target_id in orphans.intersection(details.get("contacts", [])):
            best.setdefault(("", target_id), (pk, "duplicate_in_target"))
    return best


def _open(column: str, keys: Sequence[str], flow_ids: Sequence[int]) -> Iterator[tuple[int, str, str, str]]:
    for flow_id in flow_ids:
        where = "flow_id = %s AND state IN ('open', 'retrying')"
        yield from storage.fetch(SyncIssue, ["id", "kind", column, "field"], column, keys, where, [flow_id])


def _duplicates(flow_ids: Sequence[int]) -> Iterable[tuple[int, dict[str, Any]]]:
    """Contacts that share a customer are listed in its exception, not linked."""
    found = SyncIssue.objects.filter(flow_id__in=flow_ids, kind="duplicate_in_target", state__in=OPEN_ISSUES)
    return found.values_list("pk", "details")
