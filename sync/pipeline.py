"""The one loop for every flow: page → map → compare → deliver → remember."""

import gc
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.conf import settings
from django.db import Error, transaction
from django.db import connection as database
from django.db import connections as databases
from django.db.models import F

from connectors.base import Change, Effect
from connectors.errors import ConnectorError, ExpiredWatermarkError, UnavailableError
from sync import (
    backfills,
    breaker_watch,
    breakers,
    catching_up,
    comparing,
    endings,
    feeds,
    flows,
    holds,
    issues,
    lanes,
    leaving,
    ledger,
    mappings,
    parts,
    plans,
    poison,
    runs,
    side_connection,
    watermarks,
)
from sync.ahead import ahead
from sync.breaker_watch import Watch
from sync.breakers import BreakerTripped
from sync.catalogue import RunState
from sync.crashpoints import crashpoint
from sync.delivery import gone
from sync.delivery.adoption import Adoption
from sync.delivery.page import open_gate
from sync.digests import digester
from sync.flows import Route
from sync.gathering import gathered
from sync.limits import FlowLimits, hurry, limits_for
from sync.models import Backfill, RunPage, SyncRun
from sync.runs import Lease, LeaseLostError, StoppedError
from sync.senders import Senders
from sync.slices import Slice, grows
from sync.storage import away, statistics

log = logging.getLogger(__name__)


def work(run_id: int, seconds: float | None = None) -> None:
    """Works on a run for one slice (or until it ends, with `seconds=None`); leaves at once if another does."""
    crashpoint("before_take")
    lease = lanes.take(run_id)
    if lease is None:
        return
    crashpoint("after_take")
    with side_connection.kept(), lease, _rare_collection():
        try:
            _outlasting(lease, seconds)
        except LeaseLostError:
            log.warning("Run %s was taken over by another worker", run_id)
        if lease.run.parent_id:
            parts.ended(lease.run)


def _outlasting(lease: Lease, seconds: float | None) -> None:
    """The same whatever the console's own database does meanwhile."""
    try:
        _work(lease, seconds)
    except Error as error:
        endings.without_database(lease, error)


def _work(lease: Lease, seconds: float | None) -> None:
    """One slice, and the ending that goes with what happened in it."""
    try:
        if lease.run.attempt > settings.SYNC["ATTEMPTS"] * (3 if lease.run.kind == "sync" else 1):
            endings.give_up(lease)
        elif lease.run.kind == "compare":
            comparing.compare(lease)
        elif lease.run.kind == "sweep":
            comparing.compare_keys(lease)
        elif _slice(lease, seconds):
            runs.hand_over(lease)
    except (LeaseLostError, Error):
        raise
    except StoppedError:
        endings.stopped(lease)
    except plans.StalePlanError as error:
        runs.finish(lease, RunState.FAILED, str(error))
    except UnavailableError as error:
        endings.wait(lease, error)
    except ExpiredWatermarkError as error:
        endings.start_over(lease, error)
    except BreakerTripped as stop:
        breakers.trip(lease, stop)
    except ConnectorError as error:
        endings.fail(lease, error)
    except Exception:
        runs.abandon(lease)  # a defect: the run stays as it is and the next taker goes on with it
        raise


@contextmanager
def _rare_collection() -> Iterator[None]:
    """A page makes a hundred thousand objects and no cycles: looking for cycles after every 700 of them took a
    seventh of the time."""
    before = gc.get_threshold()
    gc.set_threshold(1_000_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _slice(lease: Lease, seconds: float | None) -> bool:
    """Pages until the source has no more; True when the time was over before."""
    run, flow = lease.run, lease.run.flow
    ends = time.monotonic() + (math.inf if seconds is None else seconds)

    def over() -> bool:
        return time.monotonic() > ends or leaving.told()

    mappings.note(flow.source)
    fields = mappings.kept_by(lease)
    catching_up.with_fields(lease, fields)
    reading, sending = limits_for(flow.source, lease), limits_for(flow.target, lease)
    route = flows.open_route(flow, reading, sending, fields)
    died, narrow = poison.died(run), poison.narrowing(lease, route.inlet.batch)
    if narrow and died and not narrow.after_death():
        endings.give_up(lease)
        return False
    route = poison.without(route, poison.known(flow) | (narrow.found if narrow else set()))
    with _senders(sending) as senders, _writer() as writer, away.waited_for_while_running():
        adoption = Adoption(flow, route.sink, route.inlet, run)
        plans.begin(route, run)
        backfill = backfills.of(run)
        gate = backfills.gate(backfill) if backfill else open_gate
        slice_ = plans.slice_of(run)(
            route, lease, senders, writer, adoption, digester(route.version), gate, forced=backfill is not None,
            hurry=hurry(reading, sending), narrow=narrow,
        )  # fmt: skip
        if not plans.is_preview(run):
            ledger.give_up_lost_requests(run, route.inlet.effect is Effect.ONCE)
        mappings.remember(lease, route, fields)
        if _stop_asked(slice_):
            return False
        _take_back(lease)
        watch = Watch(lease, route, slice_.gate)
        slice_.gate = watch
        if (run.divided or (backfill is None and parts.divide(route, lease))) and _shared(slice_):
            return False
        for _ in _steps(slice_, backfill, over=over):
            if _stop_asked(slice_):
                return False
            if over() and not run.scan_done:
                slice_.settle()
                if not run.since_resume:  # else what is carried goes out with the next page: it would be read again
                    return True
    _complete(route, lease, watch)
    return False


def _shared(slice_: Slice) -> bool:
    """Others read the parts; keys that somebody asked for are looked at meanwhile. True until all parts have ended,
    and when one of them did not end well."""
    lease, run = slice_.lease, slice_.lease.run
    if parts.stopped(run) or SyncRun.objects.filter(pk=run.pk, cancel_requested=True).exists():
        parts.stop(run)  # a cancel may have come before there were any
    elif slice_.route.inlet.effect is not Effect.ONCE:  # a part may be sending that very line
        _look_meanwhile(slice_)
    if parts.under_way(run):
        runs.lend(lease, parts.LOOK_AGAIN)
        return True
    with transaction.atomic():
        failed = parts.gather(lease)
        if failed is not None:
            stopped = failed.state == RunState.CANCELLED
            state = RunState.CANCELLED if stopped else RunState.FAILED
            runs.finish(lease, state, failed.message if stopped else f"Part {failed.part}: {failed.message}")
    return failed is not None


def _look_meanwhile(slice_: Slice) -> None:
    """Keys that somebody asked for. What is wrong with them shows when the parts have ended: the run cannot wait,
    fail or trip while they read."""
    try:
        while slice_.pending():
            pass
    except (ConnectorError, BreakerTripped) as error:
        log.warning("Run %s: what was asked for waits for its parts: %s", slice_.lease.run.pk, type(error).__name__)


def _take_back(lease: Lease) -> None:
    """After a crash the page at the resume point is read again: what was counted of it is taken back, so that
    every record still ends in one bucket. What was accepted of it then counts as unchanged. Pages of keys that were
    asked for in between stay: they do not come again."""
    breaker_watch.give_back(lease)
    counted = dict(lease.run.since_resume)
    if counted:
        with transaction.atomic():
            numbers = counted.pop("numbers", ())
            plans.take_back(lease.run, numbers)
            RunPage.objects.filter(run=lease.run, number__in=numbers).delete()
            lease.change(since_resume={}, **{name: F(name) - number for name, number in counted.items()})
            parts.count_with(lease.run, {name: -number for name, number in counted.items()})
        lease.run.refresh_from_db()


def _steps(slice_: Slice, backfill: Backfill | None, over: Callable[[], bool]) -> Iterator[None]:
    """The run page by page. Keys that somebody asked for join in at every boundary: a retry never waits for a
    long scan."""
    run, flow = slice_.lease.run, slice_.route.flow
    while slice_.pending():
        yield
    if run.keys_only or run.scan_done:
        return
    if backfill:
        pages = backfills.pages(backfill, slice_.route, run.resume, slice_.keys_of)
    else:
        pages = ahead(slice_.route.source.read(flow.stream, run.watermark_from, run.resume))
    for unit in gathered(pages, slice_.new, slice_.route.inlet.batch, requests=slice_.at_once, over=over):
        slice_.whole(unit)
        yield
        while slice_.pending():
            yield
    slice_.settle()
    if not run.scan_done:  # the last page says it already
        slice_.lease.change(scan_done=True)


@contextmanager
def _senders(limits: FlowLimits | None) -> Iterator[Senders]:
    executor = Senders(settings.SYNC["SENDERS"], limits.budget if limits else None)
    try:
        yield executor
    finally:
        with away.waited_for_while_running():
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
        with away.waited_for_while_running():
            executor.shutdown(wait=True)


def _stop_asked(slice_: Slice) -> bool:
    """Cancelled or paused since the last page? Then the run ends here, in good order."""
    lease = slice_.lease
    run = SyncRun.objects.select_related("flow").get(pk=lease.run.pk)
    goes_on = not run.flow.paused and run.flow.enabled
    if not run.cancel_requested and (goes_on or plans.is_preview(run)):  # a preview sends nothing
        return False
    if run.divided and (run.cancel_requested or parts.stopped(run)):  # ends when its parts have stopped
        return False
    slice_.settle()
    if run.cancel_requested:
        runs.finish(lease, RunState.CANCELLED, "Cancelled by a person after its last complete page.")
    else:
        why = f"paused: {run.flow.paused_note}" if run.flow.paused else "switched off."
        runs.wait(lease, 10**8, f"The flow is {why}")
    return True


def _complete(route: Route, lease: Lease, watch: Watch) -> None:
    """The end: cards and totals, the watermark moves, run-level exceptions close themselves."""
    run, flow = lease.run, route.flow
    if run.state != RunState.RUNNING:
        return
    if run.parent_id:
        runs.finish(lease, RunState.COMPLETED)
        return
    if plans.is_preview(run):
        plans.finish(route, lease)
        return
    watch.judge()
    if route.inlet.effect is Effect.ONCE:
        ledger.after_run(flow, run)
    if route.inlet.after:
        holds.after_run(flow, run.pk)
    else:
        gone.after_run(flow)
    if route.inlet.effect is Effect.REPLACE:
        scanned = route.stream.change is Change.SCAN or not run.watermark_from
        plans.spare_absent(route, run)
        watch.judge_feed(feeds.after_run(flow, run, route.inlet.head, scanned and not run.keys_only, watch.shrink))
    crashpoint("before_completion")
    with transaction.atomic():
        runs.finish(lease, RunState.COMPLETED)
        if plans.applied(run) and not run.keys_only and run.watermark_to:
            watermarks.advance(flow, run.watermark_to)
        issues.resolve_where(flow, f"Run {run.pk} completed.", kind__regex="^(run|breaker)_")
        if watch.allowed:
            breakers.use_up(flow, run)
        ledger.release(flow)
        holds.release(flow)
        crashpoint("in_completion")
    crashpoint("after_completion")
    statistics.after_load(grows(route), run.accepted)
