"""Intent, call, outcome: three commits around every request to a target."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from connectors.base import Effect, Encoded, Outcome, Result
from connectors.errors import (
    BatchRefusedError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from sync import clock
from sync.crashpoints import crashpoint
from sync.delivery.page import Work
from sync.digests import idempotency_key
from sync.models import Delivery
from sync.runs import LeaseLostError, StoppedError


@dataclass
class Request:
    """One batch on its way, and what came back."""

    batch: Sequence[Encoded]
    delivery: Delivery
    results: list[Result] = field(default_factory=list)
    reply: bytes = b""
    calls: int = 0
    error: ConnectorError | None = None
    finished_at: datetime | None = None

    @property
    def outcome(self) -> str:
        if self.error:
            found = {result.outcome for result in self.results}
            if Outcome.UNKNOWN in found:
                return "unknown"
            return "partly" if Outcome.ACCEPTED in found else "retryable"
        refused = sum(result.outcome is Outcome.REJECTED for result in self.results)
        return "accepted" if not refused else "rejected" if refused == len(self.results) else "partly"


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
    crashpoint("before_intent")
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
            keys=zlib.compress(json.dumps([one.key for one in batch]).encode(), 1),
            request=zlib.compress(b"\n".join(one.body for one in batch), 1),
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


def wait(work: Work, started: Sequence[Future[None]]) -> None:
    """Until every request is answered; raises LeaseLostError when the lease is no longer ours."""
    for future in started:
        future.result()
    crashpoint("after_call")
    if not work.lease.still_mine():
        raise LeaseLostError(f"Run {work.lease.run.pk} lost its lease while sending")


def call(work: Work, requests: Sequence[Request]) -> None:
    """Both in one."""
    wait(work, start(work, requests))


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
        raise UnavailableError("The run's lease was lost before this request.")
    if work.lease.cancelled():
        raise StoppedError.now()
    request.calls += 1
    crashpoint("before_request")
    try:
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


def write_outcomes(requests: Sequence[Request]) -> None:
    """The third commit's part of the deliveries; called inside the transaction that remembers the page."""
    for request in requests:
        delivery = request.delivery
        delivery.outcome, delivery.finished_at = request.outcome, request.finished_at
        delivery.message = request.error.message if request.error else ""
        delivery.reply = zlib.compress(request.reply[:200_000], 1)
    if requests:
        Delivery.objects.bulk_update(
            [request.delivery for request in requests], ["outcome", "finished_at", "message", "reply"]
        )


def committed(
    work: Work, planned: Sequence[Sequence[Encoded]], noted: Callable[[Work, Sequence[Request]], None]
) -> list[Request]:
    """The first commit on its own; what `noted` writes belongs to it. Where nothing leaves there is nothing to
    commit."""
    if not planned:
        return []
    with transaction.atomic():
        requests = intend(work, planned)
        noted(work, requests)
        crashpoint("in_intent")
    return requests
