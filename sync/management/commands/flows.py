"""Flows: state, schedule, watermark, age."""

from typing import Any

from django.utils import timezone

from sync import flows, schedules
from sync.catalogue import ACTIVE_RUNS, RunState
from sync.management.console import ConsoleCommand
from sync.models import Flow, SyncRun

COLUMNS = {"name": 22, "state": 10, "schedule": 22, "watermark": 24, "last_run": 10, "age_minutes": 11}


class Command(ConsoleCommand):
    help = "Lists the flows with their state, schedule, watermark and the age of their last completed run in minutes."

    def handle(self, *args: Any, **options: Any) -> None:
        flows.ensure()
        self.listing(
            map(_row, Flow.objects.select_related("schedule__interval", "schedule__crontab", "rules")),
            options["json"],
            COLUMNS,
        )


def _row(flow: Flow) -> dict[str, Any]:
    of_flow = SyncRun.objects.filter(flow=flow, kind="sync", part=0)
    last = of_flow.first()
    done = of_flow.filter(state=RunState.COMPLETED).first()
    schedule = schedules.read(flow)
    age = timezone.now() - done.finished_at if done and done.finished_at else None
    return {
        "name": flow.name,
        "source": flow.source,
        "target": flow.target,
        "state": _state(flow),
        "schedule": f"{schedule.words}{'' if schedule.on else ' (off)'}" if schedule else "",
        "watermark": flow.watermark,
        "last_run": last.state if last else "never",
        "age_minutes": round(age.total_seconds() / 60) if age is not None else None,
        "freshness_minutes": flow.freshness_minutes,
        "paused_at": flow.paused_at,
        "paused_note": flow.paused_note,
    }


def _state(flow: Flow) -> str:
    if flow.paused:
        return "paused"
    if not flow.enabled:
        return "off"
    return "running" if SyncRun.objects.filter(flow=flow, kind="sync", state__in=ACTIVE_RUNS).exists() else "idle"
