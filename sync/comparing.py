"""Runs that compare and deliver nothing new: both sides completely, or keys alone."""

from collections.abc import Callable

from sync import clock, flows, grace, reconcile, runs, sweep
from sync.catalogue import RunState
from sync.limits import limits_for
from sync.models import SyncRun
from sync.runs import Lease


class _StopAsked(Exception):
    """A comparison was cancelled."""


def compare(lease: Lease) -> None:
    """Reads both sides completely; what it found is counted, and applied unless it is an audit."""
    run, flow = lease.run, lease.run.flow
    route = flows.open_route(flow, limits_for(flow.source, lease), limits_for(flow.target, lease))

    told = _teller(lease)
    try:
        found = list(reconcile.findings(route, told))
        found = grace.outwaited(route, found, lambda: told(run.read, run.total))
    except _StopAsked:
        runs.finish(lease, RunState.CANCELLED, "Cancelled by a person; nothing was opened or closed.")
        return
    summary = reconcile.apply(route, run, found) if run.apply else reconcile.summary(found)
    runs.finish(lease, RunState.COMPLETED, findings=summary)


def compare_keys(lease: Lease) -> None:
    """Compares keys alone; what was never seen is read by the next run."""
    flow = lease.run.flow
    route = flows.open_route(flow, limits_for(flow.source, lease), limits_for(flow.target, lease))
    try:
        found = sweep.sweep(route, lease.run, _teller(lease))
    except _StopAsked:
        runs.finish(lease, RunState.CANCELLED, "Cancelled by a person; what was found missing is read all the same.")
        return
    runs.finish(lease, RunState.COMPLETED, findings=found)


def _teller(lease: Lease) -> Callable[[int, int | None], None]:
    """Shows how far a comparison is; raises when somebody has cancelled it."""

    def told(read: int, total: int | None) -> None:
        lease.change(read=read, total=total or lease.run.total, heartbeat_at=clock.now())
        if SyncRun.objects.filter(pk=lease.run.pk, cancel_requested=True).exists():
            raise _StopAsked

    return told
