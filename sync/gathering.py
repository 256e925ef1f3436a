"""Pages in, units of work out: only new rows, in numbers that fill the target's requests.

A thousand changed records cost one request wherever they stand among a million unchanged ones. What does not
fill a request is carried to the next unit, and the resume point moves only where nothing is carried: after a
crash the pages behind it are read again, and what was accepted of them is known by then.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from connectors.base import Page, Row

Digested = tuple[Row, bytes]
PATIENCE = 30.0
"""Seconds after which an unfilled request goes out all the same: no more than this is read again after a crash.
Shorter, and one change in a thousand would cost a request each few seconds."""

UNDER_WAY = 2
"""Units at most that are answered and remembered while the next one is compared."""


@dataclass
class Unit:
    """New rows with their digests, and how many rows beside them were known. `resume` is None while the resume
    point cannot move; `watermark` is set on the last unit only."""

    fresh: Sequence[Digested]
    unchanged: int = 0
    resume: str | None = None
    watermark: str | None = None
    total: int | None = None

    @property
    def read(self) -> int:
        return len(self.fresh) + self.unchanged


def gathered(
    pages: Iterable[Page],
    new: Callable[[Sequence[Row]], list[Digested]],
    batch: int,
    *,
    requests: Callable[[], int] = lambda: 1,
    patience: float = PATIENCE,
    over: Callable[[], bool] = lambda: False,
) -> Iterator[Unit]:
    """`new` tells which rows of a page are not known yet, with their digests; `requests` how many requests a unit
    should fill at least; `over` that the slice ends here, so that nothing may be carried."""
    fresh: list[Digested] = []
    unchanged, total, clean = 0, None, time.monotonic()
    for page in pages:
        found = new(page.rows)
        unchanged += len(page.rows) - len(found)
        fresh += found
        total = page.total if total is None else total
        due = page.watermark is not None or over() or time.monotonic() - clean > patience
        if not due and len(fresh) < batch * requests():
            continue
        cut = len(fresh) if due else len(fresh) // batch * batch
        nothing_carried = cut == len(fresh)
        yield Unit(fresh[:cut], unchanged, (page.resume or None) if nothing_carried else None, page.watermark, total)
        fresh, unchanged = fresh[cut:], 0
        if nothing_carried:
            clean = time.monotonic()
    if fresh or unchanged:  # a source that never said which page was its last
        yield Unit(fresh, unchanged, None, None, total)
