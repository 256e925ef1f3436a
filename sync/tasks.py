"""Celery's view of the console: each task is one call. Messages carry ids, nothing else."""

from datetime import UTC, datetime

from celery import shared_task
from django.conf import settings

from sync import bulk, clock, inbox, pending, pipeline, retention, runs, sweep
from sync import segment_check as segment_checks
from sync.models import Flow


@shared_task
def work(run_id: int) -> None:
    """One slice of a run; the run goes on in the next message when its time is over."""
    pipeline.work(run_id, settings.SYNC["SLICE_SECONDS"])


@shared_task
def tick() -> None:
    """Every few seconds: whatever should be running and is not, is rung for. Losing every message costs this."""
    pending.start_runs()
    for run_id in runs.due():
        work.apply_async((run_id,), expires=4 * settings.SYNC["TICK_SECONDS"])
    for event_id in inbox.due():
        inbox.handle(event_id)
    for operation_id in bulk.due():
        bulk_operation.delay(operation_id)
    for check_id in segment_checks.due():
        segment_check.delay(check_id)


@shared_task
def inbox_event(event_id: int) -> None:
    inbox.handle(event_id)


@shared_task
def sweep_all() -> None:
    """Once a night: every flow's keys against the source's, and everybody's consent."""
    tonight = clock.now().replace(minute=0, second=0, microsecond=0)
    for flow in sweep.due():
        runs.start(flow, trigger="schedule", kind="sweep", due_at=tonight)
    for flow in sweep.read_whole():
        runs.start(flow, trigger="schedule", full=True, due_at=tonight)


@shared_task
def bulk_operation(operation_id: int) -> None:
    bulk.run(operation_id)


@shared_task
def segment_check(check_id: int) -> None:
    segment_checks.run(check_id)


@shared_task
def start_flow(flow: str) -> None:
    """A schedule is due. The due time is rounded to the schedule's slot: two beats start one run."""
    found = Flow.objects.select_related("schedule").get(name=flow)
    runs.start(found, trigger="schedule", due_at=slot(found))


def slot(flow: Flow) -> datetime:
    """The due time that now belongs to: the start of the interval, or the minute for a crontab."""
    now = clock.now()
    interval = flow.schedule.interval if flow.schedule else None
    seconds = max(1, int(interval.schedule.run_every.total_seconds())) if interval else 60
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


@shared_task
def purge() -> None:
    """Once a day: requests and replies whose time is over."""
    retention.purge()
