"""What a flow looks like on one line: last run, freshness against its target, buckets, recent runs, next run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from sync import addresses, charts, schedules
from sync.catalogue import Bucket, RunState
from sync.models import Flow, SyncRun

RECENT = 24
"""Runs in a sparkline."""


@dataclass(frozen=True)
class Part:
    """One bucket of a run, with the address that lists its records."""

    name: str
    count: int
    url: str


def parts(run: SyncRun) -> list[Part]:
    return [Part(str(b), getattr(run, b), addresses.run_records(run, b)) for b in Bucket if getattr(run, b)]


@dataclass(frozen=True)
class FlowLine:
    flow: Flow
    last: SyncRun | None
    fresh_at: datetime | None
    next_at: datetime | None
    recent: Sequence[SyncRun]
    schedule: schedules.Schedule | None

    @property
    def url(self) -> str:
        return addresses.flow(self.flow)

    @property
    def last_url(self) -> str:
        return addresses.run(self.last) if self.last else ""

    @property
    def freshness(self) -> str:
        """`off`, `paused`, `never`, `late` or `fresh`: the age of the last completed run against the flow's target."""
        if self.flow.paused:
            return "paused" if self.flow.wanted else "off"
        if self.fresh_at is None:
            return "never"
        target = timedelta(minutes=self.flow.freshness_minutes)
        return "late" if timezone.now() - self.fresh_at > target else "fresh"

    @property
    def parts(self) -> list[Part]:
        return parts(self.last) if self.last else []

    @property
    def bar(self) -> list[charts.Segment]:
        return charts.stack([(part.name, part.count) for part in self.parts])

    @property
    def spark(self) -> list[charts.Bar]:
        return charts.sparkline([(run.read, run_tone(run), str(run.pk)) for run in reversed(self.recent)])

    @property
    def failed(self) -> bool:
        return self.last is not None and self.last.state in (RunState.FAILED, RunState.LOST)


def run_tone(run: SyncRun) -> str:
    if run.state in (RunState.FAILED, RunState.LOST):
        return "bad"
    if run.state == RunState.CANCELLED:
        return "neutral"
    if run.active:
        return "info"
    return "warn" if run.rejected or run.unknown else "good"


def _recent(flows: Iterable[Flow]) -> dict[int, list[SyncRun]]:
    """The latest runs of every flow in one query: a slice by index each."""
    slices = [
        Q(pk__in=SyncRun.objects.filter(flow=flow, kind="sync", part=0).order_by("-id").values("pk")[:RECENT])
        for flow in flows
    ]
    found: dict[int, list[SyncRun]] = defaultdict(list)
    if slices:
        for run in SyncRun.objects.filter(reduce(or_, slices)).order_by("-id"):
            found[run.flow_id].append(run)
    return found


def lines(flows: Sequence[Flow] | None = None) -> list[FlowLine]:
    """Two queries, whatever the number of runs."""
    whole = SyncRun.objects.filter(flow=OuterRef("pk"), kind="sync", part=0, state=RunState.COMPLETED, keys_only=False)
    chosen = Flow.objects.select_related("schedule__interval", "schedule__crontab", "rules", "paused_by").annotate(
        fresh_at=Subquery(whole.order_by("-id").values("finished_at")[:1])
    )
    if flows is not None:
        chosen = chosen.filter(pk__in=[flow.pk for flow in flows])
    found = list(chosen)
    recent = _recent(found)
    return [_line(flow, recent[flow.pk]) for flow in found]


def _line(flow: Any, recent: list[SyncRun]) -> FlowLine:
    upcoming = schedules.upcoming(flow)
    return FlowLine(
        flow,
        recent[0] if recent else None,
        flow.fresh_at,
        upcoming[0] if upcoming else None,
        recent,
        schedules.read(flow),
    )
