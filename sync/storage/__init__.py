"""Set-based reads and writes: one contract, two back ends. A page costs as many queries as one record."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, connection, models, transaction

from sync.storage.postgresql import PostgreSQL
from sync.storage.sqlite import SQLite
from sync.storage.tables import Backend, Table

BY_KEY = "+flow_id = %s"
"""The flow as a condition that no planner takes for its way in: SQLite would walk a whole flow for a page of keys."""

BACKENDS: Mapping[str, Backend] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}


def backend() -> Backend:
    return BACKENDS[connection.vendor]


def table(model: type[models.Model], columns: Sequence[str], **options: Any) -> Table:
    return Table(model, tuple(columns), **options)


def upsert(target: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Inserts or overwrites; UUID columns take 16 bytes. No row, no query."""
    if rows:
        backend().upsert(target, rows)


def insert(target: Table, rows: Sequence[Sequence[Any]]) -> None:
    """The same for rows that are new as far as anybody knows: cheaper, and right when one is there after all."""
    if connection.vendor == "sqlite":  # within a savepoint it copies every page it touches: five times slower
        upsert(target, rows)
    elif rows:
        try:
            with transaction.atomic():
                PostgreSQL().insert(target, rows)
        except IntegrityError:
            backend().upsert(target, rows)


def update(target: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Changes rows that are there; each is named by its first value. No digests, no JSON. No row, no query."""
    if rows:
        backend().update(target, rows)


def known(model: type[models.Model], column: str, digests: Sequence[bytes], where: str = "1 = 1") -> set[bytes]:
    """Those of these digests that the column holds, among the rows that `where` names."""
    return backend().known(model, column, digests, where) if digests else set()


def fetch(
    model: type[models.Model],
    columns: Sequence[str],
    column: str,
    values: Sequence[str],
    where: str = "1 = 1",
    parameters: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """Rows whose text `column` is one of `values`; digests come back as 16 bytes or None."""
    return backend().fetch(model, columns, column, values, where, parameters) if values else []


def beginning(
    model: type[models.Model],
    columns: Sequence[str],
    column: str,
    heads: Sequence[str],
    where: str = "1 = 1",
    parameters: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """(head, *columns) of the rows whose text `column` begins with one of `heads`: a step into its index for each."""
    rows = backend().beginning(model, columns, column, heads, where, parameters) if heads else []
    place = 1 + list(columns).index(column)
    return [row for row in rows if row[place].startswith(row[0])]  # a language's order of letters takes in more
