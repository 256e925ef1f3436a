"""The emulated systems alone."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.emulators.dataset import DatasetError
from connectors.emulators.server import InUseError, serve


class Command(BaseCommand):
    help = "Runs the emulated Dynamics 365 and Emarsys in the foreground; Ctrl-C stops them."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8900)
        parser.add_argument("--state", help="folder that keeps the state; without it, memory only")
        parser.add_argument("--seed", type=int, default=1, help="what generated people and drift follow from")
        parser.add_argument("--dataset", default="online_retail", help="online_retail, or a folder of CSV files")
        parser.add_argument("--empty", action="store_true", help="start without data")
        parser.add_argument("--no-drift", action="store_true", help="Emarsys starts in order instead of neglected")
        parser.add_argument("--fresh", action="store_true", help="start over even where there is state")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            serve(
                port=options["port"],
                state=options["state"],
                seed=options["seed"],
                dataset=options["dataset"],
                empty=options["empty"],
                drift=not options["no_drift"],
                fresh=options["fresh"],
            )
        except (InUseError, DatasetError) as error:
            raise CommandError(str(error), returncode=1) from error
