"""How records reach a target: by what sending twice does there (UPSERT and ONCE so far)."""

from collections.abc import Callable, Mapping

from connectors.base import Effect
from sync.delivery.once import deliver_once
from sync.delivery.page import PageResult, Work
from sync.delivery.upsert import deliver_upsert

BY_EFFECT: Mapping[Effect, Callable[[Work], PageResult]] = {
    Effect.UPSERT: deliver_upsert,
    Effect.ONCE: deliver_once,
}

__all__ = ["BY_EFFECT", "PageResult", "Work"]
