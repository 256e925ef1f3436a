"""What every command shares: progress on stderr, the result on stdout, --json, and exit codes 0, 1, 2."""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from connectors.errors import ConnectorError
from sync import flows
from sync.models import Flow


def keys(text: str | None) -> list[str]:
    """A comma-separated option as a list."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _use_the_demo() -> None:
    """While a demo runs on this state, its emulated systems are the connections that nobody has configured."""
    written = settings.STATE_DIR / "demo.env"
    if settings.PRODUCTION or "CONNECTIONS" in os.environ or not written.exists():
        return
    for line in written.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)


class ConsoleCommand(BaseCommand):
    """Exits 0 when done, 1 when the work failed, 2 on wrong usage."""

    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines: one object (or one a line)")
        self.arguments(parser)

    def arguments(self, parser: ArgumentParser) -> None:
        """The command's own arguments."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        _use_the_demo()
        try:
            return super().execute(*args, **options)
        except ConnectorError as error:
            raise CommandError(" ".join(filter(None, (error.message, error.remedy))), returncode=1) from error
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}", returncode=1) from error
        except BrokenPipeError:  # whoever read the output (`| head`) has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None

    def flow(self, name: str) -> Flow:
        flows.ensure()
        flow = Flow.objects.filter(name=name).first()
        if flow is None:
            known = ", ".join(Flow.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no flow {name!r}. Flows here: {known}.", returncode=2)
        return flow

    def need_connections(self, flow: Flow) -> None:
        """Before a run is made: a run that cannot even open its two ends would only fail and wait on the flow."""
        names = [name for name in (flow.source, flow.target) if name != flows.CONSOLE]
        ends = [flows.connection(name).settings for name in names]
        missing = [variable for settings in ends for variable in settings.missing()]
        if missing:
            raise CommandError(f"Not set in the environment of this process: {', '.join(missing)}.", returncode=1)

    def progress(self, text: str) -> None:
        """One line that overwrites itself on a terminal."""
        end = "\r" if sys.stderr.isatty() else "\n"
        self.stderr.write(text, ending=end)

    def one(self, result: Mapping[str, Any], as_json: bool, text: str) -> None:
        self.stdout.write(json.dumps(result, default=str) if as_json else text)

    def listing(self, rows: Iterable[Mapping[str, Any]], as_json: bool, columns: Mapping[str, int]) -> None:
        """Rows as JSON lines, or as a table with these columns and widths."""
        if not as_json:
            self.stdout.write("  ".join(name.replace("_", " ").upper().ljust(width) for name, width in columns.items()))
        for row in rows:
            if as_json:
                self.stdout.write(json.dumps(row, default=str))
            else:
                cells = [
                    str("" if row[name] is None else row[name])[:width].ljust(width) for name, width in columns.items()
                ]
                self.stdout.write("  ".join(cells).rstrip())
