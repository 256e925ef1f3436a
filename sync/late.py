"""The alarm: a flow has not started although it was due. It closes by itself when the flow starts."""

from datetime import datetime, timedelta

from sync import clock, issues, schedules
from sync.catalogue import RunState
from sync.issues import Finding
from sync.models import Flow, SyncIssue, SyncRun
from sync.schedules import Schedule

KIND = "flow_late"
LONGEST = timedelta(hours=2)
"""A flow of once a day is late before two days are over."""
UNDER_WAY = (RunState.RUNNING, RunState.WAITING)
"""A long run and one that waits for a system say so themselves."""


def patience(schedule: Schedule) -> timedelta:
    return min(2 * schedule.interval, LONGEST)


def look() -> None:
    """Opens the alarm of every late flow and closes it for those that are not."""
    late = {flow.pk: due for flow in scheduled() if (due := overdue(flow)) is not None}
    ringing = dict(SyncIssue.objects.filter(kind=KIND, state__in=["open", "retrying"]).values_list("flow_id", "pk"))
    for flow in Flow.objects.filter(pk__in=set(late) - set(ringing)):
        told = f"{flow.name} was due at {late[flow.pk]:%Y-%m-%d %H:%M} UTC and has not started since."
        issues.raise_all(flow, None, [Finding(KIND, message=told, records=0)])
    issues.resolve([ringing[pk] for pk in set(ringing) - set(late)], "The flow has started, or is no longer due.")


def scheduled() -> list[Flow]:
    running = Flow.objects.filter(enabled=True, paused_at=None, schedule__enabled=True, rules__isnull=False)
    return list(running.select_related("rules", "schedule__interval", "schedule__crontab"))


def overdue(flow: Flow) -> datetime | None:
    """The due time that should have started by now; None when nothing is late."""
    schedule = schedules.read(flow)
    if schedule is None or not schedule.on:
        return None
    due = schedules.latest(schedule, clock.now() - patience(schedule), flow.rules.counted_from)
    if due is None or due < flow.rules.watched_from:
        return None
    of_flow = SyncRun.objects.filter(flow=flow, kind="sync")
    started = of_flow.filter(started_at__gte=due, keys_only=False) | of_flow.filter(state__in=UNDER_WAY)
    return None if started.exists() else due
