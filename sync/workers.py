"""Who works: every worker and beat says that it lives; who has said nothing for a while is gone."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sync import clock, duties
from sync.catalogue import RunState
from sync.models import SyncRun, WorkerProcess

SAYS_EVERY = 5.0
"""Seconds between two signs of life."""
GONE_AFTER = timedelta(seconds=30)
KEPT = timedelta(days=3)
BEAT = "beat"
ALIVE, GONE, STOPPED = "alive", "gone", "stopped"


def name() -> str:
    """Of this process, as a lease's holder is named."""
    return f"{socket.gethostname()}:{os.getpid()}"


def alive(kind: str = "worker", processes: Sequence[int] = ()) -> None:
    """This process lives; `processes` are those that work for it."""
    now, me = clock.now(), name()
    found = WorkerProcess.objects.filter(name=me)
    if not found.update(seen_at=now, stopped_at=None, processes=list(processes)):
        WorkerProcess.objects.create(
            name=me, kind=kind, host=socket.gethostname()[:100], pid=os.getpid(), processes=list(processes),
            started_at=now, seen_at=now,
        )  # fmt: skip


def stopped() -> None:
    """This process ends in good order."""
    now = clock.now()
    WorkerProcess.objects.filter(name=name()).update(seen_at=now, stopped_at=now)


def slots() -> int:
    """Processes of living workers that take messages."""
    living = WorkerProcess.objects.filter(kind="worker", stopped_at=None, seen_at__gt=clock.now() - GONE_AFTER)
    return sum(max(1, len(one)) for one in living.values_list("processes", flat=True))


def forget() -> None:
    """Those that ended long ago."""
    WorkerProcess.objects.filter(seen_at__lt=clock.now() - KEPT).delete()


@dataclass(frozen=True)
class Absent:
    """Whom the start page misses: `none` when no worker lives at all, else machines that had one and have none."""

    none: bool
    hosts: Sequence[str]
    since: datetime | None


def absent() -> Absent:
    """One query. A worker that was stopped in good order is missed only when it was the last."""
    known = list(WorkerProcess.objects.filter(kind="worker").values_list("host", "seen_at", "stopped_at"))
    oldest = clock.now() - GONE_AFTER
    living = {host for host, seen, stopped in known if stopped is None and seen >= oldest}
    if not living:
        return Absent(True, (), max((seen for _, seen, _ in known), default=None))
    gone = [(host, seen) for host, seen, stopped in known if stopped is None and host not in living]
    return Absent(False, sorted({host for host, _ in gone}), max((seen for _, seen in gone), default=None))


@dataclass(frozen=True)
class Line:
    """One process as the page shows it. `since` is the start of a living one, the last sign of life of another."""

    process: WorkerProcess
    state: str
    since: datetime
    works_on: Sequence[SyncRun]
    leads: bool
    """The beat that rings; another beat stands by."""

    @property
    def what_to_do(self) -> str:
        if self.state == STOPPED:
            return "Nothing: it was stopped in good order."
        if self.state == ALIVE:
            return "Nothing."
        if self.process.kind == BEAT:
            return "Start a beat again (script/beat). Schedules go on meanwhile: every worker looks for due work."
        held = " Its runs go on with another worker within two minutes." if self.works_on else ""
        return f"Start a worker again on {self.process.host} (script/worker).{held}"

    def told(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "name": self.process.name,
            "kind": self.process.kind,
            "state": self.state,
            "started_at": self.process.started_at,
            "seen_at": self.process.seen_at,
            "works_on": [run.pk for run in self.works_on],
            "leads": self.leads,
            "what_to_do": self.what_to_do,
        }


def lines() -> list[Line]:
    """Three queries, whatever the number of workers."""
    now, leader = clock.now(), duties.holder(BEAT)
    running: dict[str, list[SyncRun]] = {}
    for run in SyncRun.objects.filter(state=RunState.RUNNING).select_related("flow", "parent__flow"):
        running.setdefault(run.holder, []).append(run.parent or run)
    return [_line(process, running, leader, now) for process in WorkerProcess.objects.all()]


def _line(process: WorkerProcess, running: dict[str, list[SyncRun]], leader: str, now: datetime) -> Line:
    pids = {process.pid, *process.processes}
    works_on = [run for pid in sorted(pids) for run in running.get(f"{process.host}:{pid}", ())]
    if process.stopped_at:
        return Line(process, STOPPED, process.stopped_at, works_on, False)
    if now - process.seen_at > GONE_AFTER:
        return Line(process, GONE, process.seen_at, works_on, False)
    return Line(process, ALIVE, process.started_at, works_on, process.kind == BEAT and process.name == leader)


def living() -> int:
    """Workers that live now."""
    since = clock.now() - GONE_AFTER
    return WorkerProcess.objects.filter(kind="worker", stopped_at=None, seen_at__gte=since).count()
