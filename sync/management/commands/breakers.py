"""What stops a flow before it does damage: limits, what tripped, and the one action that lets it go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import breaker_limits, breakers
from sync.breaker_kinds import KINDS
from sync.breaker_limits import Limit
from sync.management.console import ConsoleCommand
from sync.models import Breaker, Flow


class Command(ConsoleCommand):
    help = (
        "Lists breakers (of one flow), resumes a flow that one stopped (breakers resume FLOW KIND), or changes a limit "
        "(breakers limit FLOW KIND --percent N --minimum N --on|--off --note WHY)."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        told = "a flow's breakers (without one: all that stop one), or what to allow once"
        parser.add_argument("words", nargs="*", metavar="[FLOW] | resume FLOW KIND | limit FLOW KIND",
                            help=told)  # fmt: skip
        parser.add_argument("--note", default="", help="why, for the colleagues; limit needs one")
        parser.add_argument("--percent", type=int, help="with limit: the share it trips above")
        parser.add_argument("--minimum", type=int, help="with limit: the records it trips above at the least")
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument("--on", action="store_const", const=True, dest="on", help="with limit: it watches")
        switch.add_argument("--off", action="store_const", const=False, dest="on", help="with limit: it does not")

    def handle(self, *args: Any, **options: Any) -> None:
        words = options["words"]
        if words[:1] == ["resume"]:
            self._resume(words[1:], options)
        elif words[:1] == ["limit"]:
            self._limit(words[1:], options)
        elif len(words) > 1:
            raise CommandError("Give one flow, or: resume FLOW KIND, limit FLOW KIND.", returncode=2)
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

    def _limit(self, words: list[str], options: dict[str, Any]) -> None:
        given = {name: options[name] for name in ("on", "percent", "minimum") if options[name] is not None}
        if len(words) != 2 or words[1] not in KINDS or not given:
            raise CommandError(
                f"Say which and what: limit FLOW KIND --percent N --minimum N --on|--off --note WHY. "
                f"Kinds: {', '.join(KINDS)}.",
                returncode=2,
            )
        flow, kind = self.flow(words[0]), words[1]
        now = next((one for one in breakers.of(flow) if one.kind == kind), None)
        held = {"on": now.on, "percent": now.percent, "minimum": now.minimum} if now else {}
        try:
            if now is None:
                raise breaker_limits.NotALimitError(f"{KINDS[kind].title} cannot happen to {flow.name}.")
            changed = breaker_limits.store(flow, {kind: Limit(**{**held, **given})}, None, options["note"])
        except breaker_limits.NotALimitError as error:
            raise CommandError(str(error), returncode=2) from error
        row = _row(next(one for one in breakers.of(flow) if one.kind == kind))
        words_now = f"{row['percent']} %, at least {row['minimum']:,}, {'on' if row['on'] else 'off'}"
        text = f"{flow}: {KINDS[kind].title.lower()} is {'now' if changed else 'already'} {words_now}."
        self.one(row, options["json"], text)


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
