"""The one loop for every flow: page → map → compare → deliver → remember."""

import gc
import json
import logging
import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db import connections as databases
from django.db import transaction
from django.db.models import F

from connectors.base import Effect, Page, Row
from connectors.errors import ConfigurationError, ConnectorError, RecordError, UnavailableError
from sync import clock, flows, issues, ledger, pending, reconcile, runs
from sync.ahead import ahead
from sync.budget import Budget
from sync.catalogue import Bucket, RunState
from sync.crashpoints import crashpoint
from sync.delivery import BY_EFFECT, PageResult, Way, Work
from sync.delivery.adoption import Adoption
from sync.digests import digester
from sync.flows import Route
from sync.gathering import Digested, Unit, gathered
from sync.models import Flow, RunPage, SyncRun
from sync.runs import Lease, LeaseLostError

log = logging.getLogger(__name__)
WAITS = (15, 30, 60, 120, 300, 600)
"""Seconds a run waits after the n-th failure to reach a system in a row; after the last it fails."""


class FlowLimits:
    """What `connectors.base.Limits` asks for, for one connection and one run."""

    def __init__(self, budget: Budget | None, lease: Lease | None) -> None:
        self.budget, self.lease = budget, lease

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        if self.budget:
            self.budget.acquire(calls, urgent)

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        if self.budget:
            self.budget.observe(limit, remaining, reset_at)

    def still_mine(self) -> bool:
        return self.lease is None or self.lease.still_mine()


def limits_for(name: str, lease: Lease | None = None) -> FlowLimits:
    connection = flows.connection(name)
    if "CALLS_PER_MINUTE" not in connection.connector.settings:
        return FlowLimits(None, lease)
    return FlowLimits(Budget(name, connection.settings.number("CALLS_PER_MINUTE")), lease)


def work(run_id: int, seconds: float | None = None) -> None:
    """Works on a run for one slice (or until it ends, with `seconds=None`); leaves at once if another does."""
    lease = runs.take(run_id)
    if lease is None:
        return
    with lease, _rare_collection():
        try:
            if lease.run.attempt > settings.SYNC["ATTEMPTS"]:
                _give_up(lease)
            elif lease.run.kind == "compare":
                _compare(lease)
            elif _slice(lease, seconds):
                runs.hand_over(lease)
        except LeaseLostError:
            log.warning("Run %s was taken over by another worker", run_id)
        except UnavailableError as error:
            _wait(lease, error)
        except ConnectorError as error:
            _fail(lease, error)
        except Exception:
            # A defect or a database that went away: the run stays as it is and the next taker goes on with it.
            runs.abandon(lease)
            raise


@contextmanager
def _rare_collection() -> Iterator[None]:
    """A page makes a hundred thousand objects and no cycles: looking for cycles after every 700 of them took a
    seventh of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _slice(lease: Lease, seconds: float | None) -> bool:
    """Pages until the source has no more; True when the time was over before."""
    run, flow = lease.run, lease.run.flow
    ends = time.monotonic() + (math.inf if seconds is None else seconds)
    route = flows.open_route(flow, limits_for(flow.source, lease), limits_for(flow.target, lease))
    with _senders() as senders, _writer() as writer:
        adoption = Adoption(flow, route.sink, route.inlet)
        slice_ = Slice(route, lease, senders, writer, adoption, digester(route.version))
        ledger.give_up_lost_requests(run)
        lease.change(mapping_version=route.version[:60])
        if _stop_asked(slice_):
            return False
        _take_back(lease)
        for _ in _steps(slice_, over=lambda: time.monotonic() > ends):
            if _stop_asked(slice_):
                return False
            if time.monotonic() > ends and not run.scan_done:
                slice_.settle()
                return True
    _complete(route, lease)
    return False


def _take_back(lease: Lease) -> None:
    """After a crash the page at the resume point is read again: what was counted of it is taken back, so that
    every record still ends in one bucket. What was accepted of it then counts as unchanged."""
    counted = lease.run.since_resume
    if counted:
        RunPage.objects.filter(run=lease.run, number__gt=F("run__pages") - counted["pages"]).delete()
        lease.change(since_resume={}, **{name: F(name) - number for name, number in counted.items()})
        lease.run.refresh_from_db()


def _steps(slice_: "Slice", over: Callable[[], bool]) -> Iterator[None]:
    """The run page by page. Keys that somebody asked for join in at every boundary: a retry never waits for a
    long scan."""
    run, flow = slice_.lease.run, slice_.route.flow
    while slice_.pending():
        yield
    if run.keys_only or run.scan_done:
        return
    pages = ahead(slice_.route.source.read(flow.stream, run.watermark_from, run.resume))
    for unit in gathered(pages, slice_.new, slice_.route.inlet.batch, over=over):
        slice_.unit(unit)
        yield
        while slice_.pending():
            yield
    slice_.settle()
    slice_.lease.change(scan_done=True)


class _StopAsked(Exception):
    """A comparison was cancelled."""


def _compare(lease: Lease) -> None:
    """Reads both sides completely; what it found is counted, and applied unless it is an audit."""
    run, flow = lease.run, lease.run.flow
    route = flows.open_route(flow, limits_for(flow.source, lease), limits_for(flow.target, lease))

    def told(read: int, total: int | None) -> None:
        lease.change(read=read, total=total or run.total, heartbeat_at=clock.now())
        if SyncRun.objects.filter(pk=run.pk, cancel_requested=True).exists():
            raise _StopAsked

    try:
        found = list(reconcile.findings(route, told))
    except _StopAsked:
        runs.finish(lease, RunState.CANCELLED, "Cancelled by a person; nothing was opened or closed.")
        return
    summary = reconcile.apply(route, run, found) if run.apply else reconcile.summary(found)
    runs.finish(lease, RunState.COMPLETED, findings=summary)


@contextmanager
def _senders() -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(settings.SYNC["SENDERS"], thread_name_prefix="send")
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _writer() -> Iterator[ThreadPoolExecutor | None]:
    """Remembers a page while the next one is mapped and sent. SQLite has one writer: there it would only wait."""
    if database.vendor != "postgresql":
        yield None
        return
    executor = ThreadPoolExecutor(1, thread_name_prefix="remember")
    try:
        yield executor
    finally:
        executor.submit(databases.close_all)
        executor.shutdown(wait=True)


def _stop_asked(slice_: "Slice") -> bool:
    """Cancelled or paused since the last page? Then the run ends here, in good order."""
    lease = slice_.lease
    run = SyncRun.objects.select_related("flow").get(pk=lease.run.pk)
    if not run.cancel_requested and not run.flow.paused:
        return False
    slice_.settle()
    if run.cancel_requested:
        runs.finish(lease, RunState.CANCELLED, "Cancelled by a person after its last complete page.")
    else:
        runs.wait(lease, 10**8, f"The flow is paused: {run.flow.paused_note}")
    return True


@dataclass
class Slice:
    route: Route
    lease: Lease
    senders: ThreadPoolExecutor
    writer: ThreadPoolExecutor | None
    adoption: Adoption
    digest: Callable[[bytes], bytes]
    total: int | None = None
    units: int = 0
    remembering: "Future[None] | None" = None

    def new(self, rows: Sequence[Row]) -> list[Digested]:
        """The rows that are not known, with their digests. A known row is unchanged: nothing of it is decoded."""
        digested = [(row, self.digest(row)) for row in rows]
        known = self._way.known([digest for _, digest in digested])
        return [pair for pair in digested if pair[1] not in known] if known else digested

    def unit(self, unit: Unit) -> None:
        result = self._deliver(unit)
        if self.total is None and unit.total is not None:  # the source counts what is left from its first page on
            self.total = self.lease.run.read + unit.total
        self.settle()
        remember = partial(self._remember, result, resume=unit.resume, watermark=unit.watermark)
        # A line that is sent once must be settled before the next is looked at; the last page ends the scan.
        at_once = self.route.inlet.effect is Effect.ONCE or unit.watermark is not None or result.interrupted
        if self.writer is None or at_once:
            remember()
        else:
            self.remembering = self.writer.submit(remember)
        if result.interrupted:
            raise result.interrupted

    def settle(self) -> None:
        """Waits until the last page is remembered; raises what went wrong there."""
        remembering, self.remembering = self.remembering, None
        if remembering is not None:
            remembering.result()

    @property
    def _way(self) -> Way:
        return BY_EFFECT[self.route.inlet.effect]

    def pending(self) -> bool:
        """Looks at the next keys that somebody asked for; False when there are none."""
        flow, since = self.route.flow, clock.now()
        keys = list(pending.due(flow))
        if not keys:
            return False
        self.settle()
        found: set[str] = set()
        for page in self.route.source.fetch(flow.stream, keys):
            found |= self._keys(page)
            result = self._deliver(Unit([(row, self.digest(row)) for row in page.rows]), forced=True)
            self._remember(result, forced=True)
            if result.interrupted:
                raise result.interrupted
        with transaction.atomic():
            pending.done(flow, keys, since)
            issues.not_found(flow, [key for key in keys if key not in found])
            issues.looked_at(flow, keys)
        return True

    def _keys(self, page: Page) -> set[str]:
        keys = set()
        for row in page.rows:
            try:
                key = self.route.stream.key(row)
            except RecordError:
                continue
            keys |= {key, key.rpartition("|")[0]}  # a line is asked for by its document as well
        return keys

    def _deliver(self, unit: Unit, forced: bool = False) -> PageResult:
        self.units += 1
        return self._way.deliver(
            Work(
                self.route,
                self.lease,
                unit.fresh,
                unit.unchanged,
                self.digest,
                self.senders,
                self.adoption,
                self.units,
                forced,
            )
        )

    def _remember(
        self,
        result: PageResult,
        *,
        resume: str | None = None,
        watermark: str | None = None,
        forced: bool = False,
    ) -> None:
        """One transaction, fenced by the epoch: links, ledger, exceptions, buckets, resume point, watermark."""
        run = self.lease.run
        still_open = issues.open_keys(self.route.flow, list(dict.fromkeys(result.settled)))
        healed = issues.healed(self.route, still_open)
        with transaction.atomic():
            result.write()
            issues.raise_all(self.route.flow, run.pk, result.findings)
            issues.settle(self.route.flow, run.pk, result, still_open, healed)
            ledger.after_page(self.route.flow, result)
            if not result.interrupted:
                self._count(result, resume, watermark, forced)
            else:
                self.lease.change(writes=F("writes") + result.requests)
        crashpoint("after_remember")
        run.refresh_from_db()

    def _count(self, result: PageResult, resume: str | None, watermark: str | None, forced: bool) -> None:
        run = self.lease.run
        counted = {bucket.value: result.count(bucket) for bucket in Bucket} | {"read": result.read, "pages": 1}
        values: dict[str, Any] = {name: F(name) + number for name, number in counted.items()}
        if resume is not None:
            values |= {"resume": resume, "since_resume": {}}
        elif not forced:
            values["since_resume"] = {name: number + run.since_resume.get(name, 0) for name, number in counted.items()}
        if watermark is not None:
            values |= {"watermark_to": watermark, "scan_done": True}  # only the last page has one
        if self.total is not None:
            values["total"] = self.total
        self.lease.change(
            writes=F("writes") + result.requests,
            attempt=0,
            failures=0,
            heartbeat_at=clock.now(),
            **values,
        )
        keys = {bucket.value: listed for bucket, listed in result.buckets.items() if listed}
        RunPage.objects.create(
            run=run,
            number=run.pages + 1,
            finished_at=clock.now(),
            read=result.read,
            manifest=zlib.compress(json.dumps(keys).encode(), 1),
        )


def _complete(route: Route, lease: Lease) -> None:
    """The end: cards and totals, the watermark moves, run-level exceptions close themselves."""
    run, flow = lease.run, route.flow
    if run.state != RunState.RUNNING:
        return
    ledger.after_run(flow, run)
    crashpoint("before_completion")
    with transaction.atomic():
        runs.finish(lease, RunState.COMPLETED)
        if not run.keys_only and run.watermark_to:
            Flow.objects.filter(pk=flow.pk).update(watermark=run.watermark_to)
        issues.resolve_where(flow, f"Run {run.pk} completed.", kind__startswith="run_")
    crashpoint("after_completion")
    pending.release(flow)


def _give_up(lease: Lease) -> None:
    message = f"The worker died {settings.SYNC['ATTEMPTS']} times without finishing a page."
    _open_run_issue(lease, "run_lost", message)
    runs.finish(lease, RunState.LOST, message)


def _wait(lease: Lease, error: UnavailableError) -> None:
    """The run waits in the database and goes on by itself; after the policy's last wait it fails."""
    try:
        failures = lease.run.failures + 1
        lease.change(failures=failures)
        _open_run_issue(lease, "run_unavailable", error.message, error)
        if failures > len(WAITS):
            runs.finish(lease, RunState.FAILED, f"{error.message} Given up after {failures} attempts.")
            return
        seconds = max(error.retry_after or 0, WAITS[min(failures, len(WAITS)) - 1])
        runs.wait(lease, seconds, f"{error.message} Trying again by itself.")
    except LeaseLostError:
        log.warning("Run %s was taken over by another worker", lease.run.pk)


def _fail(lease: Lease, error: ConnectorError) -> None:
    kind = "run_configuration" if isinstance(error, ConfigurationError) else "run_unexpected"
    try:
        _open_run_issue(lease, kind, error.message, error)
        runs.finish(lease, RunState.FAILED, f"{error.message} {error.remedy}".strip())
    except LeaseLostError:
        log.warning("Run %s was taken over by another worker", lease.run.pk)


def _open_run_issue(lease: Lease, kind: str, message: str, error: ConnectorError | None = None) -> None:
    details = (
        {"system": error.system, "request": error.request, "reply": error.reply, "remedy": error.remedy}
        if error
        else {}
    )
    issues.raise_all(lease.run.flow, lease.run.pk, [issues.Finding(kind, message=message, details=details, records=0)])
