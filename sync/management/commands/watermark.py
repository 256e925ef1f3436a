"""Shows where a flow's next read starts; moves it back, or undoes that."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import watermarks
from sync.management.console import ConsoleCommand
from sync.models import Flow


class Command(ConsoleCommand):
    help = "Shows a flow's watermark; --reset moves it back (with --yes; without, it says what that would do)."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--reset", nargs="?", const="", metavar="MOMENT", help="to this day or time, or the beginning"
        )
        what.add_argument("--undo", action="store_true", help="puts back what stood before the last reset")
        parser.add_argument("--reason", default="", help="why, for the colleagues")
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        try:
            told, text = self._told(flow, options)
        except watermarks.NotMovedError as error:
            raise CommandError(str(error), returncode=1) from error
        self.one({"name": flow.name, **told}, options["json"], text)

    def _told(self, flow: Flow, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        if options["undo"]:
            move = watermarks.undo(flow, None)
            return {"watermark": move.before, "undone": move.pk}, f"{flow} reads from {move.before or 'the beginning'}."
        if options["reset"] is None:
            return {"watermark": flow.watermark}, f"{flow} reads from {flow.watermark or 'the beginning'}."
        planned = watermarks.preview(flow, options["reset"])
        told = {"watermark": planned.after, "before": planned.before, "records": planned.records}
        if not options["yes"]:
            return told | {"moved": False}, f"{planned.sentence} Add --yes and --reason to do it."
        watermarks.reset(flow, options["reset"], None, options["reason"], planned.before)
        return told | {"moved": True}, planned.sentence
