"""What each credential's budget allows, what of it is used, by whom, and what the system refused."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sync import clock
from sync.budget import reserve
from sync.models import ApiBudget, ApiUsage
from sync.sliding import Sliding

HOUR = 60
"""Minutes that the chart shows."""
RECENT = 5.0
"""Seconds for which a process's word about its waiting calls counts."""
KEPT = timedelta(days=2)


@dataclass(frozen=True)
class Bar:
    minute: datetime
    calls: int
    refused: int
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Line:
    """One credential. `flows` are the calls of this hour by flow, the most first."""

    budget: ApiBudget
    limit: int
    used: int
    running: int
    waiting: int
    reserve: int
    refused: int
    blocked: float
    flows: Sequence[tuple[str, int]]
    bars: Sequence[Bar]

    @property
    def share(self) -> int:
        """Percent of the window's calls."""
        return round(100 * self.used / self.limit) if self.limit else 0

    @property
    def what_to_do(self) -> str:
        if self.blocked:
            return f"Nothing: calls go on by themselves in {self.blocked:.0f} s, when the system wants to hear from us."
        if self.refused:
            return "Another program may use this credential too: give it its own, or lower CALLS_PER_MINUTE here."
        if self.waiting and self.limit and self.share >= 90:
            return "Nothing: bulk work waits its turn; what people wait for goes first."
        return "Nothing."

    def told(self) -> dict[str, Any]:
        """For scripts."""
        row = self.budget
        return {
            "system": row.system, "connections": row.connections, "limit": self.limit, "window_seconds": row.window,
            "used": self.used, "share_percent": self.share, "at_once": row.at_once, "running": self.running,
            "waiting": self.waiting, "urgent_reserve": self.reserve, "refused_last_hour": self.refused,
            "blocked_seconds": round(self.blocked), "flows": dict(self.flows), "what_to_do": self.what_to_do,
        }  # fmt: skip


def lines() -> list[Line]:
    """Two queries, whatever the number of budgets."""
    now = clock.now()
    by_budget: dict[int, list[ApiUsage]] = defaultdict(list)
    for one in ApiUsage.objects.filter(minute__gt=now - timedelta(minutes=HOUR)):
        by_budget[one.budget_id].append(one)
    return [_line(row, by_budget[row.pk], now.timestamp()) for row in ApiBudget.objects.order_by("system", "pk")]


def _line(row: ApiBudget, usage: Sequence[ApiUsage], now: float) -> Line:
    counted = Sliding(row.window, row.counts, row.first)
    counted.moved(now)
    limit = min(row.limit, row.told_limit) if row.told_limit and row.limit else row.limit
    living = [one for one in row.holders.values() if one["until"] > now]
    flows: dict[str, int] = defaultdict(int)
    for one in usage:
        flows[one.flow] += one.calls
    return Line(
        row, limit, counted.used(now), sum(one["seats"] for one in living),
        sum(one["waiting"] for one in living if one.get("at", 0) > now - RECENT), reserve(limit),
        sum(one.refused for one in usage), max(0.0, row.blocked_until - now),
        sorted(((name, calls) for name, calls in flows.items() if calls > 0), key=lambda pair: -pair[1]),
        _bars(usage, now),
    )  # fmt: skip


def _bars(usage: Sequence[ApiUsage], now: float) -> list[Bar]:
    """A bar a minute, the highest one 44 high, in a picture of 360 by 48."""
    calls: Mapping[datetime, list[int]] = defaultdict(lambda: [0, 0])
    for one in usage:
        calls[one.minute][0] += max(0, one.calls)
        calls[one.minute][1] += one.refused
    highest = max((number for number, _ in calls.values()), default=0) or 1
    last = int(now // 60)
    bars = []
    for at in range(HOUR):
        minute = datetime.fromtimestamp((last - HOUR + 1 + at) * 60, UTC)
        number, refused = calls.get(minute, (0, 0))
        height = round(44 * number / highest, 1)
        bars.append(Bar(minute, number, refused, at * 6.0, round(46 - height, 1), height))
    return bars


def forget() -> None:
    """What was used long ago."""
    ApiUsage.objects.filter(minute__lt=clock.now() - KEPT).delete()
