"""Requests side by side: as many at a time as the target's answers and its budget make worth while."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sync.budget import Budget

T = TypeVar("T")
FEWEST = 3
"""At a time, whatever the target does."""
SLOW = 0.25
"""Seconds of an answer from which on a page of few requests would leave senders without work."""
ROOM = 1.5
"""More than Little's law asks for: answers do not come evenly."""


def width(budget: Budget | None, most: int) -> int:
    """Senders needed to use a budget (Little's law: its calls a second times the seconds a call takes)."""
    return max(min(FEWEST, most), min(wanted_senders(budget), most))


def wanted_senders(budget: Budget | None) -> int:
    return 0 if budget is None else math.ceil(ROOM * budget.rate * budget.latency)


class Senders(ThreadPoolExecutor):
    """`most` threads at most; how many of them send at a time is asked anew after each answer."""

    def __init__(self, most: int, budget: Budget | None = None) -> None:
        super().__init__(most, thread_name_prefix="send")
        self._most, self._budget = most, budget
        self._free = threading.Condition()
        self._sending = 0

    @property
    def worth_gathering(self) -> int:
        """Requests that a unit should hold at least: more than one only where the target answers slowly and its
        budget can be used up."""
        slow = self._budget is not None and self._budget.latency >= SLOW
        wanted = wanted_senders(self._budget) if slow else 1
        return wanted if 1 < wanted <= self._most else 1

    def submit(self, fn: Callable[..., T], /, *given: Any, **named: Any) -> Future[T]:
        return super().submit(self._in_turn, fn, *given, **named)

    def _in_turn(self, fn: Callable[..., T], *given: Any, **named: Any) -> T:
        with self._free:
            while self._sending >= width(self._budget, self._most):
                self._free.wait(1)
            self._sending += 1
        try:
            return fn(*given, **named)
        finally:
            with self._free:
                self._sending -= 1
                self._free.notify_all()
