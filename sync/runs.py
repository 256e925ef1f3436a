"""A run's life: queued, taken under a lease, waiting, ended. The only place that changes its state."""

import logging
import os
import socket
import threading
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from connectors.errors import UnavailableError
from sync import clock, doorbell, history
from sync.catalogue import ACTIVE_RUNS, RunState
from sync.crashpoints import crashpoint
from sync.models import Breaker, Flow, FlowSchedule, SyncPlan, SyncRun
from sync.side_connection import borrowed

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""Between two looks whether somebody has cancelled the run that is being worked on."""


class LeaseLostError(Exception):
    """Another worker has taken the run over."""


class NotSentError(UnavailableError):
    """Something on our side kept a request from leaving: the target knows nothing of it."""

    @classmethod
    def unsure(cls) -> "NotSentError":
        """The lease was lost, or the database is away and nobody knows."""
        return cls("It was not sure that the run is still this worker's: the request was not sent.")


class StoppedError(NotSentError):
    """Somebody cancelled the run: nothing more leaves, what was answered is remembered."""

    @classmethod
    def now(cls) -> "StoppedError":
        """Not tried again: a day is longer than anybody waits."""
        return cls("Somebody cancelled the run before this request.", retry_after=86_400)


class Lease:
    """The right to work on a run, renewed by a thread until it is released or lost.

    `epoch` fences every commit; `still_mine` is asked before each request to a target.
    """

    def __init__(self, run: SyncRun, seconds: float) -> None:
        self.run, self.epoch, self.seconds = run, run.epoch, seconds
        self._renewed = time.monotonic()
        self._lost = threading.Event()
        self._stop = threading.Event()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{run.pk}", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def still_mine(self) -> bool:
        """Held for as long as a request may take (half a lease); renewed first where it is not."""
        if self._lost.is_set() or time.monotonic() - self._renewed < self.seconds / 2:
            return not self._lost.is_set()
        try:
            with borrowed():
                if not self._renew():
                    self._lost.set()
        except Exception:
            log.warning("Run %s: its lease is not sure, nothing is sent", self.run.pk)
            return False
        return not self._lost.is_set()

    @property
    def is_lost(self) -> bool:
        """Another worker has it. While the database is away nobody knows: `still_mine` says no, and so does this."""
        return self._lost.is_set()

    def cancelled(self) -> bool:
        """Asked before each request, too: somebody wants the run to end within its page. One that is divided ends
        when its parts have."""
        return self._cancelled.is_set() and not self.run.divided

    def lose(self) -> None:
        self._lost.set()

    def _beat(self) -> None:
        while not self._stop.wait(min(LOOK_SECONDS, self.seconds / 6)):
            try:
                with borrowed():
                    if time.monotonic() - self._renewed >= self.seconds / 6 and not self._renew():
                        self._lost.set()
                        break
                    if SyncRun.objects.filter(pk=self.run.pk, cancel_requested=True).exists():
                        self._cancelled.set()
            except Exception:  # the database may be away for a moment; the lease then simply runs out
                log.warning("Run %s: the lease could not be renewed", self.run.pk)

    def _renew(self) -> bool:
        asked = time.monotonic()
        now = clock.now()
        held = SyncRun.objects.filter(pk=self.run.pk, epoch=self.epoch, state=RunState.RUNNING)
        if not held.update(lease_until=now + timedelta(seconds=self.seconds), heartbeat_at=now):
            return False
        self._renewed = asked
        return True

    def change(self, **values: Any) -> None:
        """Updates the run's row; raises LeaseLostError when it is no longer ours."""
        if not SyncRun.objects.filter(pk=self.run.pk, epoch=self.epoch, state=RunState.RUNNING).update(**values):
            self._lost.set()
            raise LeaseLostError(f"Run {self.run.pk} was taken over")
        for name, value in values.items():
            if not hasattr(value, "resolve_expression"):
                setattr(self.run, name, value)

    def change_where(self, condition: Q, **values: Any) -> bool:
        """The same in one statement where the row also fulfils this; False where it does not, or is not ours."""
        ours = SyncRun.objects.filter(condition, pk=self.run.pk, epoch=self.epoch, state=RunState.RUNNING)
        return bool(ours.update(**values))


def start(
    flow: Flow,
    *,
    trigger: str = "manual",
    user: Any = None,
    full: bool = False,
    keys_only: bool = False,
    due_at: datetime | None = None,
    kind: str = "sync",
    apply: bool = True,
    ring: bool = True,
    plan: SyncPlan | None = None,
) -> SyncRun | None:
    """A queued run and its doorbell; the active run of the flow when there is one.

    None when this (flow, due time) has had its run already, or the flow is paused and a schedule asks.
    """
    if trigger == "schedule" and (flow.paused or not flow.enabled):
        return None
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(
                flow=flow,
                kind=kind,
                trigger=trigger,
                asked_by=user,
                full=full,
                keys_only=keys_only,
                due_at=due_at,
                apply=apply,
                plan=plan,
                watermark_from="" if full else _watermark(flow),
            )
    except IntegrityError:
        return active(flow, kind)
    if ring:
        transaction.on_commit(lambda: ring_for(run.pk))
    return run


def _watermark(flow: Flow) -> str:
    """As it stands now, until the run is there: the caller's copy of the flow may be older than a reset."""
    return Flow.objects.select_for_update(no_key=True).values_list("watermark", flat=True).get(pk=flow.pk)


def active(flow: Flow, kind: str = "sync") -> SyncRun | None:
    return SyncRun.objects.filter(flow=flow, kind=kind, part=0, state__in=ACTIVE_RUNS).first()


def ring_for(run_id: int) -> None:
    """Tells a worker; a lost message costs no more than the tick's interval."""
    doorbell.send("work", run_id)


def take(run_id: int) -> Lease | None:
    """The lease of a run that is due, waiting no longer, or abandoned; None when somebody else has it."""
    now, seconds = clock.now(), settings.SYNC["LEASE_SECONDS"]
    free = Q(state=RunState.QUEUED) | Q(state=RunState.WAITING, wait_until__lte=now)
    free |= Q(state=RunState.RUNNING, lease_until__lt=now) | Q(state=RunState.RUNNING, lease_until=None)
    taken = SyncRun.objects.filter(free, pk=run_id).update(
        state=RunState.RUNNING,
        holder=f"{socket.gethostname()}:{os.getpid()}",
        epoch=F("epoch") + 1,
        attempt=F("attempt") + 1,
        lease_until=now + timedelta(seconds=seconds),
        heartbeat_at=now,
        wait_until=None,
        message="",
        started_at=_first(now),
    )
    if not taken:
        return None
    run = SyncRun.objects.select_related("flow").get(pk=run_id)
    return Lease(run, seconds)


def _first(now: datetime) -> Any:
    from django.db.models.functions import Coalesce

    return Coalesce("started_at", now)


def hand_over(lease: Lease) -> None:
    """The slice is over, the run is not: whoever hears the bell goes on."""
    crashpoint("before_hand_over")
    lease.change(lease_until=clock.now(), attempt=0)
    crashpoint("after_hand_over")
    ring_for(lease.run.pk)


def lend(lease: Lease, seconds: float, attempt: int = 0) -> None:
    """Parts are at work: the run is looked at again when the time is over, or when the last part has ended."""
    lease.change(holder="", lease_until=clock.now() + timedelta(seconds=seconds), attempt=attempt)


def give_back(lease: Lease) -> None:
    """Its worker is well and could not go on: whoever hears the bell does. Nobody died, so no attempt counts."""
    lease.change(lease_until=clock.now(), attempt=max(0, lease.run.attempt - 1))
    ring_for(lease.run.pk)


def abandon(lease: Lease) -> None:
    """Gives the lease back after an unexpected error; the attempt counts."""
    try:
        lease.change(lease_until=clock.now())
    except Exception:
        log.warning("Run %s: its lease runs out by itself", lease.run.pk)


def finish(lease: Lease, state: RunState, message: str = "", **values: Any) -> None:
    now = clock.now()
    lease.change(state=state, message=message, finished_at=now, heartbeat_at=now, lease_until=None, **values)


def wait(lease: Lease, seconds: float, message: str) -> None:
    """The run goes on by itself later: from its resume point, in the same row."""
    until = clock.now() + timedelta(seconds=seconds)
    lease.change(state=RunState.WAITING, wait_until=until, message=message, lease_until=None, attempt=0)


def cancel(run: SyncRun, user: Any) -> None:
    """A queued or waiting run ends at once, a running one before its next request. One that is divided ends when it
    has taken over what its parts did."""
    history.record("cancel run", run, actor=user, before={"state": run.state})
    its = Q(pk=run.pk) | Q(parent_id=run.pk)
    SyncRun.objects.filter(its, state__in=ACTIVE_RUNS).update(cancel_requested=True)
    now = clock.now()
    SyncRun.objects.filter(its, state__in=[RunState.QUEUED, RunState.WAITING], divided=False).update(
        state=RunState.CANCELLED, finished_at=now, message="Cancelled before it went on."
    )
    if SyncRun.objects.filter(pk=run.pk, state=RunState.WAITING, divided=True).update(wait_until=now):
        transaction.on_commit(lambda: ring_for(run.pk))


def pause(flow: Flow, note: str, user: Any, until: datetime | None = None) -> None:
    """Schedules start nothing, and a running run stops after its page; until then, or until somebody resumes it."""
    told = {"note": note} | ({"until": until.isoformat()} if until else {})
    with transaction.atomic():
        history.record("pause flow", flow, actor=user, after=told, reason=note)
        Flow.objects.filter(pk=flow.pk).update(
            paused_at=clock.now(), paused_note=note, paused_by=user, paused_until=until
        )
    flow.refresh_from_db()


def resume(
    flow: Flow, user: Any, reason: str = "", *, action: str = "resume flow", before: Any = None, **told: Any
) -> None:
    """Schedules start it again. A breaker that stopped it holds again from now on; `told` goes into the trail."""
    now = clock.now()
    with transaction.atomic():
        history.record(action, flow, actor=user, before=before or {"note": flow.paused_note}, reason=reason, **told)
        Flow.objects.filter(pk=flow.pk).update(paused_at=None, paused_note="", paused_by=None, paused_until=None)
        FlowSchedule.objects.filter(flow=flow).update(watched_from=now)
        Breaker.objects.filter(flow=flow).update(tripped_at=None)
        SyncRun.objects.filter(flow=flow, state=RunState.WAITING).update(wait_until=now)
    flow.refresh_from_db()


def resume_in_time() -> list[Flow]:
    """Flows whose pause was meant to end by now go on."""
    resumed = []
    for flow in Flow.objects.filter(paused_until__lte=clock.now()).exclude(paused_at=None):
        with transaction.atomic():  # two who look at once resume it once
            if not Flow.objects.filter(pk=flow.pk, paused_until=flow.paused_until).update(paused_until=None):
                continue
            resume(flow, None, "The date of its pause has come.")
            resumed.append(flow)
    return resumed


def due() -> list[int]:
    """Runs that nobody works on although somebody should: queued, waited enough, or abandoned."""
    now = clock.now()
    ready = Q(state=RunState.QUEUED) | Q(state=RunState.WAITING, wait_until__lte=now)
    ready |= Q(state=RunState.RUNNING, lease_until__lt=now)
    wanted = Q(flow__paused_at=None, flow__enabled=True) | Q(kind="plan")  # a preview sends nothing
    wanted |= Q(divided=True)  # what its parts did is gathered all the same
    wanted |= Q(cancel_requested=True)  # its worker died before it could end it
    return list(SyncRun.objects.filter(ready, wanted).values_list("pk", flat=True))
