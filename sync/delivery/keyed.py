"""KEYED: the target knows a record's key for a while. Events.

Until `SYNC_KEYED_MINUTES` after a record first left, it is sent again under its key when its answer was lost. Later the
target may have forgotten the key, and the customer would be told twice: a person is asked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from connectors.base import Effect, Outcome
from sync import clock, storage
from sync.catalogue import Bucket
from sync.delivery.page import PageResult, T, Work
from sync.delivery.requests import Request
from sync.issues import Finding
from sync.models import OpenSend

SENDS = storage.table(OpenSend, ["flow_id", "key", "first_sent_at", "delivery_id"], conflict=("flow_id", "key"))
"""Nothing is overwritten: the first sending counts."""


def repeatable(work: Work, leaving: Sequence[T], result: PageResult) -> Sequence[T]:
    """Those that may leave; the others went out too long ago without an answer, and wait for a person."""
    if work.route.inlet.effect is not Effect.KEYED or not leaving:
        return leaving
    keys = [one.candidate.key for one in leaving]
    oldest = clock.now() - timedelta(minutes=settings.SYNC["KEYED_MINUTES"])
    where, values = "flow_id = %s AND first_sent_at < %s", [work.route.flow.pk, oldest]
    rows = storage.fetch(OpenSend, ["key", "first_sent_at", "delivery_id"], "key", keys, where, values)
    late = {row[0]: row for row in rows}
    for row in rows:
        result.put(Bucket.UNKNOWN, row[0])
        result.findings.append(_finding(*row))
    return [one for one in leaving if one.candidate.key not in late]


def _finding(key: str, first_sent_at: datetime, delivery_id: int) -> Finding:
    message = f"First sent {first_sent_at:%Y-%m-%d %H:%M} UTC; no answer has arrived since."
    return Finding("unknown_event", key, message=message, delivery_id=delivery_id)


def intended(work: Work, requests: Sequence[Request]) -> None:
    """In the first commit: these are on their way from now on."""
    if work.route.inlet.effect is Effect.KEYED:
        now, flow = clock.now(), work.route.flow.pk
        storage.upsert(SENDS, [(flow, one.key, now, sent.delivery.pk) for sent in requests for one in sent.batch])


def answered(work: Work, requests: Sequence[Request]) -> None:
    """In the third commit. A refusal for now says nothing of an earlier sending whose answer was lost."""
    if work.route.inlet.effect is not Effect.KEYED:
        return
    mine = OpenSend.objects.filter(flow=work.route.flow)
    for request in requests:
        by_outcome: dict[Outcome, list[str]] = {}
        for one in request.results:
            by_outcome.setdefault(one.outcome, []).append(one.key)
        told = by_outcome.get(Outcome.ACCEPTED, []) + by_outcome.get(Outcome.REJECTED, [])
        if told:
            mine.filter(key__in=told).delete()
        if later := by_outcome.get(Outcome.RETRYABLE, []):
            mine.filter(key__in=later, delivery=request.delivery).delete()
