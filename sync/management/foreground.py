"""A run worked on in this process, without a worker, and told as it goes."""

import time
from collections.abc import Callable
from typing import Any

from django.forms.models import model_to_dict

from sync import pipeline
from sync.catalogue import Bucket, RunState
from sync.models import SyncRun

SLICE = 2.0
"""Seconds between two lines of progress."""


def until_done(run: SyncRun, show: Callable[[str], None]) -> SyncRun:
    """Works on the run until it has ended; where a worker has taken it, waits for that worker."""
    before = None
    while run.active:
        pipeline.work(run.pk, seconds=SLICE)
        run.refresh_from_db()
        show(f"run {run.pk} {run.state}: {run.read:,} read of {run.total or '?'}   ")
        if run.state == RunState.WAITING:
            show(f"run {run.pk} waits: {run.message}")
        if run.active and run.heartbeat_at == before:
            time.sleep(1)
        before = run.heartbeat_at
    return run


def result(run: SyncRun) -> dict[str, Any]:
    """The run for machines: its columns, and its flow by name."""
    return model_to_dict(run) | {"id": run.pk, "flow": run.flow.name}


def sentence(run: SyncRun) -> str:
    """The run for people."""
    said = f" {run.message}" if run.message else ""
    if run.kind == "compare":
        found = [f"{found['records']:,} {kind}" for kind, found in run.findings.items()]
        told = ", ".join(found) or "no difference"
        return f"{run.flow} comparison {run.pk} {run.state}: {run.read:,} read; {told}.{said}"
    buckets = ", ".join(f"{getattr(run, bucket):,} {bucket}" for bucket in Bucket if getattr(run, bucket))
    return (
        f"{run.flow} run {run.pk} {run.state}: {run.read:,} read ({buckets or 'nothing new'}), "
        f"{run.writes} requests.{said}"
    )
