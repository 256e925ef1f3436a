"""Lets a paused flow go on."""

from argparse import ArgumentParser
from typing import Any

from sync import runs
from sync.management.console import ConsoleCommand


class Command(ConsoleCommand):
    help = "Resumes a paused flow; what was waiting goes on from where it stopped."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        text = f"{flow} was not paused."
        if flow.paused:
            runs.resume(flow, None)
            text = f"{flow} goes on."
        self.one({"name": flow.name, "paused_at": flow.paused_at}, options["json"], text)
