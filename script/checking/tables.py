"""The console's tables, by SQL, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

UNITS = 10_000
"""Amounts are compared as whole ten-thousandths, the ledger's precision."""


class Tables:
    """Read-only; `%s` marks a parameter. UsageError when the address is of neither kind."""

    def __init__(self, database: str) -> None:
        scheme, _, rest = database.partition("://")
        self.is_sqlite = scheme.startswith("sqlite")
        if self.is_sqlite:
            path = unquote(rest.partition("?")[0])[1:]
            self._connection: Any = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
        elif scheme.partition("+")[0] in ("postgres", "postgresql", "psql", "pgsql"):
            import psycopg

            self._connection = psycopg.connect(f"postgresql://{rest}", autocommit=True)
        else:
            raise ValueError(f"{scheme} is not a database this check can read; SQLite and PostgreSQL are.")

    def rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.cursor()
        cursor.execute(sql.replace("%s", "?") if self.is_sqlite else sql, values)
        while page := cursor.fetchmany(20_000):
            yield from page

    def one(self, sql: str, *values: Any) -> tuple[Any, ...]:
        return next(self.rows(sql, *values))


def units(amount: Any) -> int:
    """An amount from either side as whole ten-thousandths. SQLite keeps decimals as floats: they are rounded."""
    if isinstance(amount, float):
        return round(amount * UNITS)
    return int((Decimal(amount or 0) * UNITS).to_integral_value())


def money(whole: int) -> str:
    """Ten-thousandths for people: at least two decimal places, more only when they matter."""
    amount = Decimal(whole) / UNITS
    places = Decimal("0.01") if whole % 100 == 0 else Decimal("0.0001")
    return f"{amount.quantize(places):,}"
