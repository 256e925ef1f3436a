"""Compares one flow's keys with its source: finds what cursors missed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import runs
from sync.catalogue import RunState
from sync.management.console import ConsoleCommand
from sync.management.foreground import result, sentence, until_done


class Command(ConsoleCommand):
    help = "Reads every key of a flow's source; what was never seen is read by the next run, what is gone is named."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        self.need_connections(flow)
        run = runs.start(flow, trigger="command", kind="sweep", ring=False)
        if run is None:
            raise CommandError(f"{flow} cannot be swept now.", returncode=1)
        run = until_done(run, self.progress)
        self.one(result(run), options["json"], sentence(run))
        if run.state != RunState.COMPLETED:
            raise CommandError(run.message or f"The sweep ended as {run.state}.", returncode=1)
