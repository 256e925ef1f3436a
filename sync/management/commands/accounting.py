"""Checks the books of one run or of all kept runs; exit 1 where one does not add up."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from sync import accounting
from sync.accounting import Account
from sync.management.console import ConsoleCommand
from sync.models import SyncRun


class Command(ConsoleCommand):
    help = "Does every run add up: buckets, lists of records, ledger? Prints the runs that do not."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", nargs="?", type=int, help="one run's number; all runs that have ended without it")

    def handle(self, *args: Any, **options: Any) -> None:
        checked = read = wrong = 0
        for account in self._accounts(options["run"]):
            checked, read = checked + 1, read + account.run.read
            if not account.adds_up:
                wrong += 1
                self._tell(account, options["json"])
            elif options["json"] and options["run"]:
                self._tell(account, True)
        if not options["json"]:
            said = f"{wrong} do not add up" if wrong else "all add up"
            self.stdout.write(f"{checked:,} runs with {read:,} records checked; {said}.")
        if wrong:
            raise CommandError(f"{wrong} of {checked} runs do not add up.", returncode=1)

    def _accounts(self, number: int | None) -> Iterator[Account]:
        if number is None:
            yield from accounting.accounts()
            return
        run = SyncRun.objects.select_related("flow").filter(pk=number).first()
        if run is None:
            raise CommandError(f"There is no run {number}.", returncode=2)
        yield accounting.of(run)

    def _tell(self, account: Account, as_json: bool) -> None:
        run = account.run
        row = {
            "id": run.pk, "flow": run.flow.name, "state": run.state, "read": run.read, **account.buckets,
            "listed": account.listed, "adds_up": account.adds_up, "said": account.said,
        }  # fmt: skip
        self.one(row, as_json, f"Run {run.pk} of {run.flow.name}: {' '.join(account.said)}")
