"""Shows or changes when a flow starts by itself."""

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import replace
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.management.base import CommandError

from sync import schedules
from sync.management.console import ConsoleCommand
from sync.models import Flow
from sync.schedules import BUSINESS, CATCH_UP, COALESCE, DAILY, EVERY, QUEUE, SKIP, Schedule


def wall_clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time of day such as 02:00") from None


class Command(ConsoleCommand):
    help = "Shows a flow's schedule and its next starts; with options, changes it."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        when = parser.add_mutually_exclusive_group()
        when.add_argument("--every", type=int, metavar="MINUTES", help="1 to 1440")
        when.add_argument("--daily", type=wall_clock, metavar="HH:MM")
        when.add_argument("--business", action="store_true", help="hourly, Monday to Friday")
        parser.add_argument("--zone", help="time zone of --daily and --business")
        parser.add_argument("--overlap", choices=[COALESCE, QUEUE, SKIP], help="a start while a run is active")
        parser.add_argument("--missed", choices=[CATCH_UP, SKIP], help="a start that nobody was there for")
        parser.add_argument("--off", action="store_true", help="keep it, but start nothing")
        parser.add_argument("--on", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        before = schedules.read(flow)
        wanted = self._wanted(before or Schedule(zone=schedules.default_zone()), options)
        if wanted != before and any(options[name] for name in ("every", "daily", "business", "zone", "overlap",
                                                               "missed", "off", "on")):  # fmt: skip
            schedules.write(flow, wanted)
        self._tell(flow, options["json"])

    def _wanted(self, now: Schedule, options: dict[str, Any]) -> Schedule:
        if options["every"] is not None:
            if not 1 <= options["every"] <= 1440:
                raise CommandError("A flow starts once a minute at most, and at least once a day.", returncode=2)
            now = replace(now, frequency=EVERY, minutes=options["every"])
        if options["daily"]:
            now = replace(now, frequency=DAILY, at=options["daily"])
        if options["business"]:
            now = replace(now, frequency=BUSINESS)
        if options["zone"]:
            if options["zone"] not in available_timezones():
                raise CommandError(f"There is no time zone {options['zone']!r}.", returncode=2)
            now = replace(now, zone=options["zone"])
        rules = {name: options[name] for name in ("overlap", "missed") if options[name]}
        on = now.on if options["on"] == options["off"] else bool(options["on"])
        return replace(now, on=on, **rules)

    def _tell(self, flow: Flow, as_json: bool) -> None:
        found = schedules.read(flow)
        coming = schedules.upcoming(flow, 5)
        if found is None:
            self.one({"name": flow.name, "schedule": ""}, as_json, f"{flow} has no schedule.")
            return
        told = {"name": flow.name, "schedule": found.words, "on": found.on, "overlap": found.overlap,
                "missed": found.missed, "next": coming}  # fmt: skip
        zone = ZoneInfo(schedules.default_zone())
        starts = "".join(f"\n  {moment.astimezone(zone):%a %d %b %H:%M %Z}" for moment in coming)
        off = "" if found.on else " (off)"
        self.one(told, as_json, f"{flow} runs {found.words}{off}; {found.rules_in_words}.{starts}")
