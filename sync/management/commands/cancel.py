"""Ends a flow's active runs."""

from argparse import ArgumentParser
from typing import Any

from sync import runs
from sync.catalogue import ACTIVE_RUNS
from sync.management.console import ConsoleCommand
from sync.models import SyncRun


class Command(ConsoleCommand):
    help = "Cancels a flow's runs: queued and waiting ones at once, a running one after its page."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        active = list(SyncRun.objects.filter(flow=flow, part=0, state__in=ACTIVE_RUNS))
        for run in active:
            runs.cancel(run, None)
        numbers = [run.pk for run in active]
        said = f"cancelled: run {', '.join(map(str, numbers))}" if numbers else "nothing was running"
        self.one({"name": flow.name, "cancelled": numbers}, options["json"], f"{flow}: {said}.")
