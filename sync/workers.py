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
KEPT = timedelta(days=1)
"""How long those are listed that ended and are not missed."""
MISSED = timedelta(days=3)
"""How long a machine is missed that has no worker any more: a weekend."""
BEAT = "beat"
ALIVE, GONE, REPLACED, STOPPED = "alive", "gone", "replaced", "stopped"
ORDER = (ALIVE, GONE, REPLACED, STOPPED)


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
    now = clock.now()
    living = set(
        WorkerProcess.objects.filter(stopped_at=None, seen_at__gte=now - GONE_AFTER).values_list("host", "kind")
    )
    ended = WorkerProcess.objects.filter(seen_at__lt=now - KEPT)
    over = [
        one.pk
        for one in ended.only("pk", "host", "kind", "seen_at", "stopped_at")
        if one.stopped_at or (one.host, one.kind) in living or one.seen_at < now - MISSED
    ]
    WorkerProcess.objects.filter(pk__in=over).delete()


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
    """One living process as the page shows it; of those that ended all of one machine. `process` is the last that was
    seen, `number` how many there are; `since` is the start of a living one, the last sign of life of others."""

    process: WorkerProcess
    state: str
    since: datetime
    works_on: Sequence[SyncRun]
    leads: bool
    """The beat that rings; another beat stands by."""
    number: int = 1

    @property
    def means(self) -> str:
        if self.state == STOPPED:
            return "Stopped in good order; listed for a day."
        if self.state == REPLACED:
            return "Killed or restarted; another that lives on this machine has taken its place. Listed for a day."
        if self.state == GONE and self.process.kind != BEAT:
            return "Killed, or its machine is down; its work goes on with the others. Listed for three days."
        return ""

    @property
    def what_to_do(self) -> str:
        if self.state == STOPPED:
            return "Nothing: it was stopped in good order."
        if self.state in (ALIVE, REPLACED):
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
            "number": self.number,
            "started_at": self.process.started_at,
            "seen_at": self.process.seen_at,
            "works_on": [run.pk for run in self.works_on],
            "leads": self.leads,
            "what_to_do": self.what_to_do,
        }


def lines() -> list[Line]:
    """Those that live, then the others, a line for all that ended alike on one machine. Three queries, whatever the
    number of workers."""
    now, leader = clock.now(), duties.holder(BEAT)
    running: dict[str, list[SyncRun]] = {}
    for run in SyncRun.objects.filter(state=RunState.RUNNING).select_related("flow", "parent__flow"):
        running.setdefault(run.holder, []).append(run.parent or run)
    known = list(WorkerProcess.objects.all())
    living = {(one.host, one.kind) for one in known if _state(one, now) == ALIVE}
    found: dict[tuple[str, ...], list[WorkerProcess]] = {}
    for one in known:  # newest first
        state = _state(one, now)
        state = REPLACED if state == GONE and (one.host, one.kind) in living else state
        found.setdefault((state, one.host, one.kind, one.name if state == ALIVE else ""), []).append(one)
    told = [_line(state, alike, running, leader) for (state, *_), alike in found.items()]
    return sorted(told, key=lambda line: (ORDER.index(line.state), line.process.kind == BEAT))


def _state(process: WorkerProcess, now: datetime) -> str:
    if process.stopped_at:
        return STOPPED
    return GONE if now - process.seen_at > GONE_AFTER else ALIVE


def _line(state: str, alike: Sequence[WorkerProcess], running: dict[str, list[SyncRun]], leader: str) -> Line:
    last = alike[0]
    holders = [f"{one.host}:{pid}" for one in alike for pid in sorted({one.pid, *one.processes})]
    works_on = [run for holder in holders for run in running.get(holder, ())]
    since = last.started_at if state == ALIVE else last.stopped_at or last.seen_at
    leads = state == ALIVE and last.kind == BEAT and last.name == leader
    return Line(last, state, since, works_on, leads, len(alike))


def living() -> int:
    """Workers that live now."""
    since = clock.now() - GONE_AFTER
    return WorkerProcess.objects.filter(kind="worker", stopped_at=None, seen_at__gte=since).count()
