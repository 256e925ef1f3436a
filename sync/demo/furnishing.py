"""What a fresh console needs before anything runs: tables, one user per role, flows; later its schedules."""

import os
import socket
import time
from collections.abc import Mapping

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import DatabaseError
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from sync import clock, flows, roles, runs, schedules
from sync.catalogue import RunState
from sync.models import Flow, SyncRun
from sync.schedules import Schedule

MINUTES = {"customer": 45, "sale": 10}
"""How often the demo's flows run by themselves. Customers rarely: each run heals what people came to look at."""


def database(logins: Mapping[str, str]) -> None:
    """Migrates, and makes one user per role with the password that is printed; who is there keeps theirs."""
    call_command("migrate", verbosity=0, interactive=False)
    if get_user_model().objects.filter(username__in=logins).count() < len(logins):
        roles.demo_users(logins)


def tick() -> None:
    """The task that rings for whatever should run and does not; a ring nobody heard is worthless after a while."""
    seconds = settings.SYNC["TICK_SECONDS"]
    every, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
    task, _ = PeriodicTask.objects.get_or_create(
        name="Tick", defaults={"task": "sync.tasks.tick", "interval": every, "expire_seconds": 4 * seconds}
    )
    if task.interval_id != every.pk:
        task.interval = every
        task.save()


def schedule_flows() -> None:
    """A schedule for every flow that has none; what people changed stays."""
    for flow in flows.ensure():
        if flow.schedule is None and not flow.paused:
            schedules.write(flow, Schedule(minutes=MINUTES.get(flow.entity, 15)))


STOPPING = "The demo is stopped; the run goes on where it was when it starts again."


def hold_runs(seconds: float = 4.0) -> None:
    """Lets running runs end their page before the processes go: an upload under way gets its answer written down."""
    try:
        held = list(Flow.objects.filter(runs__state=RunState.RUNNING, paused_at=None).distinct())
    except DatabaseError:  # stopped before there were tables
        return
    for flow in held:
        runs.pause(flow, STOPPING, None)
    until = time.monotonic() + seconds
    while held and time.monotonic() < until and SyncRun.objects.filter(state=RunState.RUNNING).exists():
        time.sleep(0.1)


def let_go() -> None:
    """What was held when the demo was stopped goes on."""
    for flow in Flow.objects.filter(paused_note=STOPPING):
        runs.resume(flow, None)


def free_leases() -> None:
    """Runs that a dead worker of this machine holds need not wait for their lease to end."""
    host = socket.gethostname()
    for run in SyncRun.objects.filter(state=RunState.RUNNING, holder__startswith=f"{host}:"):
        if not _lives(run.holder.rpartition(":")[2]):
            SyncRun.objects.filter(pk=run.pk, epoch=run.epoch, state=RunState.RUNNING).update(lease_until=clock.now())


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def has_foreign_runs() -> bool:
    """Whether this database has been worked with already, by something that is not the demo."""
    try:
        return Flow.objects.exists() and SyncRun.objects.exists()
    except DatabaseError:
        return False
