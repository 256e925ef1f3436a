"""What stops a flow before it does damage: limits, what tripped, and the one action that lets it go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import breakers
from sync.breaker_kinds import KINDS
from sync.management.console import ConsoleCommand
from sync.models import Breaker, Flow


class Command(ConsoleCommand):
    help = "Lists breakers (of one flow), or resumes a flow that one stopped: breakers resume FLOW KIND."

    def arguments(self, parser: ArgumentParser) -> None:
        told = "a flow's breakers (without one: all that stop one), or what to allow once"
        parser.add_argument("words", nargs="*", metavar="[FLOW] | resume FLOW KIND", help=told)
        parser.add_argument("--note", default="", help="with resume: why it may happen, for the colleagues")

    def handle(self, *args: Any, **options: Any) -> None:
        words = options["words"]
        if words[:1] == ["resume"]:
            self._resume(words[1:], options)
        elif len(words) > 1:
            raise CommandError("Give one flow, or: resume FLOW KIND.", returncode=2)
        else:
            found = breakers.of(self.flow(words[0])) if words else breakers.stopping()
            columns = {"flow": 28, "kind": 18, "on": 5, "percent": 7, "minimum": 8, "tripped_at": 19, "seen": 60}
            self.listing([_row(one) for one in found], options["json"], columns)

    def _resume(self, words: list[str], options: dict[str, Any]) -> None:
        if len(words) != 2 or words[1] not in KINDS:
            raise CommandError(f"Say which: resume FLOW KIND. Kinds: {', '.join(KINDS)}.", returncode=2)
        flow = self.flow(words[0])
        try:
            run = breakers.resume_once(flow, words[1], None, options["note"])
        except breakers.NotTrippedError as error:
            raise CommandError(str(error), returncode=1) from error
        text = f"{flow} goes on: run {run.pk} is queued and may do this once ({KINDS[words[1]].title.lower()})."
        self.one({"flow": flow.name, "kind": words[1], "run": run.pk, "state": run.state}, options["json"], text)


def _row(breaker: Breaker) -> dict[str, Any]:
    flow: Flow = breaker.flow
    return {
        "flow": flow.name,
        "kind": breaker.kind,
        "on": breaker.on,
        "percent": breaker.percent,
        "minimum": breaker.minimum,
        "tripped_at": breaker.tripped_at if flow.paused else None,
        "run": breaker.run_id,
        "seen": breaker.cause.get("seen", "") if breaker.tripped_at else "",
        "cause": breaker.cause,
        "allowed_once": breaker.allowed_once,
    }
