"""Stops a flow's schedule from starting runs, and a running run after its page."""

from argparse import ArgumentParser
from typing import Any

from sync import runs
from sync.management.console import ConsoleCommand


class Command(ConsoleCommand):
    help = "Pauses a flow: schedules start nothing, a running run stops after its page."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        parser.add_argument("--note", default="Paused from the command line.", help="why, for the colleagues")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        if not flow.paused:
            runs.pause(flow, options["note"], None)
        text = f"{flow} is paused: {flow.paused_note}"
        told = {"name": flow.name, "paused_at": flow.paused_at, "paused_note": flow.paused_note}
        self.one(told, options["json"], text)
