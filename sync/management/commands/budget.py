"""What each credential's API budget allows and what of it is used."""

from typing import Any

from sync import spending
from sync.management.console import ConsoleCommand

COLUMNS = {"system": 24, "connections": 20, "used": 7, "limit": 7, "window_seconds": 14, "waiting": 7,
           "refused_last_hour": 17, "what_to_do": 60}  # fmt: skip


class Command(ConsoleCommand):
    help = "Lists the API budgets by credential: limit, used now, by which flows, waiting, refused, what to do."

    def handle(self, *args: Any, **options: Any) -> None:
        self.listing((line.told() for line in spending.lines()), options["json"], COLUMNS)
