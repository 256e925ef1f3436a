"""The pool of application-server agents behind the adapter (contract 8, operating limits)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class BusyError(Exception):
    """No agent is free."""


class Agents:
    """`size` is asked at every call; 0 is a pool without end."""

    def __init__(self, size: Callable[[], int]) -> None:
        self._size = size
        self._lock = Lock()
        self._working = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """An agent for as long as a call lasts. BusyError when all of them work."""
        with self._lock:
            if 0 < self._size() <= self._working:
                raise BusyError
            self._working += 1
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1
