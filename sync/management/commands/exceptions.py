"""Exceptions: what waits for a person, with filters."""

from argparse import ArgumentParser
from typing import Any

from sync.catalogue import KINDS, OPEN_ISSUES, IssueState, Team
from sync.management.console import ConsoleCommand
from sync.models import SyncIssue

COLUMNS = {
    **{"id": 7, "flow": 20, "kind": 23, "team": 10, "state": 9, "source_id": 22, "field": 14},
    **{"records": 8, "money": 14, "message": 70},
}
FIELDS = (
    *("id", "entity", "source_id", "target_id", "kind", "field", "state", "team", "message", "erp_value"),
    *("target_value", "records", "money", "currency", "blocked_by", "occurrences", "regressed", "due_at"),
    *("first_seen_at", "last_seen_at", "resolved_at", "resolution", "run_id", "delivery_id"),
)


class Command(ConsoleCommand):
    help = "Lists exceptions, newest first; open ones unless --state says otherwise."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--flow", help="only this flow's")
        parser.add_argument("--kind", choices=sorted(KINDS), metavar="KIND")
        parser.add_argument("--team", choices=[team.value for team in Team])
        parser.add_argument("--state", choices=[*(state.value for state in IssueState), "all"], default="open")
        parser.add_argument("--limit", type=int, default=50)

    def handle(self, *args: Any, **options: Any) -> None:
        found = SyncIssue.objects.select_related("flow", "assignee").order_by("-id")
        if options["flow"]:
            found = found.filter(flow=self.flow(options["flow"]))
        if options["state"] == "open":
            found = found.filter(state__in=OPEN_ISSUES)
        elif options["state"] != "all":
            found = found.filter(state=options["state"])
        for name in ("kind", "team"):
            if options[name]:
                found = found.filter(**{name: options[name]})
        self.listing((_row(issue) for issue in found[: options["limit"]]), options["json"], COLUMNS)


def _row(issue: SyncIssue) -> dict[str, Any]:
    return {
        **{name: getattr(issue, name) for name in FIELDS},
        "flow": issue.flow.name,
        "assignee": issue.assignee.get_username() if issue.assignee else None,
    }
