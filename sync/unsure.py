"""What was sent and may or may not have arrived: listed for a person, and settled by what the person found."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, QuerySet, Sum

from sync import clock, ledger
from sync.catalogue import OPEN_ISSUES, LedgerState, LinkState
from sync.models import CrossReference, LedgerEntry, OpenSend, SyncIssue

LINES, EVENT = "unknown_outcome", "unknown_event"
KINDS = (LINES, EVENT)


def waiting() -> QuerySet[SyncIssue]:
    """The open exceptions that stand for something of unknown outcome, oldest first."""
    return SyncIssue.objects.filter(kind__in=KINDS, state__in=OPEN_ISSUES).select_related("flow").order_by("pk")


def lines(issue: SyncIssue) -> QuerySet[LedgerEntry]:
    """The document lines whose upload lost its answer; none for an event."""
    if issue.kind == EVENT:
        return LedgerEntry.objects.none()
    found = LedgerEntry.objects.filter(flow=issue.flow, state=LedgerState.UNKNOWN)
    if issue.delivery_id:
        return found.filter(delivery=issue.delivery_id)
    return found.filter(source_id=issue.source_id)


def keys(issue: SyncIssue) -> list[str]:
    """The records that the exception stands for."""
    return [issue.source_id] if issue.kind == EVENT else list(lines(issue).values_list("source_id", flat=True))


def settle(issue: SyncIssue, arrived: bool) -> int:
    """Remembers what the person found, inside the caller's transaction. How many records that were."""
    if issue.kind == EVENT:
        return _settle_event(issue, arrived)
    found = lines(issue)
    days = set(found.values_list("day", flat=True))
    state = LedgerState.ACCEPTED if arrived else LedgerState.REJECTED
    settled = found.update(state=state, updated_at=clock.now())
    ledger.recompute(issue.flow, days)
    return settled


def _settle_event(issue: SyncIssue, arrived: bool) -> int:
    """An event that was told is linked to itself; one that was not may go out once more under its key."""
    OpenSend.objects.filter(flow=issue.flow, key=issue.source_id).delete()
    if arrived:
        now = clock.now()
        told = {"target_id": issue.source_id[:60], "state": LinkState.ACTIVE, "last_synced_at": now}
        links = CrossReference.objects.filter(flow=issue.flow, source_id=issue.source_id)
        if not links.exclude(state=LinkState.SUPERSEDED).update(**told):
            CrossReference.objects.create(flow=issue.flow, source_id=issue.source_id, first_synced_at=now, **told)
    return 1


def listed(flow: str = "") -> Iterator[dict[str, Any]]:
    """One row for each exception and currency: what to look for, and where it was."""
    for issue in waiting().filter(**({"flow__name": flow} if flow else {})):
        known = lines(issue).values("currency").annotate(number=Count("id"), amount=Sum("amount")).order_by("currency")
        for sums in known or [{"currency": "", "number": 1, "amount": None}]:
            yield {
                "exception": issue.pk,
                "flow": issue.flow.name,
                "records": sums["number"],
                "amount": sums["amount"],
                "currency": sums["currency"],
                "delivery": issue.delivery_id,
                "since": issue.first_seen_at,
                "look_for": issue.source_id or ", ".join(_documents(issue)),
            }


def _documents(issue: SyncIssue) -> list[str]:
    found = list(lines(issue).order_by("document").values_list("document", flat=True).distinct()[:4])
    return [*found[:3], "…"] if len(found) > 3 else found
