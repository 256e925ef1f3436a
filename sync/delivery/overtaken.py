"""A worker that was overtaken: another has its run, and it alone knows what its own requests were told.

What is certain is written down all the same, so that nobody looks for it and nothing is sent twice. Only what still
waits for that very answer is touched: what a person or another worker has settled meanwhile stays. The run's buckets
stay, too: they say what the other worker saw when it read these records.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import F

from connectors.base import Outcome
from sync import clock, issues, ledger, storage
from sync.catalogue import OPEN_ISSUES, LedgerState
from sync.delivery.links import LINKS
from sync.delivery.page import Candidate, PageResult, Work, fault_findings
from sync.delivery.requests import Request, write_outcomes
from sync.issues import Finding
from sync.models import Delivery, LedgerEntry, OpenSend, SyncIssue, SyncRun
from sync.unsure import EVENT, LINES

SAID = "The worker that had sent it wrote its answer down late"
STATES = {
    Outcome.ACCEPTED: LedgerState.ACCEPTED,
    Outcome.REJECTED: LedgerState.REJECTED,
    Outcome.UNKNOWN: LedgerState.UNKNOWN,
}


def lines(work: Work, requests: Sequence[Request], findings: Sequence[Finding]) -> list[str]:
    """Sales, within the caller's transaction; `findings` are what the answers told. Gives the lines that certainly did
    not leave."""
    unheard = _unheard(requests)
    heard = [request for request in requests if request.delivery.pk in unheard]
    if not heard:
        return []
    flow, run_id = work.route.flow, work.lease.run.whole_id
    cards = _cards(work, LINES, field__in=[f"delivery {pk}" for pk in unheard])  # a person's verb locks them first, too
    waiting = LedgerEntry.objects.filter(delivery__in=unheard, state__in=[LedgerState.SENDING, LedgerState.UNKNOWN])
    days = dict(waiting.select_for_update().order_by("pk").values_list("source_id", "day"))
    by_outcome: dict[Outcome, list[str]] = {}
    for request in heard:
        told = {one.key: one.outcome for one in request.results if one.key in days}
        for key, outcome in told.items():
            by_outcome.setdefault(outcome, []).append(key)
        if told and Outcome.UNKNOWN not in told.values():
            issues.resolve(cards.get(f"delivery {request.delivery.pk}", ()), f"{SAID}: {_counts(told.values())}.")
    for outcome, state in STATES.items():
        waiting.filter(source_id__in=by_outcome.get(outcome, ())).update(state=state, updated_at=clock.now())
    unsent = by_outcome.get(Outcome.RETRYABLE, [])
    LedgerEntry.objects.filter(delivery__in=unheard, source_id__in=unsent).delete()
    ledger.recompute(flow, days.values())
    told_of = [one for one in findings if one.delivery_id is None or one.source_id in days]
    _went_through(work, by_outcome.get(Outcome.ACCEPTED, []), told_of if days else [])
    _answered(heard, unheard)
    ledger.unknown_outcomes(flow, run_id)
    return unsent


def events(
    work: Work, requests: Sequence[Request], sent: Sequence[Candidate], rows: Sequence[tuple[object, ...]]
) -> list[str]:
    """Events, within the caller's transaction; `rows` are their links. One that was accepted needs no repeat. Gives
    those that must be looked at again."""
    unheard = _unheard(requests)
    heard = [request for request in requests if request.delivery.pk in unheard]
    told = {
        one.key: request.delivery.pk for request in heard for one in request.results if one.outcome is Outcome.ACCEPTED
    }
    cards = _cards(work, EVENT, source_id__in=list(told))
    sends = OpenSend.objects.filter(flow=work.route.flow, key__in=list(told))
    began = sends.select_for_update().order_by("pk").values_list("key", "delivery_id")
    # One that began after ours is somebody's decision to send it once more.
    mine = {key for key, first in began if first is not None and first <= told[key]}
    storage.upsert(LINKS, [row for row in rows if row[1] in mine])
    sends.filter(key__in=mine).delete()
    issues.resolve([pk for key in mine for pk in cards.get(key, ())], f"{SAID}: the event was accepted.")
    _went_through(work, list(mine), [fault for one in sent if one.key in mine for fault in fault_findings(one)])
    _answered(heard, unheard)
    left = [one for request in requests if request.calls for one in request.results]
    return [one.key for one in left if one.outcome is not Outcome.ACCEPTED]


def _unheard(requests: Sequence[Request]) -> dict[int, Delivery]:
    """Deliveries that nobody has written an answer of, locked against whoever gives them up at this moment. A commit
    of ours that nobody heard of has written it."""
    mine = Delivery.objects.filter(pk__in=[request.delivery.pk for request in requests], reply=None)
    locked = mine.select_for_update(of=("self",)).select_related("run").defer("keys", "request").order_by("pk")
    return {delivery.pk: delivery for delivery in locked}


def _cards(work: Work, kind: str, **which: object) -> dict[str, list[int]]:
    """The open exceptions that ask a person, locked, by the event or the delivery that they stand for."""
    found: dict[str, list[int]] = {}
    waiting = SyncIssue.objects.filter(flow=work.route.flow, kind=kind, state__in=OPEN_ISSUES, **which)
    for pk, event, delivery in waiting.select_for_update().order_by("pk").values_list("pk", "source_id", "field"):
        found.setdefault(event or delivery, []).append(pk)
    return found


def _counts(told: Iterable[Outcome]) -> str:
    """What became of the lines, in words."""
    words = {Outcome.ACCEPTED: "accepted", Outcome.REJECTED: "refused", Outcome.RETRYABLE: "not taken and sent again"}
    numbers = Counter(told)
    return ", ".join(f"{numbers[one]:,} lines {word}" for one, word in words.items() if numbers[one])


def _went_through(work: Work, keys: Sequence[str], findings: Sequence[Finding]) -> None:
    """What the answers told of these records; exceptions of theirs that did not come back are over."""
    flow, run_id = work.route.flow, work.lease.run.whole_id
    issues.raise_all(flow, run_id, findings)
    theirs = dict.fromkeys([*keys, *(key.rsplit("|", 1)[0] for key in keys)])
    issues.settle(flow, run_id, PageResult(findings=list(findings)), issues.open_keys(flow, list(theirs)), {})


def _answered(heard: Sequence[Request], unheard: Mapping[int, Delivery]) -> None:
    """The deliveries, and how often they left: their run may have counted each once, as perhaps lost."""
    write_outcomes(heard)
    Delivery.objects.filter(pk__in=unheard, message="").update(message=f"{SAID}: another worker had the run.")
    for request in heard:
        before = unheard[request.delivery.pk]
        if before.run is None:
            continue
        given_up = bool(before.outcome)
        its = SyncRun.objects.filter(pk__in=[before.run.pk, before.run.whole_id])
        its.update(
            writes=F("writes") + request.written.requests - (before.requests if given_up else 0),
            repeats=F("repeats") + request.written.repeats,
            lost_writes=F("lost_writes") - int(given_up),
        )
