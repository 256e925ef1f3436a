"""Celery's view of the console: each task is one call. Messages carry ids, nothing else."""

from celery import shared_task
from django.conf import settings

from sync import accounting, bulk, due, inbox, pipeline, retention, runs, spending, watch
from sync import segment_check as segment_checks
from sync.models import Flow


@shared_task
def work(run_id: int) -> None:
    """One slice of a run; the run goes on in the next message when its time is over."""
    pipeline.work(run_id, settings.SYNC["SLICE_SECONDS"])


@shared_task
def tick() -> None:
    """Beat's way to ask for the look that every worker takes by itself. Losing every message costs a few seconds."""
    watch.look()


@shared_task
def inbox_event(event_id: int) -> None:
    """A message has come: it and whatever else waits is looked at, in order."""
    inbox.drain(settings.SYNC["SLICE_SECONDS"])


@shared_task
def sweep_all() -> None:
    """The night's sweep, unless a watchdog was quicker: a due time starts one run of a kind."""
    due.sweep_all(due.last_night(due.SWEEP))
    watch.look()


@shared_task
def bulk_operation(operation_id: int) -> None:
    bulk.run(operation_id)


@shared_task
def segment_check(check_id: int) -> None:
    segment_checks.run(check_id)


@shared_task
def start_flow(flow: str) -> None:
    """A schedule's bell. Which due time it is for is computed: a late or doubled message starts nothing else."""
    run = due.start(Flow.objects.select_related("schedule", "rules").get(name=flow))
    if run is not None:
        runs.ring_for(run.pk)


@shared_task
def purge() -> None:
    """Once a day: requests, replies and lists of records whose time is over; then the books are checked."""
    retention.purge()
    spending.forget()
    accounting.purge()
    accounting.work(accounting.ask().pk)


@shared_task
def account_check(check_id: int) -> None:
    accounting.work(check_id)
