"""How records reach a target: by what sending twice does there."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from connectors.base import Effect
from sync.delivery.observe import nothing_known, observe
from sync.delivery.once import deliver_once, known_lines
from sync.delivery.page import PageResult, Work
from sync.delivery.replace import collect
from sync.delivery.upsert import begin_upsert, known_links


class Way(NamedTuple):
    """`known` tells which digests need nothing. `begin` compares, commits the intent and starts the requests; what
    it gives waits for their answers."""

    known: Callable[[Sequence[bytes]], set[bytes]]
    begin: Callable[[Work], Callable[[], PageResult]]


def _at_once(deliver: Callable[[Work], PageResult]) -> Callable[[Work], Callable[[], PageResult]]:
    """Nothing of the next records begins before the outcome of these is known."""

    def begin(work: Work) -> Callable[[], PageResult]:
        result = deliver(work)
        return lambda: result

    return begin


BY_EFFECT: Mapping[Effect, Way] = {
    Effect.UPSERT: Way(known_links, begin_upsert),
    Effect.KEYED: Way(known_links, begin_upsert),
    Effect.ONCE: Way(known_lines, _at_once(deliver_once)),
    Effect.REPLACE: Way(nothing_known, _at_once(collect)),
    Effect.OBSERVE: Way(nothing_known, _at_once(observe)),
}

__all__ = ["BY_EFFECT", "PageResult", "Way", "Work"]
