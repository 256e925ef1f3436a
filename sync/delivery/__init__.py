"""How records reach a target: by what sending twice does there (UPSERT and ONCE so far)."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from connectors.base import Effect
from sync.delivery.once import deliver_once, known_lines
from sync.delivery.page import PageResult, Work
from sync.delivery.upsert import begin_upsert, known_links


class Way(NamedTuple):
    """`known` tells which digests need nothing. `begin` compares, commits the intent and starts the requests; what
    it gives waits for their answers."""

    known: Callable[[Sequence[bytes]], set[bytes]]
    begin: Callable[[Work], Callable[[], PageResult]]


def _once(work: Work) -> Callable[[], PageResult]:
    """Nothing of the next lines begins before the outcome of these is known."""
    result = deliver_once(work)
    return lambda: result


BY_EFFECT: Mapping[Effect, Way] = {
    Effect.UPSERT: Way(known_links, begin_upsert),
    Effect.ONCE: Way(known_lines, _once),
}

__all__ = ["BY_EFFECT", "PageResult", "Way", "Work"]
