"""A run worked on in this process, without a worker, and told as it goes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.forms.models import model_to_dict

from sync import parts, pipeline, progress
from sync.catalogue import Bucket, RunState
from sync.models import SyncRun

INTERVAL = 2.0
"""Seconds between two lines of progress."""


def until_done(run: SyncRun, show: Callable[[str], None]) -> SyncRun:
    """Works on the run until it has ended; where a worker has taken it, waits for that worker."""
    before = None
    while run.active:
        with _told(run.pk, show):
            pipeline.work(run.pk)
            run.refresh_from_db()
            for part in parts.of(run):
                pipeline.work(part.pk)
        run.refresh_from_db()
        show(_progress(run))
        if run.active and run.heartbeat_at == before:
            time.sleep(1)
        before = run.heartbeat_at
    return run


@contextmanager
def _told(run_id: int, show: Callable[[str], None]) -> Iterator[None]:
    """Progress from a thread of its own: the work is not cut into slices for it."""
    stop = threading.Event()

    def tell() -> None:
        try:
            while not stop.wait(INTERVAL):
                show(_progress(SyncRun.objects.get(pk=run_id)))
        finally:
            connection.close()

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        stop.set()
        teller.join(5)


def _progress(run: SyncRun) -> str:
    if run.state == RunState.WAITING:
        return f"run {run.pk} waits: {run.message}"
    return f"run {run.pk} {run.state}: {run.read:,} read of {run.total or '?'}   "


def result(run: SyncRun) -> dict[str, Any]:
    """The run for machines: its columns, and its flow by name."""
    return model_to_dict(run) | {"id": run.pk, "flow": run.flow.name}


def sentence(run: SyncRun) -> str:
    """The run for people."""
    said = f" {run.message}" if run.message else ""
    if run.kind != "sync":
        found = [f"{found['records']:,} {kind}" for kind, found in run.findings.items()]
        told = ", ".join(found) or "no difference"
        return f"{run.flow} {run.get_kind_display().lower()} {run.pk} {run.state}: {run.read:,} read; {told}.{said}"
    buckets = ", ".join(f"{getattr(run, bucket):,} {bucket}" for bucket in Bucket if getattr(run, bucket))
    nothing = "nothing new" if run.state == RunState.COMPLETED else "none of them to its end"
    asked = " ".join(filter(None, [f"{run.writes:,} request{'' if run.writes == 1 else 's'}.", progress.writing(run)]))
    return f"{run.flow} run {run.pk} {run.state}: {run.read:,} read ({buckets or nothing}), {asked}{said}"
