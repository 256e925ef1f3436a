"""Runs, newest first, with filters."""

from argparse import ArgumentParser
from typing import Any

from sync.catalogue import Bucket, RunState
from sync.management.console import ConsoleCommand
from sync.models import SyncRun
from sync.models.run import KINDS

WRITES = ("writes", "repeats", "lost_writes")
NUMBERS = ("read", *(bucket.value for bucket in Bucket))
COLUMNS = {
    **{"id": 6, "flow": 22, "kind": 8, "state": 10, "trigger": 9, "queued_at": 19},
    **dict.fromkeys(NUMBERS, 9),
    "message": 60,
}


class Command(ConsoleCommand):
    help = "Lists runs, newest first."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--flow", help="only this flow's")
        parser.add_argument("--state", choices=[state.value for state in RunState])
        parser.add_argument("--kind", choices=[kind for kind, _ in KINDS])
        parser.add_argument("--limit", type=int, default=20)

    def handle(self, *args: Any, **options: Any) -> None:
        found = SyncRun.objects.filter(part=0).select_related("flow")
        if options["flow"]:
            found = found.filter(flow=self.flow(options["flow"]))
        for name in ("state", "kind"):
            if options[name]:
                found = found.filter(**{name: options[name]})
        self.listing((_row(run) for run in found[: options["limit"]]), options["json"], COLUMNS)


def _row(run: SyncRun) -> dict[str, Any]:
    return {
        **{name: getattr(run, name) for name in ("id", "kind", "state", "trigger", "full", "keys_only", "apply")},
        "flow": run.flow.name,
        **{name: getattr(run, name) for name in (*NUMBERS, *WRITES, "pages", "total", "findings")},
        **{name: getattr(run, name) for name in ("watermark_from", "watermark_to", "message")},
        **{name: getattr(run, name) for name in ("queued_at", "started_at", "finished_at")},
    }
