"""Retries one exception, or every open one of a flow, here and now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from sync import runs, triage
from sync.catalogue import OPEN_ISSUES, IssueState
from sync.management.console import ConsoleCommand
from sync.management.foreground import until_done
from sync.models import Flow, SyncIssue


class Command(ConsoleCommand):
    help = "Reads the records of exceptions again and sends them; what went through closes its exception."

    def arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--exception", type=int, metavar="ID")
        which.add_argument("--flow", help="every open exception of this flow that a retry can help")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = self._chosen(options)
        asked = [issue for issue in chosen if self._ask(issue)]
        waits = sorted({why for issue in asked if (why := triage.why_it_waits(issue))})
        for flow in {issue.flow for issue in asked}:
            self._work(flow)
        closed = SyncIssue.objects.filter(pk__in=[one.pk for one in asked]).exclude(state__in=OPEN_ISSUES).count()
        still = len(asked) - closed
        told = {"retried": len(asked), "resolved": closed, "open": still, "skipped": len(chosen) - len(asked)}
        text = f"{len(asked):,} retried: {closed:,} resolved, {still:,} still open; {told['skipped']:,} left out."
        self.one(told, options["json"], text)
        if waits:
            raise CommandError(" ".join(waits), returncode=1)
        if options["exception"] and not closed:
            raise CommandError("The exception is still open.", returncode=1)

    def _chosen(self, options: dict[str, Any]) -> list[SyncIssue]:
        found = SyncIssue.objects.select_related("flow", "assignee").order_by("pk")
        if options["flow"]:
            return list(found.filter(flow=self.flow(options["flow"]), state=IssueState.OPEN))
        one = found.filter(pk=options["exception"]).first()
        if one is None:
            raise CommandError(f"There is no exception {options['exception']}.", returncode=2)
        if why := triage.why_not_retryable(one):
            raise CommandError(why, returncode=1)
        return [one]

    def _ask(self, issue: SyncIssue) -> bool:
        try:
            triage.retry(issue, None)  # type: ignore[arg-type]  # nobody in particular: the audit trail says system
        except (triage.RefusedError, triage.ChangedError):
            return False
        return True

    def _work(self, flow: Flow) -> None:
        run = runs.active(flow)
        if run is not None:
            until_done(run, self.progress)
