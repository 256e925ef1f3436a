"""Counts the requests that leave to write, wherever below a `send` they leave from."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class Written:
    """`requests` that left to write; `repeats` are those of them that said again what an earlier one had said.

    `further` is told the number of requests before each but the first leaves: what dies with this process is
    known by it.
    """

    def __init__(self, further: Callable[[int], None] = lambda number: None) -> None:
        self.requests = self.repeats = 0
        self._further = further
        self._lock = threading.Lock()

    def leaves(self, repeated: bool) -> None:
        with self._lock:
            self.requests += 1
            self.repeats += repeated
            if self.requests > 1:
                self._further(self.requests)

    def stayed(self, repeated: bool) -> None:
        """It was about to leave, and nobody was there to take it."""
        with self._lock:
            self.requests -= 1
            self.repeats -= repeated


_counting: ContextVar[Written | None] = ContextVar("written", default=None)


@contextmanager
def counting(written: Written | None) -> Iterator[None]:
    """What this thread sends meanwhile is counted there."""
    before = _counting.set(written)
    try:
        yield
    finally:
        _counting.reset(before)


def leaves(repeated: bool = False) -> None:
    """A request to write is about to leave."""
    if found := _counting.get():
        found.leaves(repeated)


def stayed(repeated: bool = False) -> None:
    if found := _counting.get():
        found.stayed(repeated)


def carried(work: Callable[..., T]) -> Callable[..., T]:
    """For the threads of a pool: what they send counts with what the one who asked for them sends."""
    written = _counting.get()

    def carrying(*given: object) -> T:
        with counting(written):
            return work(*given)

    return carrying
