"""What the check says: a line for each thing that was compared, and whether all of it agreed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

EXAMPLES = 5


class Report:
    def __init__(self) -> None:
        self.sound = True

    def title(self, text: str) -> None:
        print(f"\n{text}")

    def say(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """The first column is words, the others are numbers."""
        lines = [tuple(map(str, row)) for row in (header, *rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
        for line in lines:
            cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
            self.say("  ".join((line[0].ljust(widths[0]), *cells)).rstrip())

    def must(self, holds: bool, what: str, examples: Iterable[object] = ()) -> None:
        """One thing that must be so; examples say where it is not."""
        self.sound = self.sound and holds
        self.say(f"{'ok    ' if holds else 'WRONG '} {what}")
        if not holds:
            for example in list(examples)[:EXAMPLES]:
                self.say(f"         {example}")
