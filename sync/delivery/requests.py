"""Intent, call, outcome: three commits around every request to a target."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from connectors.base import Effect, Encoded, Outcome, Result
from connectors.errors import (
    BatchRefusedError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from connectors.written import Written, counting
from sync import clock, storage
from sync.crashpoints import crashpoint
from sync.delivery.page import PageResult, Work
from sync.digests import idempotency_key
from sync.models import Delivery
from sync.packing import packed
from sync.runs import NotSentError, StoppedError
from sync.side_connection import borrowed
from sync.storage import away

log = logging.getLogger(__name__)
OUTCOMES = storage.table(Delivery, ("id", "outcome", "finished_at", "requests", "message", "reply"))


@dataclass
class Request:
    """One batch on its way, and what came back."""

    batch: Sequence[Encoded]
    delivery: Delivery
    results: list[Result] = field(default_factory=list)
    reply: bytes = b""
    calls: int = 0
    written: Written = field(init=False)
    error: ConnectorError | None = None
    finished_at: datetime | None = None

    def __post_init__(self) -> None:
        # Not by way of the request itself: in a circle it would stay in memory with all its records.
        self.written = Written(partial(_leaves_again, self.delivery.pk))

    @property
    def outcome(self) -> str:
        if self.error:
            found = {result.outcome for result in self.results}
            if Outcome.UNKNOWN in found:
                return "unknown"
            return "partly" if Outcome.ACCEPTED in found else "retryable"
        refused = sum(result.outcome is Outcome.REJECTED for result in self.results)
        return "accepted" if not refused else "rejected" if refused == len(self.results) else "partly"


def _leaves_again(delivery_id: int, number: int) -> None:
    """Should this worker die now, its successor knows how often the delivery had been sent."""
    try:
        with borrowed():
            Delivery.objects.filter(pk=delivery_id, outcome="").update(requests=number)
    except DatabaseError:
        log.warning("Delivery %s: that it leaves for the %s. time could not be noted", delivery_id, number)


def batches(encoded: Sequence[Encoded], size: int, max_bytes: int) -> Iterator[list[Encoded]]:
    """Batches of one group each, within the API's maximum of records and bytes, in order."""
    by_group: dict[str, list[Encoded]] = {}
    for one in encoded:
        by_group.setdefault(one.group, []).append(one)
    for _, group in sorted(by_group.items()):
        batch: list[Encoded] = []
        length = 0
        for one in group:
            if batch and (len(batch) == size or length + len(one.body) + 2 > max_bytes):
                yield batch
                batch, length = [], 0
            batch.append(one)
            length += len(one.body) + 2
        yield batch


def intend(work: Work, planned: Sequence[Sequence[Encoded]]) -> list[Request]:
    """Delivery rows for these batches; the caller commits them before anything is sent."""
    run, now = work.lease.run, clock.now()
    rows = [
        Delivery(
            run=run,
            flow_id=run.flow_id,
            key=idempotency_key(
                str(run.pk), str(work.lease.epoch), str(work.number), str(number), *(one.key for one in batch)
            ),
            epoch=work.lease.epoch,
            records=len(batch),
            keys=packed(json.dumps([one.key for one in batch]).encode()),
            request=packed(b"\n".join(one.body for one in batch)),
            intended_at=now,
        )
        for number, batch in enumerate(planned)
    ]
    Delivery.objects.bulk_create(rows)
    return [Request(batch, delivery) for batch, delivery in zip(planned, rows, strict=True)]


def start(work: Work, requests: Sequence[Request]) -> list[Future[None]]:
    """Sends the requests side by side, and does not wait for them. Nothing is sent once the lease is lost."""
    crashpoint("after_intent")
    return [work.senders.submit(_send, work, request) for request in requests]


def wait(started: Sequence[Future[None]]) -> None:
    """Until every request is answered. Whose the run is by then, whoever remembers the answers finds out."""
    for future in started:
        future.result()
    crashpoint("after_call")


def call(work: Work, requests: Sequence[Request]) -> None:
    """Both in one."""
    wait(start(work, requests))


def _send(work: Work, request: Request) -> None:
    """Fills in a result for every record; what a half of the batch was told stays true whatever the other met."""
    try:
        for result in _narrow(work, request, request.batch):
            request.results.append(result)
        _whole(work, request)
    except ConnectorError as error:
        request.error = error
        # A reply nobody knows tells as little as none; refused credentials tell that nothing was done.
        lost = isinstance(error, UnknownOutcomeError | UnexpectedReplyError)
        outcome = Outcome.UNKNOWN if lost else Outcome.RETRYABLE
        answered = {result.key for result in request.results}
        request.results += [
            Result(one.key, outcome, message=error.message) for one in request.batch if one.key not in answered
        ]
    request.finished_at = timezone.now()  # a sender thread opens no database connection


def _whole(work: Work, request: Request) -> None:
    """Raises where the answer leaves records open: each one that was sent needs an end, else the page comes again."""
    target, asked = work.route.flow.target, len(request.batch)
    if len({one.key for one in request.batch} & {one.key for one in request.results}) < asked:
        raise UnexpectedReplyError(f"{target} answered for other records than it was sent.", system=target)
    open_ = [one for one in request.results if one.outcome is Outcome.RETRYABLE]
    if work.route.inlet.effect is not Effect.ONCE:  # there a person looks; here sending again does no harm
        open_ += [one for one in request.results if one.outcome is Outcome.UNKNOWN]
    if open_:
        said = f"{target} did not take {len(open_)} of {asked} records now ({open_[0].code or open_[0].outcome})."
        raise UnavailableError(said, system=target)


def _narrow(work: Work, request: Request, batch: Sequence[Encoded]) -> Iterator[Result]:
    """A refused batch is halved until the poison record stands alone; the others go through."""
    if not work.lease.still_mine():
        raise NotSentError.unsure()
    if work.lease.cancelled():
        raise StoppedError.now()
    request.calls += 1
    crashpoint("before_request")
    try:
        with counting(request.written):
            answer = work.route.sink.send(work.route.inlet.entity, batch, request.delivery.key)
        crashpoint("after_request")
    except BatchRefusedError as error:
        if len(batch) == 1:
            yield Result(batch[0].key, Outcome.REJECTED, message=error.message)
            return
        middle = len(batch) // 2
        yield from _narrow(work, request, batch[:middle])
        yield from _narrow(work, request, batch[middle:])
        return
    request.reply = answer.reply
    yield from answer.results


def counted(result: PageResult, requests: Sequence[Request]) -> None:
    """What left for the target, each time that it left."""
    result.requests = sum(request.written.requests for request in requests)
    result.repeats = sum(request.written.repeats for request in requests)
    result.deliveries = [request.delivery.pk for request in requests]
    result.interrupted = next((request.error for request in requests if request.error), None)


def write_outcomes(requests: Sequence[Request]) -> None:
    """The third commit's part of the deliveries; called inside the transaction that remembers the page."""
    rows = [
        (
            request.delivery.pk,
            request.outcome,
            request.finished_at,
            request.written.requests,
            request.error.message if request.error else "",
            packed(request.reply[:200_000]),
        )
        for request in requests
    ]
    storage.update(OUTCOMES, rows)


def committed(
    work: Work, planned: Sequence[Sequence[Encoded]], noted: Callable[[Work, Sequence[Request]], None]
) -> list[Request]:
    """The first commit on its own; what `noted` writes belongs to it. Where nothing leaves there is nothing to
    commit."""
    requests: list[Request] = []

    def intended() -> list[Request]:
        crashpoint("before_intent")
        with transaction.atomic():
            # Decided by what was known then: a worker that slept may have been overtaken, and its lines sent.
            work.lease.change(heartbeat_at=Now())
            requests[:] = intend(work, planned)
            noted(work, requests)
            crashpoint("in_intent")
        return requests

    def stands() -> list[Request] | None:
        found = Delivery.objects.filter(key=requests[0].delivery.key) if requests else Delivery.objects.none()
        return requests if found.exists() else None

    return away.outlasted(intended, stands) if planned else []
