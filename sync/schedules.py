"""A flow's schedule in an operator's words, kept as one PeriodicTask of django-celery-beat.

Frequent flows are interval schedules: a crontab skips the repeated hour when summer time ends. The task is
written through `save()`, because beat does not notice `QuerySet.update()`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from sync import history
from sync.models import Flow

TASK = "sync.tasks.start_flow"
EVERY, DAILY, BUSINESS = "every", "daily", "business"
OPENS, CLOSES = 8, 18
"""Business hours: the first and the last full hour of a working day at which a run starts."""
_WORKING_DAYS = "1-5"


@dataclass(frozen=True)
class Schedule:
    """`every`: each `minutes`; `daily`: at `at` in `zone`; `business`: hourly, Monday to Friday, in `zone`."""

    frequency: str = EVERY
    minutes: int = 15
    at: time = time(2, 0)
    zone: str = ""
    on: bool = True

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
        history.record("change schedule", flow, actor=user, before=_told(before), after=_told(schedule))


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
    """The next starts in UTC. `last` is when beat last started it; without it, counting begins now."""
    now = now or timezone.now()
    moments = _every(schedule, now, last) if schedule.frequency == EVERY else _daily(schedule, now)
    return list(islice(moments, number))


def upcoming(flow: Flow, number: int = 1, now: datetime | None = None) -> list[datetime]:
    """The flow's next starts; none when it is off, paused or has no schedule."""
    schedule = read(flow)
    if schedule is None or not schedule.on or flow.paused or not flow.enabled:
        return []
    task: PeriodicTask = flow.schedule
    return next_runs(schedule, number, now, task.last_run_at or task.date_changed)


def _every(schedule: Schedule, now: datetime, last: datetime | None) -> Iterator[datetime]:
    step = timedelta(minutes=schedule.minutes)
    moment = last or now
    missed = max(0, (now - moment) // step)
    moment += step * missed
    while True:
        moment += step
        yield moment.replace(microsecond=0)


def _daily(schedule: Schedule, now: datetime) -> Iterator[datetime]:
    """Wall-clock times of each day. One that does not exist (spring) starts when the clock has jumped over it;
    one that exists twice (autumn) starts once, the first time."""
    zone = ZoneInfo(schedule.zone)
    day = now.astimezone(zone).date()
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
