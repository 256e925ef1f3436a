"""How many records a run of a flow usually reads: judged from runs of the same weekday, near the same hour."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import or_
from statistics import median
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, QuerySet

from sync import clock
from sync.catalogue import RunState
from sync.models import SyncRun

WEEKS = 8
ENOUGH = 4
"""Weeks that must have had such a run before anything is called unusual."""
SPREAD = 6 * 1.4826
"""Median deviations that are usual: six standard deviations, if the numbers were normal."""


@dataclass(frozen=True)
class Expected:
    """`low` and `high` bound what a run may read; the samples are one run of each week, the nearest by the clock."""

    weekday: str
    samples: Sequence[int]
    low: int
    high: int
    gap: timedelta
    """How far two runs lie apart on such a day."""

    @property
    def median(self) -> int:
        return int(median(self.samples))


def like(run: SyncRun) -> QuerySet[SyncRun]:
    """Completed runs of its flow that read as it does: everything, or what changed."""
    done = SyncRun.objects.filter(flow_id=run.flow_id, kind="sync", state=RunState.COMPLETED, keys_only=False)
    done = done.filter(parent=None).exclude(trigger="backfill").exclude(pk=run.pk)
    return done.exclude(watermark_from="") if run.watermark_from else done.filter(watermark_from="")


def of(run: SyncRun, percent: int, minimum: int) -> Expected | None:
    """What this run may read; None while there is not enough history. It may be as many times more as it may be
    less: with 75 % between a quarter of the median and four times it, and never less than `minimum` apart from it."""
    zone = ZoneInfo(settings.LOCAL_TIME_ZONE)
    now = clock.now().astimezone(zone)
    by_day = _by_day(run, now, zone)
    if len(by_day) < ENOUGH:
        return None
    samples = [_nearest(runs, now) for _, runs in sorted(by_day.items())]
    middle = median(samples)
    spread = SPREAD * median([abs(sample - middle) for sample in samples])
    share = 1 - min(percent, 99) / 100
    apart = max(spread, minimum)
    return Expected(
        f"{now:%A}",
        samples,
        max(0, int(min(middle * share, middle - apart))),
        int(max(middle / share, middle + apart)),
        timedelta(days=1) / max(1, median([len(runs) for runs in by_day.values()])),
    )


def after_a_gap(expected: Expected, run: SyncRun) -> int:
    """The upper bound where the run before lies further back than usual: what piled up meanwhile is expected."""
    last = like(run).order_by("-id").values_list("queued_at", flat=True).first()
    waited = (clock.now() - last) / expected.gap if last else 1.0
    return int(expected.high * max(1.0, waited)) if run.watermark_from else expected.high


def _by_day(run: SyncRun, now: datetime, zone: ZoneInfo) -> Mapping[date, list[tuple[datetime, int]]]:
    days = [now.date() - timedelta(weeks=back) for back in range(1, WEEKS + 1)]
    spans = [Q(queued_at__gte=_start(day, zone), queued_at__lt=_start(day + timedelta(days=1), zone)) for day in days]
    found: dict[date, list[tuple[datetime, int]]] = defaultdict(list)
    rows = like(run).filter(reduce(or_, spans)).order_by()
    for moment, read, asked in rows.values_list("queued_at", "read", "asked_read"):
        there = moment.astimezone(zone)
        found[there.date()].append((there, read - asked))
    return found


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _nearest(runs: Sequence[tuple[datetime, int]], now: datetime) -> int:
    def apart(one: tuple[datetime, int]) -> int:
        return abs(_minutes(one[0]) - _minutes(now))

    return min(runs, key=apart)[1]


def _minutes(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute
