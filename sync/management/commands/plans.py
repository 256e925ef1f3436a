"""Plans: their list, one of them, and throwing one away."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import plans
from sync.management.console import ConsoleCommand
from sync.management.planned import found, sentence, told
from sync.models import SyncPlan

COLUMNS = {"id": 6, "flow": 28, "state": 12, "planned": 9, "read": 9, "asked_at": 19}


class Command(ConsoleCommand):
    help = "Lists plans (made with sync --dry-run), shows one with what it would do, or discards one."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=["list", "show", "discard"], default="list")
        parser.add_argument("plan", nargs="?", type=int)
        parser.add_argument("--flow", help="only this flow's")
        parser.add_argument("--last", type=int, default=20, help="how many, newest first")

    def handle(self, *args: Any, **options: Any) -> None:
        plans.tidy()
        if options["what"] == "list":
            self._list(options)
            return
        if options["plan"] is None:
            raise CommandError(f"Say which plan: manage.py plans {options['what']} NUMBER", returncode=2)
        plan = found(options["plan"])
        if options["what"] == "discard":
            try:
                plans.discard(plan)
            except plans.PlanError as error:
                raise CommandError(str(error), returncode=1) from error
        self.one(told(plan), options["json"], sentence(plan))

    def _list(self, options: dict[str, Any]) -> None:
        listed = SyncPlan.objects.select_related("flow").order_by("-id")
        if options["flow"]:
            listed = listed.filter(flow=self.flow(options["flow"]))
        self.listing((told(plan) for plan in listed[: options["last"]]), options["json"], COLUMNS)
