"""The console's own database goes away and comes back: told from other errors, and waited for."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)
T = TypeVar("T")
LOOK = 0.2
"""Seconds between two tries to reach it."""
PATIENCE = 330.0
"""Seconds for which answers that nobody has written down yet are kept: five minutes and a restart. With a slice and
the waits of a request that is no more than a task may take."""
REMEDY = "Look at the PostgreSQL server: whether it runs, and how much room its disk has. Runs go on by themselves."
_ending = threading.Event()
_STOPPED = ("08", "57P")
"""Classes of PostgreSQL's words for a connection that broke, and for a server that stops, was killed or starts."""
_NO_ROOM = "53100"
_SQLITE_FULL = 13


def is_gone(error: Error) -> bool:
    """The connection broke or none was to be had: nothing is wrong with what was asked. SQLite is a file."""
    if connection.vendor != "postgresql" or not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)  # the driver's own errors, such as a closed socket, have none
    return state is None or str(state).startswith(_STOPPED)


def is_full(error: Error) -> bool:
    """There is no room left on its disk."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) == _NO_ROOM or getattr(cause, "sqlite_errorcode", None) == _SQLITE_FULL


def words(error: Error) -> str:
    """What is the matter, for an operator."""
    if is_full(error):
        return "The console's own database has no room left on its disk."
    if is_gone(error):
        return "The console's own database does not answer."
    return f"The console's own database refused a statement ({type(error).__name__})."


@contextmanager
def waited_for_while_running() -> Iterator[None]:
    """A process that is told to end waits no longer, in none of its threads."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        _ending.set()
        raise


def is_back(seconds: float) -> bool:
    """Waits until it answers this thread, which has a fresh connection then if it had one before; False when it did
    not in time."""
    ends, had_one = time.monotonic() + seconds, connection.connection is not None
    while True:
        connection.close()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            if time.monotonic() > ends or _ending.wait(LOOK):
                return False
        else:
            if not had_one:
                connection.close()
            return True


def outlasted(act: Callable[[], T], stands: Callable[[], T | None] = lambda: None, seconds: float | None = None) -> T:
    """What `act` gives; it is done again when the database is back. The answer to a commit may be what was lost:
    `stands` looks whether what was done stands after all, and gives it. Raises every other error, and this one when
    the database stays away, or within a transaction of the caller's, which is given up as a whole."""
    ends, again = time.monotonic() + (PATIENCE if seconds is None else seconds), False
    while True:
        try:
            done = stands() if again else None
            return act() if done is None else done
        except Error as error:
            if connection.in_atomic_block or not is_gone(error) or not is_back(ends - time.monotonic()):
                raise
            log.warning("The database was away (%s); what it did not hear is told again", type(error).__name__)
            again = True
