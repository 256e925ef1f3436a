"""SQLite: executemany with ON CONFLICT, look-ups through json_each (no limit on parameters)."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connection, models

from sync.storage.tables import Table


@lru_cache(64)  # a page has one moment of writing and a few days
def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _uuid(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


@lru_cache(512)
def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


WRITERS: dict[str, Callable[[Any], Any]] = {
    "DateTimeField": _moment,
    "UUIDField": _uuid,
    "DecimalField": _decimal,
    "DateField": _day,
}


class SQLite:
    def upsert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        values = ", ".join(["%s"] * len(table.columns))
        # SQLite reads "SELECT … ON CONFLICT" ambiguously; VALUES has no such trouble.
        with connection.cursor() as cursor:
            cursor.executemany(table.insert(f"VALUES ({values})"), self._written(table, rows))

    def update(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(table.change(), [(*row[1:], row[0]) for row in self._written(table, rows)])

    @staticmethod
    def _written(table: Table, rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
        writers = [(index, WRITERS[kind]) for index, kind in enumerate(table.kinds()) if kind in WRITERS]
        written = []
        for row in rows:
            values = list(row)
            for index, write in writers:
                values[index] = write(values[index])
            written.append(values)
        return written

    def known(self, model: type[models.Model], column: str, digests: Sequence[bytes], where: str) -> set[bytes]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {column} FROM {model._meta.db_table} "
                f"WHERE {column} IN (SELECT value FROM json_each(%s)) AND {column} IS NOT NULL AND {where}",
                [json.dumps([digest.hex() for digest in digests])],
            )
            return {bytes.fromhex(digest) for (digest,) in cursor.fetchall()}

    def fetch(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        column: str,
        values: Sequence[str],
        where: str,
        parameters: Sequence[Any],
    ) -> list[tuple[Any, ...]]:
        fields = {field.column: field.get_internal_type() for field in model._meta.concrete_fields}
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join(columns)} FROM {model._meta.db_table} "
                f"WHERE {column} IN (SELECT value FROM json_each(%s)) AND {where}",
                [json.dumps(list(values)), *parameters],
            )
            rows = cursor.fetchall()
        readers = [(index, READERS[fields[name]]) for index, name in enumerate(columns) if fields.get(name) in READERS]
        return [self._read(row, readers) for row in rows] if readers else rows

    def beginning(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        column: str,
        heads: Sequence[str],
        where: str,
        parameters: Sequence[Any],
    ) -> list[tuple[Any, ...]]:
        table = model._meta.db_table
        at = f"{table}.{column}"
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT asked.value, {', '.join(f'{table}.{name}' for name in columns)} "
                f"FROM json_each(%s) AS asked CROSS JOIN {table} "
                f"WHERE {at} >= asked.value AND {at} < asked.value || char(1114109) AND {where}",
                [json.dumps(list(heads)), *parameters],
            )
            return cursor.fetchall()

    @staticmethod
    def _read(row: Sequence[Any], readers: list[tuple[int, Callable[[Any], Any]]]) -> tuple[Any, ...]:
        values = list(row)
        for index, read in readers:
            if values[index] is not None:
                values[index] = read(values[index])
        return tuple(values)


READERS: dict[str, Callable[[Any], Any]] = {
    "UUIDField": bytes.fromhex,
    "DecimalField": lambda value: Decimal(str(value)),
    # Django's own converters have read dates and booleans already; moments come without their zone.
    "DateTimeField": lambda value: value.replace(tzinfo=UTC),
}
