"""The versions of a flow's own fields: draft, in force, history."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.db import transaction

from connectors.base import Change
from connectors.extra import ExtraField
from sync import clock, flows, history, runs
from sync.field_checks import NotPossibleError, Problem, check, offer, parsed
from sync.models import FieldMapping, Flow, SyncRun
from sync.models.field_mapping import ACTIVE, DRAFT, RETIRED


def of(flow: Flow) -> dict[str, str]:
    """What a version says of the flow that it belongs to."""
    return {"source": flow.source, "stream": flow.stream, "target": flow.target}


def active(flow: Flow) -> FieldMapping | None:
    return flows.active_fields(flow)


def draft(flow: Flow) -> FieldMapping | None:
    return FieldMapping.objects.filter(**of(flow), state=DRAFT).first()


def versions(flow: Flow) -> list[FieldMapping]:
    """Newest first."""
    return list(FieldMapping.objects.filter(**of(flow)).select_related("created_by", "activated_by"))


def fields_of(version: FieldMapping | None) -> list[ExtraField]:
    return flows.extra_fields(version) if version else []


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
        latest = FieldMapping.objects.filter(**of(flow)).exclude(state=DRAFT).order_by("-number").first()
        before = names(stored or active(flow))
        if stored is None:
            stored = FieldMapping(**of(flow), number=latest.number + 1 if latest else 1)
        stored.fields, stored.note = msgspec.to_builtins(fields), note
        stored.created_by, stored.created_at = _person(user), clock.now()
        stored.save()
        after = {"version": stored.number, "fields": names(stored)}
        history.record("save field mapping", flow, actor=user, before={"fields": before}, after=after, reason=note)
    return stored, []


def discard(flow: Flow, user: Any) -> bool:
    with transaction.atomic():
        deleted, _ = FieldMapping.objects.filter(**of(flow), state=DRAFT).delete()
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
        FieldMapping.objects.filter(**of(flow), state=ACTIVE).update(state=RETIRED)
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
        "Runs of this flow read only what changed in the source. The next one reads every record once, and sends those "
        f"that the change touches.{kept}"
    )
