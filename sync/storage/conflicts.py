"""Two transactions that got in each other's way: the database gives one of them up, and it is done again."""

import logging
import random
import time
from collections.abc import Callable

from django.db import OperationalError, connection

log = logging.getLogger(__name__)
AGAIN = 5
"""How often a transaction that was given up is done again."""
PAUSE = 0.02
"""Seconds before the first time at the most; twice as long before each further one."""
GIVEN_UP = ("40001", "40P01")
"""PostgreSQL's words for a serialization failure and a deadlock. On SQLite there is one writer, who waits."""


def until_done(transaction: Callable[[], None], before_again: Callable[[], object]) -> None:
    """Raises what is no conflict, and the conflict that comes once more after the last time. Within a transaction of
    the caller's nothing is done again: it is given up as a whole."""
    for times in range(AGAIN + 1):
        try:
            return transaction()
        except OperationalError as error:
            if times == AGAIN or connection.in_atomic_block or not _given_up(error):
                raise
            log.info("The database gave a transaction up for another; it is done again")
            time.sleep(random.uniform(0, PAUSE * 2**times))
            before_again()
    raise AssertionError("unreachable")


def _given_up(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in GIVEN_UP
