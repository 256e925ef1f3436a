"""The limits of a flow's breakers: what each watches, what is usual there now, and changing them with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from sync import breakers, expected
from sync.breaker_kinds import KINDS, Kind, applying
from sync.breaker_watch import linked
from sync.models import Breaker, Flow, ProductFeed, SyncRun
from sync.models.breaker import CATALOGUE_SHRINK, OUT_OF_RANGE
from sync.models.feed import PUBLISHED

MOST = 1_000_000_000
LINKED = "of the linked records"


class NotALimitError(Exception):
    """What is wrong, in words for the person who gave it."""


@dataclass(frozen=True)
class Limit:
    on: bool
    percent: int
    minimum: int


@dataclass(frozen=True)
class Line:
    """One breaker for a screen. `usual` says what completed runs did of it, `now` what the limit comes to today."""

    kind: Kind
    breaker: Breaker
    usual: str
    now: str

    @property
    def last(self) -> str:
        return str(self.breaker.cause.get("seen", ""))

    @property
    def limit(self) -> Limit:
        return Limit(self.breaker.on, self.breaker.percent, self.breaker.minimum)


def lines(flow: Flow) -> list[Line]:
    """Every breaker that applies to the flow. A handful of queries, however much the flow has."""
    next_run = SyncRun(flow=flow, watermark_from=flow.watermark)
    found = breakers.of(flow)
    links = linked(flow) if _by_links(found) else 0
    return [Line(KINDS[one.kind], one, _usual(next_run, one), _now(one, links)) for one in found]


def _by_links(found: list[Breaker]) -> bool:
    return any(KINDS[one.kind].percent_of == LINKED for one in found)


def _usual(next_run: SyncRun, breaker: Breaker) -> str:
    if breaker.kind == CATALOGUE_SHRINK:
        feed = ProductFeed.objects.filter(flow=next_run.flow, state=PUBLISHED).order_by("-id").first()
        return f"The published feed lists {feed.items:,} articles." if feed else "No feed is published yet."
    if breaker.kind != OUT_OF_RANGE:
        return breakers.usual(next_run, KINDS[breaker.kind])
    usual = expected.of(next_run, breaker.percent, breaker.minimum)
    if usual is None:
        return f"Fewer than {expected.ENOUGH} weeks with this weekday are known: nothing is called unusual yet."
    low, high = min(usual.samples), max(usual.samples)
    return (
        f"On {usual.weekday}s at this hour there were between {low:,} and {high:,} records; expected are between "
        f"{usual.low:,} and {usual.high:,}."
    )


def _now(breaker: Breaker, links: int) -> str:
    if KINDS[breaker.kind].percent_of != LINKED:
        return ""
    return f"Of {links:,} linked records: trips above {max(breaker.minimum, links * breaker.percent // 100):,}."


def elsewhere(flow: Flow) -> list[Kind]:
    """Kinds that cannot happen to this flow."""
    return [kind for kind in KINDS.values() if kind not in applying(flow)]


def checked(kind: Kind, limit: Limit) -> Limit:
    """Raises NotALimitError with what is allowed."""
    most = 99 if kind.name == OUT_OF_RANGE else 100
    if kind.percent_of and not 1 <= limit.percent <= most:
        raise NotALimitError(f"{kind.title}: give 1 to {most} %; switch it off where nothing may stop the flow.")
    if not 0 <= limit.minimum <= MOST:
        raise NotALimitError(f"{kind.title}: the minimum is a number of records, 0 to {MOST:,}.")
    return limit


def store(
    flow: Flow, wanted: Mapping[str, Limit], user: Any, reason: str, request: HttpRequest | None = None
) -> list[str]:
    """All of them or none, one audit event for each that changed; gives the titles of these.

    Raises NotALimitError without a reason, for a number out of bounds, and for a kind that does not apply here.
    """
    before = {one.kind: Limit(one.on, one.percent, one.minimum) for one in breakers.of(flow)}
    changed = {kind: limit for kind, limit in wanted.items() if before.get(kind) != limit}
    for kind, limit in changed.items():
        if kind not in before:
            raise NotALimitError(f"{KINDS[kind].title} cannot happen to {flow.name}.")
        checked(KINDS[kind], limit)
    if changed and not reason.strip():
        raise NotALimitError("Say why: the limit protects the target, and colleagues will ask.")
    with transaction.atomic():
        for kind, limit in changed.items():
            breakers.edit(flow, kind, on=limit.on, percent=limit.percent, minimum=limit.minimum, user=user,
                          reason=reason.strip(), request=request)  # fmt: skip
    return [KINDS[kind].title for kind in changed]
