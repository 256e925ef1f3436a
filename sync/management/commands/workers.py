"""Who works: workers and beats, alive or gone."""

from collections.abc import Iterator
from typing import Any

from sync import workers
from sync.management.console import ConsoleCommand

COLUMNS = {"name": 28, "kind": 7, "state": 8, "seen_at": 26, "works_on": 14, "what_to_do": 60}


class Command(ConsoleCommand):
    help = "Lists the workers and beats: alive or gone, since when, what each works on, what to do."

    def handle(self, *args: Any, **options: Any) -> None:
        self.listing(_rows(), options["json"], COLUMNS)


def _rows() -> Iterator[dict[str, Any]]:
    return (line.told() for line in workers.lines())
