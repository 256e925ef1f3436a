"""Runs one flow in the foreground, without a worker."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.forms.models import model_to_dict

from sync import pending, pipeline, runs
from sync.catalogue import Bucket, RunState
from sync.management.console import ConsoleCommand
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
        ids = [key.strip() for key in (options["ids"] or "").split(",") if key.strip()]
        if ids:
            pending.note(flow, ids, "pasted")
        run = runs.start(flow, trigger="command", full=options["full"], keys_only=bool(ids), ring=False)
        if run is None:
            raise CommandError(f"{flow} cannot start now.", returncode=1)
        if options["since"] and run.state == RunState.QUEUED:
            SyncRun.objects.filter(pk=run.pk).update(watermark_from=options["since"])
        run = self._until_done(run)
        result = model_to_dict(run) | {"id": run.pk, "flow": flow.name}
        buckets = ", ".join(f"{getattr(run, bucket):,} {bucket}" for bucket in Bucket if getattr(run, bucket))
        text = f"{flow} run {run.pk} {run.state}: {run.read:,} read ({buckets or 'nothing new'}), {run.writes} requests."
        self.one(result, options["json"], text + (f" {run.message}" if run.message else ""))
        if run.state != RunState.COMPLETED:
            raise CommandError(run.message or f"The run ended as {run.state}.", returncode=1)

    def _until_done(self, run: SyncRun) -> SyncRun:
        before = None
        while run.active:
            pipeline.work(run.pk, seconds=2)
            run.refresh_from_db()
            self.progress(f"run {run.pk} {run.state}: {run.read:,} read of {run.total or '?'}   ")
            if run.state == RunState.WAITING:
                self.progress(f"run {run.pk} waits: {run.message}")
            if run.active and run.heartbeat_at == before:
                time.sleep(1)
            before = run.heartbeat_at
        return run
