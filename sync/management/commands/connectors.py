"""Every connection with its settings, and whether its system answers."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from connectors.base import Unlimited
from connectors.errors import ConnectorError
from connectors.registry import Connection, all_connectors, connections
from sync.management.console import ConsoleCommand


class Command(ConsoleCommand):
    requires_migrations_checks = False  # it reads the environment and asks no database

    help = "Lists every connection and connector, their settings and which are missing; --check calls each system."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="sign in and make one call to each system")

    def handle(self, *args: Any, **options: Any) -> None:
        found = connections()
        told = [_told(connection, options["check"]) for connection in found.values()]
        used = {connection.connector.name for connection in found.values()}
        for row in told:
            self.one(row, options["json"], "\n".join(_lines(row)))
        for name in sorted(set(all_connectors()) - used):
            title = all_connectors()[name].title
            self.one({"connection": None, "connector": name, "title": title}, options["json"], f"{name}: not used here")
        failed = [row["connection"] for row in told if options["check"] and not row["answers"]]
        if failed:
            raise CommandError(f"No good answer from {', '.join(failed)}.", returncode=1)


def _told(connection: Connection, call: bool) -> dict[str, Any]:
    settings = connection.settings
    row: dict[str, Any] = {
        "connection": connection.name,
        "connector": connection.connector.name,
        "title": connection.connector.title,
        "settings": [
            {
                "variable": settings.variable(name),
                "meaning": setting.meaning,
                "secret": setting.secret,
                "default": setting.default,
                "set": _is_set(connection, name),
            }
            for name, setting in settings.known.items()
        ],
        "missing": settings.missing(),
    }
    return row | _called(connection) if call else row


def _is_set(connection: Connection, name: str) -> bool:
    variable, environment = connection.settings.variable(name), connection.settings.environment
    return variable in environment or f"{variable}_FILE" in environment


def _called(connection: Connection) -> dict[str, Any]:
    try:
        return {"answers": True, "check": connection.open(Unlimited()).check()}
    except ConnectorError as error:
        return {"answers": False, "check": " ".join(filter(None, (error.message, error.remedy)))}


def _lines(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['connection']} ({row['connector']}: {row['title']})"
    for setting in row["settings"]:
        state = "set" if setting["set"] else "MISSING" if setting["variable"] in row["missing"] else "default"
        default = f" [{setting['default']}]" if state == "default" and setting["default"] else ""
        yield f"  {state:<8} {setting['variable']:<28} {setting['meaning']}{default}"
    if "check" in row:
        yield f"  {'answers' if row['answers'] else 'NO GOOD ANSWER'}: {row['check']}"
