"""Stops a flow's schedule from starting runs, and a running run after its page."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import CommandError

from sync import clock, runs
from sync.management.console import ConsoleCommand


def moment(text: str) -> datetime:
    """In UTC; without a zone it is meant as the company's clock shows it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day or time such as 2026-11-30T18:00") from None
    there = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(settings.LOCAL_TIME_ZONE))
    if there <= clock.now():
        raise ArgumentTypeError(f"{text!r} has passed")
    return there.astimezone(UTC)


class Command(ConsoleCommand):
    help = "Pauses a flow: schedules start nothing, a running run stops after its page."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("flow")
        parser.add_argument("--note", default="", help="why, for the colleagues")
        parser.add_argument("--until", type=moment, help="resumes by itself then, such as 2026-11-30T18:00Z")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = self.flow(options["flow"])
        if flow.paused and (options["note"] or options["until"]):
            raise CommandError(
                f"{flow} is paused already: {flow.paused_note} What you gave was not taken; resume it first, or leave "
                "it so.",
                returncode=1,
            )
        if not flow.paused:
            runs.pause(flow, options["note"] or "Paused from the command line.", None, options["until"])
        ends = f" until {flow.paused_until:%Y-%m-%d %H:%M} UTC" if flow.paused_until else ""
        text = f"{flow} is paused{ends}: {flow.paused_note}"
        told = {
            "name": flow.name,
            "paused_at": flow.paused_at,
            "paused_note": flow.paused_note,
            "paused_until": flow.paused_until,
        }
        self.one(told, options["json"], text)
