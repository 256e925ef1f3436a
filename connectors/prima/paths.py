"""Restricted XPath: child steps and one `@attribute`, compared without case (contract 8). Pure.

For a row of a file a path is the column's name or its number, from 1 (contract 9).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.prima.node import ROW, Node

_STEP = re.compile(r"(?!\.+\Z)[^/@\[\]()*=|'\"<>{}]+\Z")


@dataclass(frozen=True, slots=True)
class Path:
    steps: tuple[str, ...]
    attribute: str = ""
    column: int = 0

    def values(self, node: Node) -> Iterator[str]:
        """Every value there, in document order; empty ones too."""
        for found in self.nodes(node):
            if self.attribute:
                if self.attribute in found.attributes:
                    yield found.attributes[self.attribute]
            elif self.column:
                yield from list(found.attributes.values())[self.column - 1 : self.column]
            else:
                yield found.text

    def nodes(self, node: Node) -> Iterator[Node]:
        found = [node]
        for step in self.steps:
            found = [child for parent in found for child in parent.named(step)]
        return iter(found)


def compiled(text: str | int, *, row: bool = False) -> Path:
    """Raises ValueError with the rule that is broken. `row`: the record is a row of a file."""
    if isinstance(text, int):
        if text < 1:
            raise ValueError("columns are numbered from 1")
        return Path((), column=text)
    *steps, last = [step.strip() for step in text.lower().split("/")]
    attribute = last.removeprefix("@") if last.startswith("@") or (row and not last.isdigit()) else ""
    for step in (*steps, attribute or last):
        if not _STEP.match(step):
            raise ValueError(f"{text!r} is no path: child steps and one @attribute at the end are all there is")
    if row and last.isdigit():
        return Path(tuple(steps), column=int(last))
    return Path(tuple(steps), attribute) if attribute else Path((*steps, last))


def record_steps(text: str) -> tuple[str, ...]:
    """The steps to a record below the reply's root (`Data/Order`); `row` is the file's own row."""
    path = compiled(text)
    if path.attribute or path.column:
        raise ValueError(f"{text!r} names an attribute, and a record is an element")
    return () if path.steps == (ROW,) else path.steps
