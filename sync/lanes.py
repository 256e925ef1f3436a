"""Which system a run may hold up, and who may start: a slow or dead system delays nobody but itself.

Each system has its own queue, and what people wait for has one more. Within a worker every system keeps a process:
a second run of the same system starts only while one is left for each system that has none.
"""

import os
import socket
from collections import Counter
from collections.abc import Collection, Mapping

from django.conf import settings
from django.db import connection, transaction

from connectors.registry import Connection, connections
from sync import clock, flows, pending, runs
from sync.catalogue import RunState
from sync.models import Flow, SyncRun, WorkerProcess
from sync.runs import Lease

URGENT = "urgent"


def system(flow: Flow, known: Mapping[str, Connection] | None = None) -> str:
    """The system whose slowness this flow would suffer from first: its ERP, else its source."""
    found = connections() if known is None else known
    source = found.get(flow.source)
    if flow.target == flows.CONSOLE or source is None or "customer" in set(source.connector.streams):
        return flow.source
    return flow.target


def lane(run: SyncRun, known: Mapping[str, Connection] | None = None) -> str:
    """Urgent for what a person waits for; else the run's system."""
    if run.flow.entity in flows.URGENT or (run.keys_only and pending.urgent(run.flow)):
        return URGENT
    return system(run.flow, known)


def queue(task: str, row_id: int | None) -> str | None:
    """The queue of a message; None for the one that every worker listens to."""
    if task == "inbox_event":
        return URGENT
    if task != "work" or row_id is None:
        return None
    run = SyncRun.objects.select_related("flow").filter(pk=row_id).first()
    wanted = lane(run) if run else None
    return wanted if wanted in settings.LANES else None


def take(run_id: int) -> Lease | None:
    """The run's lease; None when somebody else has it, or when another system needs the process more."""
    mine = _siblings()
    if len(mine) < 2:
        return runs.take(run_id)
    with transaction.atomic():
        if connection.vendor == "postgresql":  # on SQLite there is one writer anyway
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"lanes {min(mine)}"])
        return runs.take(run_id) if _room(run_id, mine) else None


def _siblings() -> Collection[str]:
    """The processes of this worker as leases name them; none outside a worker.

    One that has just replaced another is not listed before the worker's next sign of life: its parent knows it.
    """
    host, me, parent = socket.gethostname(), os.getpid(), os.getppid()
    found = WorkerProcess.objects.filter(kind="worker", host=host[:100], stopped_at=None)
    for pid, processes in found.order_by("-seen_at").values_list("pid", "processes"):
        if me in processes or (pid == parent and processes):
            return [f"{host}:{one}" for one in processes]
    return []


def _room(run_id: int, mine: Collection[str]) -> bool:
    wanted = SyncRun.objects.select_related("flow").filter(pk=run_id).first()
    if wanted is None:
        return False
    known = connections()
    running = SyncRun.objects.filter(state=RunState.RUNNING, holder__in=mine, lease_until__gt=clock.now())
    held = Counter(lane(run, known) for run in running.select_related("flow").exclude(pk=run_id))
    asked = lane(wanted, known)
    if not held[asked]:
        return True
    active = Flow.objects.filter(paused_at=None, enabled=True)
    others = {URGENT if flow.entity in flows.URGENT else system(flow, known) for flow in active} - {asked}
    return len(mine) - held.total() - 1 >= sum(not held[one] for one in others)
