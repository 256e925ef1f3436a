"""Compares a connection's flows with their target; changes nothing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import flows, runs
from sync.catalogue import RunState
from sync.management.console import ConsoleCommand
from sync.management.foreground import result, sentence, until_done
from sync.models import Flow


class Command(ConsoleCommand):
    help = "Shows what differs between a connection and its target, read-only: no exception opens, nothing is written."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("connection", help="the connection that is read, e.g. dynamics365")
        parser.add_argument("--flow", help="only this flow of it")

    def handle(self, *args: Any, **options: Any) -> None:
        flows.ensure()
        of_connection = Flow.objects.filter(source=options["connection"])
        if options["flow"]:
            of_connection = of_connection.filter(name=self.flow(options["flow"]).name)
        if not of_connection.exists():
            known = ", ".join(sorted(set(Flow.objects.values_list("source", flat=True)))) or "none"
            raise CommandError(
                f"Nothing is read from {options['connection']!r}. Connections that are: {known}.", returncode=2
            )
        audited = [flow for flow in of_connection if flow.wanted or options["flow"]]
        failed = [flow.name for flow in audited if not self._audit(flow, options["json"])]
        if failed:
            raise CommandError(f"Not audited: {', '.join(failed)}.", returncode=1)

    def _audit(self, flow: Flow, as_json: bool) -> bool:
        run = runs.start(flow, trigger="command", kind="compare", apply=False, ring=False)
        if run is None or run.apply:
            self.stderr.write(f"{flow} is being reconciled right now; try again when that is over.")
            return False
        run = until_done(run, self.progress)
        self.one(result(run), as_json, sentence(run))
        return run.state == RunState.COMPLETED
