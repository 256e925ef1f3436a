"""Geometry of the small charts: numbers to coordinates. The templates draw SVG from it, without inline styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDE = 1000


@dataclass(frozen=True)
class Segment:
    """Part of a stacked bar of width 1000."""

    name: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    tone: str
    label: str


def stack(counts: Sequence[tuple[str, int]], width: float = WIDE, least: float = 6) -> list[Segment]:
    """Widths by share; what is there is at least `least` wide, so that one bad record of a million shows."""
    total = sum(count for _, count in counts)
    if not total:
        return []
    wide = [max(least, width * count / total) for _, count in counts]
    scale = width / sum(wide)
    found, x = [], 0.0
    for (name, count), share in zip(counts, wide, strict=True):
        found.append(Segment(name, count, round(x, 2), round(share * scale, 2)))
        x += share * scale
    return found


def sparkline(values: Sequence[tuple[int, str, str]], width: float = 112, height: float = 28) -> list[Bar]:
    """One bar a run, (value, tone, label), oldest first; heights by root, so that small runs stay visible."""
    if not values:
        return []
    highest = max(value for value, _, _ in values) or 1
    step = width / max(len(values), 12)
    bars = []
    for number, (value, tone, label) in enumerate(values):
        tall = 4 + (height - 4) * (value / highest) ** 0.5
        left = width - step * (len(values) - number)
        bars.append(Bar(round(left, 1), round(height - tall, 1), round(step - 1.5, 1), round(tall, 1), tone, label))
    return bars


@dataclass(frozen=True)
class Day:
    """One day of the chart: a stacked bar and a point of the line, in a drawing of 840 × 220."""

    day: date
    x: float
    centre: float
    width: float
    bars: list[Bar]
    total: int
    found: int
    line_y: float


@dataclass(frozen=True)
class Daily:
    days: list[Day]
    ticks: list[tuple[float, int]]
    points: str
    highest_found: int

    @property
    def empty(self) -> bool:
        return not any(day.total or day.found for day in self.days)


TOP, BOTTOM, LEFT, RIGHT = 14.0, 186.0, 52.0, 832.0


def _ceiling(value: int) -> int:
    """The next round figure above a value: 1, 2 or 5 times a power of ten."""
    power = 10 ** max(0, len(str(value)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def daily(days: Sequence[tuple[date, Sequence[tuple[str, int]], int]]) -> Daily:
    """Per day the counts of a stacked bar, (tone, count), and the figure of the line."""
    top = _ceiling(max([1, *(sum(count for _, count in counts) for _, counts, _ in days)]))
    most = _ceiling(max([1, *(found for _, _, found in days)]))
    step = (RIGHT - LEFT) / max(1, len(days))
    drawn = []
    for number, (day, counts, found) in enumerate(days):
        x, y, bars = LEFT + step * number + step * 0.2, BOTTOM, []
        for tone, count in counts:
            tall = (BOTTOM - TOP) * count / top
            tall = max(tall, 1.5) if count else 0
            y -= tall
            if count:
                bars.append(Bar(round(x, 1), round(y, 1), round(step * 0.6, 1), round(tall, 1), tone, f"{count:,}"))
        line_y = BOTTOM - (BOTTOM - TOP) * found / most
        total = sum(count for _, count in counts)
        left = LEFT + step * number
        drawn.append(
            Day(day, round(left, 1), round(left + step / 2, 1), round(step, 1), bars, total, found, round(line_y, 1))
        )
    ticks = [(round(BOTTOM - (BOTTOM - TOP) * part / 4, 1), top * part // 4) for part in range(5)]
    return Daily(drawn, ticks, " ".join(f"{day.centre},{day.line_y}" for day in drawn), most)
