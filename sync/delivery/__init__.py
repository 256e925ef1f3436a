"""How records reach a target: by what sending twice does there (UPSERT and ONCE so far)."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from connectors.base import Effect
from sync.delivery.once import deliver_once, known_lines
from sync.delivery.page import PageResult, Work
from sync.delivery.upsert import deliver_upsert, known_links


class Way(NamedTuple):
    """`known` tells which digests need nothing, `deliver` does the rest."""

    known: Callable[[Sequence[bytes]], set[bytes]]
    deliver: Callable[[Work], PageResult]


BY_EFFECT: Mapping[Effect, Way] = {
    Effect.UPSERT: Way(known_links, deliver_upsert),
    Effect.ONCE: Way(known_lines, deliver_once),
}

__all__ = ["BY_EFFECT", "PageResult", "Way", "Work"]
