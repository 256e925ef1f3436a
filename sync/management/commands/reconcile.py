"""Compares one flow's two sides and opens and closes exceptions."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import recheck, runs
from sync.catalogue import RunState
from sync.management.console import ConsoleCommand, keys
from sync.management.foreground import result, sentence, until_done
from sync.models import Flow


class Command(ConsoleCommand):
    help = "Reads both sides of a flow; differences become exceptions, exceptions that are over close with proof."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        parser.add_argument("--ids", help="only these source ids, comma separated")

    def handle(self, *args: Any, **options: Any) -> None:
        flow, ids = self.flow(options["flow"]), keys(options["ids"])
        if ids:
            self._records(flow, ids, options["json"])
            return
        run = runs.start(flow, trigger="command", kind="compare", apply=True, ring=False)
        if run is None or not run.apply:
            raise CommandError(f"{flow} is being audited right now; try again when that is over.", returncode=1)
        run = until_done(run, self.progress)
        self.one(result(run), options["json"], sentence(run))
        if run.state != RunState.COMPLETED:
            raise CommandError(run.message or f"The comparison ended as {run.state}.", returncode=1)

    def _records(self, flow: Flow, ids: list[str], as_json: bool) -> None:
        try:
            found = recheck.records(flow, ids)
        except recheck.NotReadableError as error:
            raise CommandError(str(error), returncode=2) from error
        for record in found:
            differing = ", ".join(record.differing) or "equal"
            told = {"source_id": record.key, "state": record.state, "differing": record.differing}
            self.one(told, as_json, f"{record.key}: {record.state}" + (f", {differing}" if record.is_pair else ""))
