"""What PostgreSQL's planner knows of a table while a load fills it.

It learns of a table's size by ANALYZE. Autovacuum does that once a minute at the best: until then a look-up by ten
thousand keys was planned for an almost empty table and read all of it, page after page. At a million links a page cost
the database three times what it does with fresh statistics (docs/performance.md).
"""

import logging

from django.db import Error, connection, models

log = logging.getLogger(__name__)
FIRST = 20_000
"""Rows written after which the table is another one than it was."""
AGAIN = 4
"""So many times as many have to be there before it is looked at again."""


class Statistics:
    """Of one table, for one writer."""

    def __init__(self, model: type[models.Model]) -> None:
        self._table = model._meta.db_table
        self._written, self._due = 0, FIRST

    def wrote(self, number: int) -> None:
        """So many rows were committed."""
        self._written += number
        if self._written >= self._due:
            self._due = AGAIN * self._written

            _told(f'ANALYZE "{self._table}"')


def after_load(model: type[models.Model], written: int) -> None:
    """Once so many rows were written: a look-up by digest then finds its answer in the index alone, where it fetched
    each row from the table to see whether it is visible. Reads what was written, and leaves the indexes to
    autovacuum."""
    if written >= FIRST:
        _told(f'VACUUM (ANALYZE, SKIP_LOCKED, INDEX_CLEANUP OFF, TRUNCATE OFF) "{model._meta.db_table}"')


def _told(statement: str) -> None:
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except Error as error:  # everything goes on without, only slower
        log.warning("%s: %s", statement, type(error).__name__)
