"""What people do with one exception: assign, comment, waive, reopen, retry, and settle an unknown outcome.

Every verb is a compare-and-set on what the person saw: of two people acting on the same exception the second
is told who was first, and there is one effect. The audit event is written in the transaction of the change.
Whether the person may act at all is asked by the screens (sync.roles); the verbs keep the rules of the states.
"""

from collections import defaultdict
from collections.abc import Container, Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from sync import history, holds, ownership, pending, runs, unsure
from sync.catalogue import ACTIVE_RUNS, IssueState, LedgerState, LinkState, Team
from sync.models import AuditEvent, Comment, Flow, LedgerEntry, PendingKey, SyncIssue, SyncRun

NOT_BY_KEY = ("excluded_no_customer", "credit_without_original", "case_only_codes")
"""Counted cards: they stand for many records at once, and the next run counts them again."""

BY_COMPARISON = ("orphan", "duplicate_in_target")
"""Only a comparison of both sides can tell whether these are over: no ERP record is read again for them."""
RETRY = "retry"


class RefusedError(Exception):
    """The verb makes no sense for this exception; the text tells the operator why."""


class ChangedError(Exception):
    """Somebody else was first; the text says who and what."""


def seen(issue: SyncIssue) -> str:
    """What a page shows of the exception; comes back with the form and must still be true."""
    return f"{issue.state}:{issue.team}:{issue.assignee_id or ''}"


def assign(issue: SyncIssue, user: User, *, to: User | None = None, team: str = "") -> None:
    """To a person, or to a team (then nobody in it has it yet)."""
    if to is None and team not in [*Team]:
        raise RefusedError("Choose a colleague or a team.")
    after = {"assignee": to.get_username() if to else "", "team": team or issue.team}
    before = {"assignee": issue.assignee.get_username() if issue.assignee else "", "team": issue.team}
    with transaction.atomic():
        _change(issue, assignee=to, team=team or issue.team)
        history.record("assign", issue, actor=user, before=before, after=after)


def comment(issue: SyncIssue, user: User, text: str) -> Comment:
    if not text.strip():
        raise RefusedError("Write a comment first.")
    with transaction.atomic():
        written = Comment.objects.create(issue=issue, author=user, text=text.strip())
        history.record("comment", issue, actor=user, after={"comment": written.pk})
    return written


def waive(issue: SyncIssue, user: User, reason: str) -> None:
    """Accept without fixing. It stays waived until one of its two values changes (the comparison sees to that)."""
    _need_reason(reason)
    if issue.state != IssueState.OPEN:
        raise RefusedError("Only an open exception can be waived.")
    if issue.kind in unsure.KINDS:
        raise RefusedError("Say whether it arrived: an unknown outcome cannot be waived.")
    _move(
        issue,
        user,
        "waive",
        IssueState.WAIVED,
        reason,
        resolved_at=timezone.now(),
        resolution=f"Waived by {user.get_username()}: {reason.strip()}",
    )


def reopen(issue: SyncIssue, user: User, reason: str = "") -> None:
    if issue.is_open:
        raise RefusedError("This exception is open already.")
    try:
        _move(issue, user, "reopen", IssueState.OPEN, reason, resolved_at=None, resolution="")
    except IntegrityError:
        raise RefusedError("The same problem is open already under a newer exception.") from None


def remedy(issue: SyncIssue) -> str:
    """What to do about it, with what a retry would help."""
    if issue.is_open and ownership.is_marketings(issue):
        return ownership.REMEDY
    kind = issue.catalogue
    says_it = "etry" in kind.remedy or issue.kind in unsure.KINDS
    return kind.remedy if says_it else f"{kind.remedy} {kind.retry_helps}"


def why_not_retryable(issue: SyncIssue, marketings: Container[tuple[int, str]] | None = None) -> str:
    """Empty when Retry can be pressed, else the sentence that says why not. `marketings` are the fields that
    marketing owns, for whoever asks about many exceptions."""
    if issue.kind in unsure.KINDS:
        return issue.catalogue.retry_helps
    if issue.state == IssueState.RETRYING:
        return "A retry is under way."
    if issue.state != IssueState.OPEN:
        return f"It is {issue.state}; reopen it first."
    if issue.kind in NOT_BY_KEY:
        return "It counts many records; the next run of the flow counts them again."
    if not (issue.source_id or issue.target_id):
        return "It belongs to a run, not to a record; the next successful run closes it."
    return ownership.WHY_NO_RETRY if ownership.is_marketings(issue, marketings) else ""


def stalled(issue: SyncIssue) -> bool:
    """Its retry ended without a word: the run that should have looked was cancelled, failed, or could not."""
    if issue.state != IssueState.RETRYING:
        return False
    waits = PendingKey.objects.filter(flow=issue.flow_id).exists()
    return not waits and not SyncRun.objects.filter(flow=issue.flow_id, state__in=ACTIVE_RUNS).exists()


def look_again(issues: Iterable[SyncIssue], user: User | None, urgent: bool = False) -> None:
    """Asks for these exceptions' records to be read again, or their flow to be compared: set-based."""
    read, compared = [], set()
    for issue in issues:
        if issue.kind in BY_COMPARISON or not issue.source_id:
            compared.add(issue.flow)
        else:
            read.append(issue)
    for flow in compared:
        runs.start(flow, kind="compare", trigger=RETRY, user=user)
    for flow, keys in _keys(read).items():
        pending.ask(flow, sorted(keys), RETRY, user=user, urgent=urgent)


def why_it_waits(issue: SyncIssue) -> str:
    """The sentence for whoever asked for a retry that no run takes now; empty where one does."""
    return "" if issue.kind in BY_COMPARISON else pending.why_they_wait(Flow.objects.get(pk=issue.flow_id))


def _keys(issues: Iterable[SyncIssue]) -> dict[Flow, set[str]]:
    """The source keys behind exceptions; for held orders those of the lines that wait."""
    keys: dict[Flow, set[str]] = defaultdict(set)
    waiting: dict[Flow, set[str]] = defaultdict(set)
    for issue in issues:
        if issue.kind == "held_for_parent":
            waiting[issue.flow].add(issue.blocked_by or issue.source_id)
        else:
            keys[issue.flow].add(issue.source_id)
    for flow, customers in waiting.items():
        keys[flow].update(held_lines(flow, customers).values_list("source_id", flat=True))
        held = holds.waiting(flow, LinkState.HELD).filter(target_key__in=customers)
        keys[flow].update(held.values_list("source_id", flat=True))
    return keys


def held_lines(flow: Flow, customers: Iterable[str]) -> QuerySet[LedgerEntry]:
    """The ledger lines that wait for these customers' contacts."""
    return LedgerEntry.objects.filter(flow=flow, customer__in=customers, state=LedgerState.HELD)


def retry(issue: SyncIssue, user: User) -> None:
    """Asks for the record to be read again and sent; the pipeline resolves the exception or opens it again."""
    if (why := why_not_retryable(issue)) and not stalled(issue):
        raise RefusedError(why)
    with transaction.atomic():
        _move(issue, user, "retry", IssueState.RETRYING)
        look_again([issue], user, urgent=True)


def confirm_arrived(issue: SyncIssue, user: User, reason: str) -> int:
    """*It is there*: a person has seen the records in the target; they count as accepted. How many they were."""
    return _settle(issue, user, reason, "confirm_arrived", True, "They arrived")


def send_again(issue: SyncIssue, user: User, reason: str) -> int:
    """*Send once*: a person has looked and the records are not there; they are sent once more. How many they are."""
    with transaction.atomic():
        keys = unsure.keys(issue)
        sent = _settle(issue, user, reason, "send_again", False, "They did not arrive, sent again")
        pending.ask(issue.flow, keys, RETRY, user=user, urgent=True)
    return sent


def _settle(issue: SyncIssue, user: User, reason: str, action: str, arrived: bool, words: str) -> int:
    _need_reason(reason)
    if issue.kind not in unsure.KINDS or not issue.is_open:
        raise RefusedError("Nothing of unknown outcome is open here any more.")
    with transaction.atomic():
        resolution = f"{words}, says {user.get_username()}: {reason.strip()}"
        changes = {"resolved_at": timezone.now(), "resolution": resolution}
        _move(issue, user, action, IssueState.RESOLVED, reason, **changes)
        return unsure.settle(issue, arrived)


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise RefusedError("Give a reason: your colleagues and the auditors will read it.")


def _move(issue: SyncIssue, user: User, action: str, state: IssueState, reason: str = "", **changes: Any) -> None:
    before = {"state": str(issue.state)}
    with transaction.atomic():
        _change(issue, state=state, **changes)
        history.record(action, issue, actor=user, before=before, after={"state": state.value}, reason=reason.strip())


def _change(issue: SyncIssue, **changes: Any) -> None:
    """Writes only if the exception still is what the person saw."""
    unchanged = SyncIssue.objects.filter(pk=issue.pk, state=issue.state, team=issue.team, assignee_id=issue.assignee_id)
    if not unchanged.update(**changes):
        raise ChangedError(who_changed(issue))
    for name, value in changes.items():
        setattr(issue, name, value)


def who_changed(issue: SyncIssue) -> str:
    """The sentence for whoever came second."""
    last = AuditEvent.objects.filter(object_type="syncissue", object_id=str(issue.pk)).order_by("-id").first()
    if last is None or last.actor_name == "system":
        return "Changed by the console meanwhile. Look at it again before you decide."
    return f"Changed by {last.actor_name} meanwhile ({last.action}). Look at it again before you decide."
