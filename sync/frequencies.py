"""What each frequency would mean for a flow: expected lag, share of the API budget, errors so far.

Figures come from the flow's own runs; a flow that has not run yet says so by None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q, QuerySet

from sync import clock, flows
from sync.catalogue import RunState
from sync.models import ApiBudget, AuditEvent, Flow, SyncRun
from sync.schedules import BUSINESS, DAILY, EVERY, Schedule

LOOKED_BACK = timedelta(days=90)
OFFERED = (*(Schedule(EVERY, minutes) for minutes in (5, 15, 30, 60)), Schedule(BUSINESS), Schedule(DAILY))
CHANGES = 20
"""Changes of the schedule that are looked back over, at most."""


@dataclass(frozen=True)
class Outlook:
    """`lag`: from a change in the ERP to its acceptance, at worst. `share`: of the target's calls a minute, in
    percent, on average. `failed` of `runs` ended badly while the flow ran at this frequency."""

    name: str
    current: bool
    lag: timedelta | None
    share: float | None
    runs: int
    failed: int

    @property
    def lag_words(self) -> str:
        if self.lag is None:
            return "not known yet"
        minutes = max(1, round(self.lag.total_seconds() / 60))
        if minutes < 120:
            return f"up to {minutes} min"
        return f"up to {round(minutes / 60)} h"

    @property
    def share_words(self) -> str:
        if self.share is None:
            return "not known yet"
        return "less than 0.1 %" if self.share < 0.1 else f"{self.share:.1f} %"

    @property
    def error_words(self) -> str:
        if not self.runs:
            return "never ran so"
        return f"{100 * self.failed / self.runs:.1f} % of {self.runs:,} runs"


def outlooks(flow: Flow, now: Schedule | None) -> list[Outlook]:
    """Those on offer, and the present one; a handful of queries."""
    took, calls = _of_a_run(flow)
    per_minute = _per_minute(flow.target)
    history = _history(flow)
    shown = list(OFFERED)
    if now is not None and _name(now) not in {_name(one) for one in shown}:
        shown.insert(0, now)
    found = []
    for schedule in shown:
        name = _name(schedule)
        runs, failed = history.get(name, (0, 0))
        share = None
        if calls is not None and per_minute:
            minutes = schedule.interval.total_seconds() / 60
            share = 100 * calls / minutes / per_minute
        lag = schedule.interval + took if took is not None else None
        current = now is not None and name == _name(now)
        found.append(Outlook(name, current, lag, share, runs, failed))
    return found


def _name(schedule: Schedule) -> str:
    """Without its time of day and zone: those change neither lag nor load."""
    if schedule.frequency == EVERY:
        return schedule.words.capitalize()
    return "Once a day" if schedule.frequency == DAILY else "Hourly in business hours"


def _named_by(words: str) -> str:
    """From the audit trail's words."""
    if words.startswith("daily"):
        return "Once a day"
    return "Hourly in business hours" if words.startswith("hourly") else words.capitalize()


def _scans(flow: Flow) -> QuerySet[SyncRun]:
    since = clock.now() - LOOKED_BACK
    return SyncRun.objects.filter(flow=flow, kind="sync", part=0, keys_only=False, queued_at__gte=since)


def _of_a_run(flow: Flow) -> tuple[timedelta | None, float | None]:
    """How long an ordinary run takes, and how many requests it sends to the target. Whole reads are no measure."""
    ended = _scans(flow).filter(state=RunState.COMPLETED, started_at__isnull=False, finished_at__isnull=False)
    ordinary = ended.filter(full=False, trigger="schedule")
    took = ExpressionWrapper(F("finished_at") - F("started_at"), DurationField())
    found = (ordinary if ordinary.exists() else ended).aggregate(took=Avg(took), calls=Avg("writes"))
    return found["took"], found["calls"]


def _per_minute(target: str) -> float | None:
    """What the target's credential allows; the tightest where it has several."""
    if target == flows.CONSOLE:
        return None
    found = ApiBudget.objects.filter(connections__contains=target, limit__gt=0)
    rates = [one.limit * 60 / one.window for one in found if target in one.connections.split(", ") and one.window]
    return min(rates, default=None)


def _history(flow: Flow) -> dict[str, tuple[int, int]]:
    """Name of a frequency → (runs by schedule, those that failed or were lost) while it was in force."""
    told = AuditEvent.objects.filter(object_type="flow", object_id=str(flow.pk), action="change schedule")
    changes = list(told.order_by("-id").values_list("at", "after")[:CHANGES])
    found: dict[str, tuple[int, int]] = {}
    for name, since, until in _periods(changes):
        runs = _scans(flow).filter(trigger="schedule", queued_at__gte=since)
        if until is not None:
            runs = runs.filter(queued_at__lt=until)
        bad = Q(state__in=[RunState.FAILED, RunState.LOST])
        counted = runs.aggregate(runs=Count("pk"), failed=Count("pk", filter=bad))
        before = found.get(name, (0, 0))
        found[name] = (before[0] + counted["runs"], before[1] + counted["failed"])
    return found


def _periods(changes: Sequence[tuple[datetime, dict[str, str]]]) -> list[tuple[str, datetime, datetime | None]]:
    """(frequency, from, until), newest first, which lasts still; neighbours of the same name are one."""
    periods: list[tuple[str, datetime, datetime | None]] = []
    until: datetime | None = None
    for at, after in changes:
        name = _named_by(after.get("words", ""))
        if periods and periods[-1][0] == name:
            periods[-1] = (name, at, periods[-1][2])
        else:
            periods.append((name, at, until))
        until = at
    return periods
