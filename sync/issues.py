"""Opens and closes exceptions, set-based: a page with a thousand problems costs as many queries as one."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q

from sync import catalogue, clock, reading, storage
from sync.catalogue import OPEN_ISSUES, IssueState
from sync.models import Flow, SyncIssue
from sync.storage.fitting import clean_json, cleaned, fitting_key

TABLE = storage.table(
    SyncIssue,
    [
        "flow_id",
        "entity",
        "source_id",
        "target_id",
        "kind",
        "field",
        "state",
        "message",
        "erp_value",
        "target_value",
        "details",
        "records",
        "money",
        "currency",
        "blocked_by",
        "team",
        "due_at",
        "occurrences",
        "regressed",
        "first_seen_at",
        "last_seen_at",
        "resolution",
        "run_id",
        "delivery_id",
    ],
    conflict=("flow_id", "source_id", "target_id", "kind", "field"),
    condition="state IN ('open', 'retrying')",
    update=(
        "state",
        "message",
        "erp_value",
        "target_value",
        "details",
        "records",
        "money",
        "currency",
        "last_seen_at",
        "run_id",
        "delivery_id",
    ),
    add=("occurrences",),
)
Key = tuple[str, str, str, str]
"""source id, target id, kind, field"""
OpenKey = tuple[int, str, str, str, str]
"""id, source id, target id, kind, field"""


@dataclasses.dataclass
class Finding:
    """A problem that was seen. Values are as the two systems show them; money is signed in `currency`."""

    kind: str
    source_id: str = ""
    field: str = ""
    message: str = ""
    erp_value: str = ""
    target_value: str = ""
    target_id: str = ""
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    records: int = 1
    money: Decimal | None = None
    currency: str = ""
    blocked_by: str = ""
    delivery_id: int | None = None

    @property
    def key(self) -> Key:
        return (self.source_id, self.target_id, self.kind, self.field)


REFUSED = ("duplicate_in_target", "contact")
"""A customer that was not sent, as several contacts could be meant."""


def raise_all(flow: Flow, run_id: int | None, findings: Iterable[Finding]) -> int:
    """Opens these, or counts another occurrence. What people waived stays waived until a value changes."""
    unique = {finding.key: finding for finding in map(_fitting, findings)}
    if not unique:
        return 0
    past = _past(flow, {finding.source_id for finding in unique.values()})
    named = _named(flow, unique.values())
    opened = [
        finding
        for finding in unique.values()
        if not _waived(past.get(finding.key), finding)
        and not (finding.key[2:] == REFUSED and finding.source_id in named)
    ]
    now = clock.now()
    storage.upsert(TABLE, [_row(flow, run_id, finding, finding.key in past, now) for finding in opened])
    return len(opened)


def _fitting(finding: Finding) -> Finding:
    """As the columns hold it: whatever a system or a person wrote, the exception is kept."""
    return dataclasses.replace(
        finding,
        kind=cleaned(finding.kind, 40),
        source_id=fitting_key(finding.source_id),
        field=cleaned(finding.field, 60),
        message=cleaned(finding.message),
        erp_value=cleaned(finding.erp_value, 300),
        target_value=cleaned(finding.target_value, 300),
        target_id=fitting_key(finding.target_id, 60),
        details=clean_json(finding.details),
        blocked_by=fitting_key(finding.blocked_by),
        currency=cleaned(finding.currency, 3),
    )


def _named(flow: Flow, findings: Iterable[Finding]) -> set[str]:
    """Of the customers that could not be sent for their several contacts: those whose contacts a comparison has
    named already. One problem is one exception."""
    refused = [finding.source_id for finding in findings if finding.key[2:] == REFUSED]
    if not refused:
        return set()
    doubles = [key for key in open_keys(flow, refused) if key[3] == REFUSED[0]]
    return {source_id for _, source_id, _, _, field in doubles if field != REFUSED[1]}


def _past(flow: Flow, source_ids: set[str]) -> dict[Key, tuple[str, str, str]]:
    rows = storage.fetch(
        SyncIssue,
        ["source_id", "target_id", "kind", "field", "state", "erp_value", "target_value"],
        "source_id",
        sorted(source_ids),
        "flow_id = %s AND state IN ('waived', 'resolved') ORDER BY id",
        [flow.pk],
    )
    return {(row[0], row[1], row[2], row[3]): (row[4], row[5], row[6]) for row in rows}


def _waived(past: tuple[str, str, str] | None, finding: Finding) -> bool:
    return past == (IssueState.WAIVED, finding.erp_value[:300], finding.target_value[:300])


def _row(flow: Flow, run_id: int | None, finding: Finding, regressed: bool, now: Any) -> tuple[Any, ...]:
    team = catalogue.team(finding.kind, flow.entity)
    return (
        flow.pk,
        flow.entity,
        finding.source_id,
        finding.target_id,
        finding.kind,
        finding.field,
        IssueState.OPEN.value,
        finding.message,
        finding.erp_value[:300],
        finding.target_value[:300],
        json.dumps(finding.details),
        finding.records,
        finding.money,
        finding.currency,
        finding.blocked_by,
        team.value,
        now + timedelta(days=2),
        1,
        regressed,
        now,
        now,
        "",
        run_id,
        finding.delivery_id,
    )


def open_for(flow: Flow, source_ids: Sequence[str]) -> list[SyncIssue]:
    """Open exceptions of these records, one query."""
    return list(SyncIssue.objects.filter(flow=flow, source_id__in=source_ids, state__in=OPEN_ISSUES))


def open_keys(flow: Flow, source_ids: Sequence[str]) -> list[OpenKey]:
    """The open exceptions of these records."""
    return storage.fetch(
        SyncIssue,
        ["id", "source_id", "target_id", "kind", "field"],
        "source_id",
        source_ids,
        "flow_id = %s AND state IN ('open', 'retrying')",
        [flow.pk],
    )


def open_sources(flow: Flow, kind: str) -> dict[str, int]:
    """source id → id of the open exceptions of this kind."""
    found = SyncIssue.objects.filter(flow=flow, kind=kind, state__in=OPEN_ISSUES)
    return dict(found.values_list("source_id", "id"))


def resolve(ids: Sequence[int], proof: str) -> int:
    """Closes exceptions with what proved it."""
    if not ids:
        return 0
    return SyncIssue.objects.filter(pk__in=ids, state__in=OPEN_ISSUES).update(
        state=IssueState.RESOLVED, resolved_at=clock.now(), resolution=proof
    )


def resolve_where(flow: Flow, proof: str, *, keep: Iterable[int] = (), **conditions: Any) -> int:
    """Closes every open exception of the flow that these conditions name, but those to keep."""
    query = SyncIssue.objects.filter(Q(**conditions), flow=flow, state__in=OPEN_ISSUES)
    kept = set(keep)
    return resolve([pk for pk in query.values_list("pk", flat=True) if pk not in kept], proof)


COMPARED = ("missing_in_target", "field_drift", "not_linked", "orphan", "duplicate_in_target")
"""Kinds that only a look at the target can close."""
DOUBLES = ("duplicate_in_target", "email")
"""A second contact with the same e-mail: invisible to a look at the record's own contact, so that only a
complete comparison closes it."""


def healed(route: Any, still_open: Sequence[OpenKey]) -> dict[str, str]:
    """Settled records that had differences, read back: those whose two sides are equal now, with the proof."""
    keys = sorted({source_id for _, source_id, _, kind, _ in still_open if kind in COMPARED})
    if not keys or not route.inlet.readable:
        return {}
    return reading.equal_now(route, keys)


def settle(flow: Flow, run_id: int, result: Any, still_open: Sequence[OpenKey], healed_now: dict[str, str]) -> None:
    """Closes what the page proved to be over: of the settled records' open exceptions those that did not come
    back."""
    current = {finding.key for finding in result.findings}
    over: dict[str, list[int]] = {}
    through = f"Run {run_id} read the record again and it went through without this problem."
    for pk, source_id, target_id, kind, name in still_open:
        if (kind, name) == DOUBLES or kind == "unbalanced_document":  # the end of the run adds documents up
            continue
        if kind in COMPARED:
            if source_id in healed_now:
                over.setdefault(healed_now[source_id], []).append(pk)
        elif (source_id, target_id, kind, name) not in current:
            over.setdefault(through, []).append(pk)
    for proof, ids in over.items():
        resolve(ids, proof)


def looked_at(flow: Flow, keys: Sequence[str]) -> None:
    """A retry has read these again: what it did not close is open."""
    _end_retry(flow, keys, "")


def not_found(flow: Flow, keys: Sequence[str]) -> None:
    """A retry looked for these records and the source has them no more."""
    _end_retry(flow, keys, "Retry found no such record in the ERP any more.")


def _end_retry(flow: Flow, keys: Sequence[str], message: str) -> None:
    retrying = SyncIssue.objects.filter(flow=flow, state=IssueState.RETRYING)
    if not keys or not retrying.exists():
        return
    for start in range(0, len(keys), 1000):
        values: dict[str, Any] = {"state": IssueState.OPEN}
        if message:
            values["message"] = message
        retrying.filter(source_id__in=keys[start : start + 1000]).update(**values)
