"""Previews a backfill, and does it in this process once that was confirmed."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from sync import backfills
from sync.backfill_ids import RefusedError
from sync.catalogue import RunState
from sync.management.console import ConsoleCommand
from sync.management.foreground import result, sentence, until_done
from sync.models import Backfill, Flow


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day such as 2026-11-01") from None


class Command(ConsoleCommand):
    help = "Reads records of some days, or with some ids, and sends them again; shows first what it would do."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        parser.add_argument("--from", dest="since", type=day, help="first day (UTC)")
        parser.add_argument("--to", dest="until", type=day, help="last day (UTC), included; until now without it")
        parser.add_argument(
            "--ids", metavar="FILE", help="a file with ids, whatever separates them; - is standard input"
        )
        parser.add_argument("--reason", default="", help="kept in the audit log")
        parser.add_argument("--yes", action="store_true", help="start it; without this only the preview is shown")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["ids"]) == bool(options["since"]) or (options["until"] and options["ids"]):
            raise CommandError("Give --ids FILE, or --from DAY with or without --to DAY.", returncode=2)
        flow = self.flow(options["flow"])
        self.need_connections(flow)
        try:
            found = self._asked(flow, options)
            if not options["yes"]:
                self.one({"id": found.pk, "started": False, **found.preview}, options["json"], _words(found))
                return
            self.progress(_words(found))
            run = backfills.start(found)
        except RefusedError as error:
            raise CommandError(str(error), returncode=2) from error
        if run is None:
            said = f"Another run of {flow} is active; the backfill begins by itself after it."
            self.one({"id": found.pk, "started": True, "run": None}, options["json"], said)
            return
        run = until_done(run, self.progress)
        found.refresh_from_db()
        missing = f" {found.missing_number:,} ids were not found." if found.missing_number else ""
        told = {**result(run), "missing": found.missing, "missing_number": found.missing_number}
        self.one(told, options["json"], sentence(run) + missing)
        if run.state != RunState.COMPLETED:
            raise CommandError(run.message or f"The run ended as {run.state}.", returncode=1)

    def _asked(self, flow: Flow, options: dict[str, Any]) -> Backfill:
        if options["ids"]:
            return backfills.by_ids(flow, _text(options["ids"]), reason=options["reason"])
        return backfills.by_dates(flow, options["since"], options["until"], reason=options["reason"])


def _text(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}", returncode=2) from error


def _words(found: Backfill) -> str:
    told = found.preview
    lines = [f"Backfill {found.pk} of {found.flow.name}; figures with “about” are estimates."]
    lines.append(f"  to look at: {_about(told['records'])} records, sent: at most {_about(told['sent'])}")
    lines.append(f"  requests to {found.flow.target}: {_about(told['writes'])}; minutes: {_about(told['minutes'])}; "
                 f"share of the API budget: {_about(told['share'])} %")  # fmt: skip
    lines += [f"  taken out: {part['records']:,}, {part['words']}" for part in told["taken_out"]]
    if part := told["completed"]:
        lines.append(f"  completed: {part['records']:,} ids ({', '.join(part['ids'])}), {part['words']}")
    for part in told["undecided"]:
        lines.append(f"  not looked at: {part['records']:,} ids ({'; '.join(part['ids'])}), {part['words']}")
    if told["unknown"]:
        named = ", ".join(told["unknown"]["ids"])
        lines.append(f"  unknown: {told['unknown']['records']:,} ids ({named}), {told['unknown']['words']}")
    lines += [f"  {note}" for note in told["notes"]]
    return "\n".join(lines)


def _about(number: float | None) -> str:
    return "not known" if number is None else f"about {number:,.0f}"
