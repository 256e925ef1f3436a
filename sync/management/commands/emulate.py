"""The emulated systems alone."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.emulators import options as emulated
from connectors.emulators.dataset import DatasetError
from connectors.emulators.server import InUseError, serve


class Command(BaseCommand):
    help = (
        "Runs the emulated systems (Dynamics 365 Finance, Dataverse, Prima, Emarsys) in the foreground; Ctrl-C stops "
        "them. It is `python -m connectors.emulators`, with the same options."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        emulated.add(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            serve(**emulated.served(options))
        except (InUseError, DatasetError) as error:
            raise CommandError(str(error), returncode=1) from error
