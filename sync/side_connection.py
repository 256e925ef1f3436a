"""One database connection for what a run's other threads ask in passing: is it our turn, is the lease still ours.

There are dozens of senders. A connection each would use up the server's; opening one for each question costs several
milliseconds on both sides, and they are asked before every request.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

IDLE = 1.0
"""Seconds after which the connection is tried before it is used: the server may have been restarted meanwhile."""


class _Side:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs = 0
        self.shared: BaseDatabaseWrapper | None = None
        self.used = 0.0

    def ready(self) -> BaseDatabaseWrapper:
        if self.shared is None:
            self.shared = connections.create_connection(DEFAULT_DB_ALIAS)
            self.shared.inc_thread_sharing()
        elif self.shared.connection and time.monotonic() - self.used > IDLE and not self.shared.is_usable():
            self.shared.close()
        return self.shared

    def close(self) -> None:
        shared, self.shared = self.shared, None
        if shared:
            shared.close()


_side = _Side()


@contextmanager
def kept() -> Iterator[None]:
    """While a run is worked on: the connection stays open between questions."""
    with _side.lock:
        _side.runs += 1
    try:
        yield
    finally:
        with _side.lock:
            _side.runs -= 1
            if not _side.runs:
                _side.close()


@contextmanager
def borrowed() -> Iterator[None]:
    """What is asked within goes through this thread's own connection where it has one, else through the side's, one
    thread after the other."""
    own = connections[DEFAULT_DB_ALIAS]
    if threading.current_thread() is threading.main_thread() or own.connection is not None:
        yield
        return
    with _side.lock:
        shared = _side.ready()
        connections[DEFAULT_DB_ALIAS] = shared
        try:
            yield
        except BaseException:
            _side.close()  # whatever happened to it, the next one begins with a fresh one
            raise
        finally:
            connections[DEFAULT_DB_ALIAS] = own
            _side.used = time.monotonic()
            if not _side.runs:
                _side.close()
