"""One action on many exceptions, done by a worker: a selection, or everything a filter matches.

The request only counts and writes a row; the worker goes through the exceptions in order of id, a chunk a
transaction, and remembers the last id in the same transaction: killed anywhere, the next worker goes on there
and no exception is done twice. What could not be done is kept with its reason (`query["residue"]`).
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet

from sync import clock, history, ownership, pending, triage
from sync.catalogue import KINDS, OPEN_ISSUES, IssueState, Team
from sync.models import AuditEvent, BulkOperation, Flow, SyncIssue
from sync.storage import away

CHUNK = 500
STALE = timedelta(seconds=60)
"""After this silence a running operation belongs to nobody: its worker was killed."""

AGES = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
ACTIONS = ("retry", "assign")
NAMELESS = Q(source_id="", target_id="")


class TakenError(Exception):
    """Another worker goes on with this operation."""


def matching(wanted: Mapping[str, Any]) -> QuerySet[SyncIssue]:
    """Exceptions of the `teams` the person may see, and of those the `ids` chosen or what the `filter` says."""
    issues = SyncIssue.objects.filter(team__in=wanted["teams"])
    if "ids" in wanted:
        return issues.filter(pk__in=wanted["ids"])
    return issues.filter(_conditions(wanted.get("filter", {})))


def _conditions(chosen: Mapping[str, str]) -> Q:
    """Team, kind, flow (its name), run, state, assignee (an id, or none), age, record (any of its keys)."""
    found = _state(chosen.get("state", "open"))
    for name, column in (("team", "team"), ("kind", "kind"), ("flow", "flow__name"), ("run", "run_id")):
        if chosen.get(name):
            found &= Q(**{column: chosen[name]})
    if chosen.get("record"):
        found &= Q(source_id=chosen["record"]) | Q(target_id=chosen["record"])
    return found & _assignee(chosen.get("assignee", "")) & _age(chosen.get("age", ""))


def _state(state: str) -> Q:
    """`open` means open or being retried, `all` means all."""
    if state == "all":
        return Q()
    return Q(state__in=[*OPEN_ISSUES]) if state == "open" else Q(state=state)


def _assignee(chosen: str) -> Q:
    if chosen == "none":
        return Q(assignee__isnull=True)
    return Q(assignee_id=chosen) if chosen else Q()


def _age(chosen: str) -> Q:
    if chosen == "late":
        return Q(due_at__lt=clock.now())
    return Q(first_seen_at__lt=clock.now() - AGES[chosen]) if chosen in AGES else Q()


def preflight(wanted: Mapping[str, Any], action: str = "retry") -> dict[str, Any]:
    """How many, and how many of them cannot be done and why, before anything is done."""
    theirs = ownership.theirs()
    groups = (
        matching(wanted)
        .order_by()
        .values("kind", "state")
        .annotate(
            records=Count("pk"),
            nameless=Count("pk", filter=NAMELESS),
            theirs=Count("pk", filter=theirs & ~NAMELESS),
            highest=Max("pk"),
        )
    )
    refused: dict[str, int] = {}
    total = highest = 0
    for group in groups:
        total, highest = total + group["records"], max(highest, group["highest"])
        for why, count in _refusals(group, action):
            refused[why] = refused.get(why, 0) + count
    skipped = sum(refused.values())
    return {"total": total, "upto": highest, "refused": refused, "skipped": skipped, "possible": total - skipped}


def waiting(wanted: Mapping[str, Any]) -> list[str]:
    """Of these exceptions' flows those that take no retry now, each with a sentence that says why."""
    found = Flow.objects.filter(pk__in=matching(wanted).order_by().values("flow_id").distinct())
    return [why for flow in found if (why := pending.why_they_wait(flow))]


def _refusals(group: Mapping[str, Any], action: str) -> Iterable[tuple[str, int]]:
    """A group of one kind and state is refused as a whole, or for its records without a key or in whose field
    marketing has the say."""
    if action == "assign":
        return [] if group["state"] in OPEN_ISSUES else [(f"It is {group['state']}.", group["records"])]
    sample = SyncIssue(kind=group["kind"], state=group["state"], source_id="x")
    if why := triage.why_not_retryable(sample, ()):
        return [(f"{KINDS[group['kind']].title}: {why}", group["records"])]
    sample.source_id = ""
    why_not = {"nameless": triage.why_not_retryable(sample, ()), "theirs": ownership.WHY_NO_RETRY}
    return [(f"{KINDS[group['kind']].title}: {why}", group[name]) for name, why in why_not.items() if group[name]]


def ask(
    action: str, wanted: Mapping[str, Any], user: User, *, to: str = "", team: str = "", reason: str = ""
) -> BulkOperation:
    """Writes the operation down; ring the worker with tasks.bulk_operation. Later exceptions are not touched."""
    if action not in ACTIONS:
        raise triage.RefusedError("Choose what to do.")
    if action == "assign" and not _can_take(to, team):
        raise triage.RefusedError("Choose a colleague or a team.")
    figures = preflight(wanted, action)
    query = {**wanted, "upto": figures["upto"], "to": to, "to_team": team, "residue": {}}
    with transaction.atomic():
        operation = BulkOperation.objects.create(
            action=action, query=query, asked_by=user, reason=reason, total=figures["total"]
        )
        after = {"action": action, "exceptions": figures["total"], "to": to or team}
        after["chosen"] = f"{len(wanted['ids'])} selected" if "ids" in wanted else str(wanted.get("filter", {}))
        history.record("bulk", operation, actor=user, after=after, reason=reason)
    return operation


def _can_take(to: str, team: str) -> bool:
    return team in [*Team] or (to.isdecimal() and get_user_model().objects.filter(pk=to, is_active=True).exists())


def cancel(operation: BulkOperation, user: User) -> None:
    """The worker stops after its current chunk; what is done stays done."""
    if operation.state not in ("queued", "running"):
        raise triage.RefusedError("It is over already.")
    with transaction.atomic():
        BulkOperation.objects.filter(pk=operation.pk).update(cancel_requested=True)
        BulkOperation.objects.filter(pk=operation.pk, state="queued").update(state="cancelled", finished_at=clock.now())
        history.record("cancel", operation, actor=user)


def due() -> list[int]:
    """Operations nobody works on: not begun for a while, or their worker fell silent."""
    silent = clock.now() - STALE
    waiting = Q(state="queued", created_at__lt=clock.now() - timedelta(seconds=10))
    waiting |= Q(state="running", heartbeat_at__lt=silent)
    return list(BulkOperation.objects.filter(waiting).order_by("pk").values_list("pk", flat=True))


def run(operation_id: int) -> None:
    """Goes on where the operation stands until it is done, cancelled, or another worker has it."""
    if not _take(operation_id):
        return
    try:
        while away.outlasted(partial(_chunk, operation_id)):
            pass
    except TakenError:
        return
    except Exception as error:
        BulkOperation.objects.filter(pk=operation_id).update(
            state="failed", message=f"{type(error).__name__}: {error}"[:500], finished_at=clock.now()
        )
        raise


def _take(operation_id: int) -> bool:
    now = clock.now()
    free = Q(state="queued") | Q(state="running", heartbeat_at__lt=now - STALE)
    return bool(BulkOperation.objects.filter(free, pk=operation_id).update(state="running", heartbeat_at=now))


def _chunk(operation_id: int) -> bool:
    """One transaction: the next exceptions, and how far that is. False when nothing is left."""
    with transaction.atomic():
        rows = BulkOperation.objects.select_for_update(of=("self",)).select_related("asked_by")
        operation = rows.get(pk=operation_id)
        if operation.state != "running":
            return False
        if operation.cancel_requested:
            return _finish(operation, "cancelled")
        issues = _next(operation)
        if not issues:
            return _finish(operation, "completed")
        skipped = _do(operation, issues)
        _remember(operation, issues[-1].pk, len(issues), skipped)
    return True


def _next(operation: BulkOperation) -> list[SyncIssue]:
    """In order of id, up to the newest that existed when it was asked."""
    wanted = operation.query
    issues = matching(wanted).filter(pk__gt=operation.last_id, pk__lte=wanted["upto"])
    return list(issues.select_related("flow").select_for_update(of=("self",)).order_by("pk")[:CHUNK])


def _do(operation: BulkOperation, issues: list[SyncIssue]) -> dict[int, str]:
    """Does the action to those that allow it; the others by id, each with the reason."""
    if operation.action == "retry":
        return _retry(operation, issues)
    return _assign(operation, issues)


def _retry(operation: BulkOperation, issues: list[SyncIssue]) -> dict[int, str]:
    theirs = ownership.of_marketing()
    skipped = {issue.pk: why for issue in issues if (why := triage.why_not_retryable(issue, theirs))}
    ready = [issue for issue in issues if issue.pk not in skipped]
    SyncIssue.objects.filter(pk__in=[issue.pk for issue in ready]).update(state=IssueState.RETRYING)
    _record(operation, ready, {"state": IssueState.RETRYING.value})
    triage.look_again(ready, operation.asked_by)
    return skipped


def _assign(operation: BulkOperation, issues: list[SyncIssue]) -> dict[int, str]:
    to, team = operation.query["to"], operation.query["to_team"]
    person = get_user_model().objects.filter(pk=to).first() if to else None
    skipped = {issue.pk: f"It is {issue.state}." for issue in issues if not issue.is_open}
    ready = [issue for issue in issues if issue.pk not in skipped]
    changes = {"team": team, "assignee": None} if team else {"assignee": person}
    SyncIssue.objects.filter(pk__in=[issue.pk for issue in ready]).update(**changes)
    _record(operation, ready, {"assignee": person.get_username() if person else "", **({"team": team} if team else {})})
    return skipped


def _record(operation: BulkOperation, issues: list[SyncIssue], after: dict[str, str]) -> None:
    """The audit trail of each exception, as one insert."""
    user = operation.asked_by
    AuditEvent.objects.bulk_create(
        AuditEvent(
            actor=user,
            actor_name=user.get_username() if user else "system",
            action=operation.action,
            object_type="syncissue",
            object_id=str(issue.pk),
            before={"state": issue.state},
            after={**after, "bulk": operation.pk},
            reason=operation.reason,
        )
        for issue in issues
    )


def _remember(operation: BulkOperation, last_id: int, done: int, skipped: dict[int, str]) -> None:
    """Compare-and-set on how far it was: whoever comes second rolls back."""
    residue = operation.query.setdefault("residue", {})
    for pk, why in skipped.items():
        residue.setdefault(why, []).append(pk)
    mine = BulkOperation.objects.filter(pk=operation.pk, state="running", last_id=operation.last_id)
    moved = mine.update(
        last_id=last_id,
        done=operation.done + done - len(skipped),
        skipped=operation.skipped + len(skipped),
        query=operation.query,
        heartbeat_at=clock.now(),
    )
    if not moved:
        raise TakenError


def _finish(operation: BulkOperation, state: str) -> bool:
    BulkOperation.objects.filter(pk=operation.pk, state="running").update(state=state, finished_at=clock.now())
    return False
