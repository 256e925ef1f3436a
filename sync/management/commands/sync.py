"""Runs one flow in the foreground, without a worker."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import pending, runs
from sync.catalogue import RunState
from sync.management.console import ConsoleCommand, keys
from sync.management.foreground import result, sentence, until_done
from sync.models import SyncRun


class Command(ConsoleCommand):
    help = "Syncs one flow now, in this process."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        parser.add_argument("--full", action="store_true", help="read everything; what is unchanged is still skipped")
        parser.add_argument("--ids", help="only these source ids, comma separated")
        parser.add_argument("--since", help="start from this watermark instead of the stored one")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        ids = keys(options["ids"])
        if ids:
            pending.note(flow, ids, "pasted")
        run = runs.start(flow, trigger="command", full=options["full"], keys_only=bool(ids), ring=False)
        if run is None:
            raise CommandError(f"{flow} cannot start now.", returncode=1)
        if options["since"] and run.state == RunState.QUEUED:
            SyncRun.objects.filter(pk=run.pk).update(watermark_from=options["since"])
        run = until_done(run, self.progress)
        self.one(result(run), options["json"], sentence(run))
        if run.state != RunState.COMPLETED:
            raise CommandError(run.message or f"The run ended as {run.state}.", returncode=1)
