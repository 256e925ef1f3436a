"""What was sent and may or may not have arrived: list it, and say what you found in the target."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from sync import roles, triage, unsure
from sync.management.console import ConsoleCommand
from sync.models import SyncIssue

COLUMNS = {"exception": 10, "flow": 24, "records": 8, "amount": 14, "currency": 8, "since": 20, "look_for": 50}


class Command(ConsoleCommand):
    help = "Lists what was sent without an answer; --there and --send-once say what a person found in Emarsys."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--flow", default="", help="only this flow's")
        found = parser.add_mutually_exclusive_group()
        found.add_argument("--there", type=int, metavar="ID", help="it is there: the exception's records count as sent")
        found.add_argument("--send-once", type=int, metavar="ID", help="it is not there: they are sent once more")
        parser.add_argument("--reason", default="", help="where you looked and what you saw; goes into the audit trail")
        parser.add_argument("--user", default="", help="who looked")

    def handle(self, *args: Any, **options: Any) -> None:
        number = options["there"] or options["send_once"]
        if number is None:
            if options["flow"]:
                self.flow(options["flow"])
            self.listing(unsure.listed(options["flow"]), options["json"], COLUMNS)
            return
        issue = unsure.waiting().filter(pk=number).first()
        if issue is None:
            raise CommandError(f"Nothing of unknown outcome is open as exception {number}.", returncode=2)
        count = self._settle(issue, bool(options["there"]), options)
        said = "count as accepted" if options["there"] else "are sent once more by the next run"
        self.one({"exception": number, "records": count}, options["json"], f"{count:,} records {said}.")

    def _settle(self, issue: SyncIssue, there: bool, options: dict[str, Any]) -> int:
        user = get_user_model().objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError("Say who looked: --user NAME of somebody who may sign in.", returncode=2)
        if not roles.may_work(user, issue.team):
            raise CommandError(f"{user} may not decide for the {issue.team} team.", returncode=1)
        verb = triage.confirm_arrived if there else triage.send_again
        try:
            return verb(issue, user, options["reason"])
        except (triage.RefusedError, triage.ChangedError) as error:
            raise CommandError(str(error), returncode=1) from error
