"""A flow's schedule in an operator's words, kept as one PeriodicTask of django-celery-beat.

Due times are computed here, from the schedule alone: beat's message is a doorbell (see due.py). Frequent flows are
interval schedules: a crontab skips the repeated hour when summer time ends. The task is written through `save()`,
because beat does not notice `QuerySet.update()`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, islice
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from sync import clock, history
from sync.models import Flow, FlowSchedule

TASK = "sync.tasks.start_flow"
EVERY, DAILY, BUSINESS = "every", "daily", "business"
OPENS, CLOSES = 8, 18
"""Business hours: the first and the last full hour of a working day at which a run starts."""
_WORKING_DAYS = "1-5"
SKIP, QUEUE, COALESCE, CATCH_UP = "skip", "queue", "coalesce", "catch_up"
OVERLAP_WORDS = {
    COALESCE: "a start during a run is taken together with it, or follows once",
    QUEUE: "a start during a run follows right after it",
    SKIP: "a start during a run is left out",
}
MISSED_WORDS = {CATCH_UP: "missed starts are caught up once", SKIP: "missed starts are left out"}


@dataclass(frozen=True)
class Schedule:
    """`every`: each `minutes`; `daily`: at `at` in `zone`; `business`: hourly, Monday to Friday, in `zone`.

    `overlap` says what becomes of a start while a run is active, `missed` of one that nobody was there for.
    """

    frequency: str = EVERY
    minutes: int = 15
    at: time = time(2, 0)
    zone: str = ""
    on: bool = True
    overlap: str = COALESCE
    missed: str = CATCH_UP

    @property
    def rules_in_words(self) -> str:
        return f"{OVERLAP_WORDS[self.overlap]}; {MISSED_WORDS[self.missed]}"

    @property
    def interval(self) -> timedelta:
        """Between two starts, as a rule."""
        if self.frequency == EVERY:
            return timedelta(minutes=self.minutes)
        return timedelta(days=1) if self.frequency == DAILY else timedelta(hours=1)

    @property
    def words(self) -> str:
        if self.frequency == EVERY:
            return "every minute" if self.minutes == 1 else f"every {self.minutes} minutes"
        if self.frequency == DAILY:
            return f"daily at {self.at:%H:%M}, {self.zone}"
        return f"hourly {OPENS:02}:00 to {CLOSES}:00, Monday to Friday, {self.zone}"


def default_zone() -> str:
    return str(settings.LOCAL_TIME_ZONE)


def read(flow: Flow) -> Schedule | None:
    """The flow's schedule; None when it has none."""
    task: PeriodicTask | None = flow.schedule
    if task is None:
        return None
    return replace(_timing(task), overlap=_rule(flow, "overlap", COALESCE), missed=_rule(flow, "missed", CATCH_UP))


def _rule(flow: Flow, name: str, default: str) -> str:
    return str(getattr(flow.rules, name)) if hasattr(flow, "rules") else default


def _timing(task: PeriodicTask) -> Schedule:
    if task.interval is not None:
        unit = timedelta(**{task.interval.period: task.interval.every})
        minutes = max(1, int(unit.total_seconds() // 60))
        return Schedule(EVERY, minutes, zone=default_zone(), on=task.enabled)
    zone = str(task.crontab.timezone)
    if task.crontab.day_of_week == _WORKING_DAYS:
        return Schedule(BUSINESS, zone=zone, on=task.enabled)
    at = time(int(task.crontab.hour), int(task.crontab.minute))
    return Schedule(DAILY, at=at, zone=zone, on=task.enabled)


def write(flow: Flow, schedule: Schedule, user: Any = None) -> None:
    """Stores the schedule and the change in the audit trail."""
    if schedule.frequency == EVERY and schedule.minutes < 1:
        raise ValueError("A flow starts once a minute at most")
    before = read(flow)
    with transaction.atomic():
        task = flow.schedule or PeriodicTask(name=f"Flow {flow.name}", task=TASK)
        task.kwargs = json.dumps({"flow": flow.name})
        task.enabled = schedule.on
        task.interval, task.crontab = _beat(schedule)
        task.save()
        flow.schedule = task
        flow.save(update_fields=["schedule"])
        _write_rules(flow, schedule, _same_starts(before, schedule))
        history.record("change schedule", flow, actor=user, before=_told(before), after=_told(schedule))


def _same_starts(before: Schedule | None, schedule: Schedule) -> bool:
    if before is None or (before.zone != schedule.zone and schedule.frequency != EVERY):
        return False
    return replace(before, overlap=schedule.overlap, missed=schedule.missed, zone=schedule.zone) == schedule


def _write_rules(flow: Flow, schedule: Schedule, same_starts: bool) -> None:
    """Other starts are counted from now; what was due under the old ones is over."""
    found = rules(flow)
    found.overlap, found.missed = schedule.overlap, schedule.missed
    if not same_starts:
        now = clock.now()
        found.counted_from, found.decided_until, found.watched_from = _minute(now), now, now
        found.owed_at, found.left_out_at, found.left_out_why = None, None, ""
    found.save()
    flow.rules = found


def rules(flow: Flow) -> FlowSchedule:
    """What decides about the flow's starts; made with the first look at a schedule of an older version."""
    now = clock.now()
    begin = {"counted_from": _minute(now), "decided_until": now, "watched_from": now}
    return FlowSchedule.objects.get_or_create(flow=flow, defaults=begin)[0]


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _told(schedule: Schedule | None) -> dict[str, Any]:
    if schedule is None:
        return {}
    return {**asdict(schedule), "at": f"{schedule.at:%H:%M}", "words": schedule.words}


def _beat(schedule: Schedule) -> tuple[IntervalSchedule | None, CrontabSchedule | None]:
    if schedule.frequency == EVERY:
        return IntervalSchedule.objects.get_or_create(every=schedule.minutes, period=IntervalSchedule.MINUTES)[0], None
    hours, minute, days = str(schedule.at.hour), str(schedule.at.minute), "*"
    if schedule.frequency == BUSINESS:
        hours, minute, days = f"{OPENS}-{CLOSES}", "0", _WORKING_DAYS
    found = CrontabSchedule.objects.filter(
        minute=minute, hour=hours, day_of_week=days, day_of_month="*", month_of_year="*", timezone=schedule.zone
    ).first()
    return None, found or CrontabSchedule.objects.create(
        minute=minute, hour=hours, day_of_week=days, timezone=schedule.zone
    )


def next_runs(
    schedule: Schedule, number: int = 5, now: datetime | None = None, last: datetime | None = None
) -> list[datetime]:
    """The next starts in UTC. An interval is counted from `last`; without it, from now."""
    now = now or timezone.now()
    return list(islice(after(schedule, now, last or _minute(now)), number))


def upcoming(flow: Flow, number: int = 1, now: datetime | None = None) -> list[datetime]:
    """The flow's next starts; none when it is off, paused or has no schedule."""
    schedule = read(flow)
    if schedule is None or not schedule.on or flow.paused or not flow.enabled:
        return []
    return next_runs(schedule, number, now, flow.rules.counted_from if hasattr(flow, "rules") else None)


def after(schedule: Schedule, moment: datetime, counted_from: datetime) -> Iterator[datetime]:
    """Every due time after the moment, in order, without end."""
    if schedule.frequency != EVERY:
        return _by_the_clock(schedule, moment)
    step = timedelta(minutes=schedule.minutes)
    first = counted_from + step * max(1, (moment - counted_from) // step + 1)
    return (first + step * number for number in count())


def latest(schedule: Schedule, now: datetime, counted_from: datetime) -> datetime | None:
    """The newest due time that has come; None before the first."""
    if schedule.frequency == EVERY:
        step = timedelta(minutes=schedule.minutes)
        passed = (now - counted_from) // step
        return counted_from + step * passed if passed > 0 else None
    week_ago = now - timedelta(days=8)  # the longest gap is a weekend
    found = None
    for moment in _by_the_clock(schedule, week_ago):
        if moment > now:
            break
        found = moment
    return found


def _by_the_clock(schedule: Schedule, now: datetime) -> Iterator[datetime]:
    """Wall-clock times of each day. One that does not exist (spring) starts when the clock has jumped over it;
    one that exists twice (autumn) starts once, the first time."""
    zone = ZoneInfo(schedule.zone)
    day = now.astimezone(zone).date() - timedelta(days=1)  # a jump may carry yesterday's last time into today
    while True:
        for at in _times(schedule, day):
            moment = datetime.combine(day, at, zone).astimezone(UTC)
            if moment > now:
                yield moment
        day += timedelta(days=1)


def _times(schedule: Schedule, day: date) -> list[time]:
    if schedule.frequency == DAILY:
        return [schedule.at]
    return [time(hour) for hour in range(OPENS, CLOSES + 1)] if day.weekday() < 5 else []
