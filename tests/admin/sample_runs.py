"""Runs for the tests of the operators' screens."""

import json
import zlib
from datetime import timedelta
from typing import Any

from django.utils import timezone

from sync.models import Flow, RunPage, SyncRun
from tests.admin.desk_records import flow as a_flow

BUCKETS = ("accepted", "unchanged", "excluded", "held", "rejected", "unknown")


def finished(flow: Flow | None = None, **given: Any) -> SyncRun:
    """A completed run whose buckets add up, with the manifest of its one page."""
    now = timezone.now()
    values = {"state": "completed", "trigger": "schedule", "started_at": now - timedelta(seconds=30), **given}
    values.setdefault("finished_at", now)
    values["read"] = given.get("read", sum(given.get(name, 0) for name in BUCKETS))
    run = SyncRun.objects.create(flow=flow or a_flow(), **values)
    manifest = {
        name: [f"gbsi|{name}-{number}" for number in range(given.get(name, 0))]
        for name in BUCKETS
        if name != "unchanged"
    }
    packed = zlib.compress(json.dumps(manifest).encode())
    RunPage.objects.create(run=run, number=1, finished_at=now, read=run.read, manifest=packed)
    return run


def running(flow: Flow | None = None, **given: Any) -> SyncRun:
    now = timezone.now()
    values = {
        "state": "running",
        "started_at": now - timedelta(seconds=10),
        "read": 500,
        "accepted": 500,
        "total": 2000,
    }
    return SyncRun.objects.create(flow=flow or a_flow(), **{**values, "lease_until": now + timedelta(hours=1), **given})
