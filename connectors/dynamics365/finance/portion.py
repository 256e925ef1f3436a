"""A resume point: where a read goes on and, when it is one part of several, the key it ends with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from connectors.base import Division
from connectors.dynamics365 import odata


@dataclass(frozen=True)
class Portion:
    """`start` is the last key that was read (empty at the beginning), `latest` the newest change seen, `until` the
    key of the last row of this part (empty: to the end)."""

    start: Sequence[str] = ()
    latest: str = ""
    until: Sequence[str] = ()

    @property
    def token(self) -> str:
        """Empty where nothing was read and nothing bounds the read."""
        if self.until:
            return json.dumps({"start": [*self.start], "latest": self.latest, "until": [*self.until]})
        return json.dumps([*self.start, self.latest]) if self.start else ""

    def to(self, start: Sequence[str], latest: str) -> "Portion":
        return replace(self, start=start, latest=latest)

    def bound(self, order: Sequence[odata.Column]) -> str:
        """The filter that ends this part; empty for the last."""
        return odata.up_to(order[: len(self.until)], self.until) if self.until else ""


def portion(token: str, since: str) -> Portion:
    """What a resume point says; without one a read begins, its newest change being the watermark."""
    found = json.loads(token) if token else [since]
    if isinstance(found, dict):
        return Portion(found["start"], found["latest"] or since, found["until"])
    return Portion(found[:-1], found[-1])


def division(read: odata.KeysetRead, parts: int, least: int) -> Division | None:
    """A keyset read as parts of about the same size."""
    total, ends = read.bounds(parts, least)
    if not ends:
        return None
    between = zip([[], *ends], [*ends, []], strict=True)
    return Division(total, [Portion(start, "", until).token for start, until in between])
