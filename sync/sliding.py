"""How many calls stand in a sliding window, by slices of it. Pure arithmetic; moments are unix seconds."""

import math
from array import array
from itertools import accumulate
from typing import NamedTuple

SLICES = 240
LATE = 1.0
"""Seconds that a call may reach the system after its moment: the window is counted longer by as much."""
SOON = 1.0
"""Seconds ahead that calls may be booked."""


class Sliding:
    """The calls of the last window (and those booked a moment ahead), so that no window of `seconds` that the
    system may look at holds more than it allows, whatever the moment its own window begins."""

    def __init__(self, seconds: float, data: bytes | memoryview, first: int) -> None:
        self.slice = seconds / SLICES
        self.reach = math.ceil((seconds + LATE) / self.slice)
        self._counts, self._first = array("I", bytes(data)), first

    def at(self, moment: float) -> int:
        return math.floor(moment / self.slice)

    def moved(self, now: float) -> None:
        """Forgets what no window can hold any more. What a clock that was put back leaves in the future counts as
        made now."""
        self._first = min(self._first, self.at(now + SOON) - len(self._counts) + 1)
        gone = self.at(now) - self.reach - self._first
        if gone > 0:
            self._first += gone
            del self._counts[:gone]

    def stored(self) -> tuple[bytes, int]:
        return self._counts.tobytes(), self._first

    def add(self, moment: float, number: int = 1) -> None:
        """A negative number takes back what was not used."""
        at = self.at(moment) - self._first
        if at < 0:
            return  # older than any window
        if at >= len(self._counts):
            self._counts.extend([0] * (at + 1 - len(self._counts)))
        self._counts[at] = max(0, self._counts[at] + number)

    def used(self, moment: float) -> int:
        """In the window that ends with this moment's slice, and in those that end with a slice booked after it."""
        at = self.at(moment)
        before = list(accumulate(self._counts, initial=0))
        return max(self._between(before, end) for end in self._ends(at))

    def free_at(self, moment: float, limit: int, number: int = 1) -> float:
        """The first moment, not before this one, at which so many more stay within the limit in every window."""
        at = self.at(moment)
        before = list(accumulate(self._counts, initial=0))
        while max(self._between(before, end) for end in self._ends(at)) + number > limit:
            at += 1
            if at > self._first + len(self._counts) + self.reach:
                return math.inf  # more than any window takes
        return max(moment, at * self.slice)

    def _ends(self, at: int) -> range:
        """The last slices of the windows that a call in slice `at` would stand in."""
        return range(at, min(max(at, self._first + len(self._counts) - 1), at + self.reach) + 1)

    def _between(self, before: list[int], end: int) -> int:
        last, size = end - self._first + 1, len(self._counts)
        return before[min(max(last, 0), size)] - before[min(max(last - self.reach - 1, 0), size)]


class Windows(NamedTuple):
    """The calls of a window: all, and the urgent ones among them; and the work they made, where that counts."""

    calls: Sliding
    urgent: Sliding
    spent: Sliding | None
