"""PostgreSQL: binary COPY into a temporary table, then one INSERT … ON CONFLICT; look-ups by = ANY."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from django.db import connection, models, transaction

from sync.storage.tables import Table

TYPES = {
    "CharField": "text",
    "TextField": "text",
    "DateField": "date",
    "DateTimeField": "timestamptz",
    "DecimalField": "numeric",
    "BooleanField": "bool",
    "BigIntegerField": "int8",
    "BigAutoField": "int8",
    "AutoField": "int4",
    "IntegerField": "int4",
    "PositiveIntegerField": "int4",
    "FloatField": "float8",
    "BinaryField": "bytea",
    # The binary form of a uuid is its 16 bytes: sent as bytea it needs no UUID object.
    "UUIDField": "bytea",
    "JSONField": "jsonb",
}


class PostgreSQL:
    def insert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        with connection.wrap_database_errors, self._cursor() as cursor:
            self._copy_into(cursor, table.name, table, rows)

    def upsert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        rows = list(rows)
        if len(rows) > 100:
            self._copy(table, rows)
        else:
            values = ", ".join(["%s"] * len(table.columns))
            with connection.wrap_database_errors, self._cursor() as cursor:
                cursor.executemany(table.insert(f"VALUES ({self._casts(table, values)})"), [*map(tuple, rows)])

    def update(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        with connection.wrap_database_errors, self._cursor() as cursor:
            cursor.executemany(table.change(), [(*row[1:], row[0]) for row in rows])

    def _casts(self, table: Table, values: str) -> str:
        kinds = table.kinds()
        return ", ".join(
            "encode(%s, 'hex')::uuid" if kind == "UUIDField" else "%s::jsonb" if kind == "JSONField" else "%s"
            for kind in kinds
        )

    def _copy(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        names = ", ".join(table.columns)
        temporary = f"incoming_{table.name}"
        # Outside a transaction the temporary table would be gone with the statement that made it.
        with transaction.atomic(), connection.wrap_database_errors, self._cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE {temporary} ON COMMIT DROP AS SELECT {names} FROM {table.name} WITH NO DATA"
            )
            self._copy_into(cursor, temporary, table, rows)
            cursor.execute(table.insert(f"SELECT {names} FROM {temporary}"))
            cursor.execute(f"DROP TABLE {temporary}")

    @staticmethod
    def _copy_into(cursor: psycopg.Cursor[Any], name: str, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        with cursor.copy(f"COPY {name} ({', '.join(table.columns)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([TYPES[kind] for kind in table.kinds()])
            for row in rows:
                copy.write_row(row)

    def known(self, model: type[models.Model], column: str, digests: Sequence[bytes], where: str) -> set[bytes]:
        wanted = "{" + ",".join(digest.hex() for digest in digests) + "}"
        with connection.wrap_database_errors, self._cursor(binary=True) as cursor:
            cursor.execute(
                f"SELECT uuid_send({column}) FROM {model._meta.db_table} WHERE {column} = ANY(%s::uuid[]) AND {where}",
                [wanted],
            )
            return {digest for (digest,) in cursor}

    def fetch(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        column: str,
        values: Sequence[str],
        where: str,
        parameters: Sequence[Any],
    ) -> list[tuple[Any, ...]]:
        uuids = {field.column for field in model._meta.concrete_fields if isinstance(field, models.UUIDField)}
        names = ", ".join(f"uuid_send({name})" if name in uuids else name for name in columns)
        with connection.wrap_database_errors, self._cursor(binary=True) as cursor:
            cursor.execute(
                f"SELECT {names} FROM {model._meta.db_table} WHERE {column} = ANY(%s::text[]) AND {where}",
                [_array(values), *parameters],
            )
            return cursor.fetchall()

    def beginning(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        column: str,
        heads: Sequence[str],
        where: str,
        parameters: Sequence[Any],
    ) -> list[tuple[Any, ...]]:
        with transaction.atomic(), connection.wrap_database_errors, self._cursor() as cursor:
            # It takes a range for half a percent of the table, and would compare every row with every head.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                f"SELECT asked.head, {', '.join(columns)} FROM unnest(%s::text[]) AS asked(head) "
                f"JOIN {model._meta.db_table} ON {column} >= asked.head AND {column} < asked.head || chr(1114109) "
                f"WHERE {where}",
                [_array(heads), *parameters],
            )
            rows = cursor.fetchall()
            cursor.execute("SET LOCAL enable_seqscan = on")
        return rows

    @staticmethod
    def _cursor(binary: bool = False) -> psycopg.Cursor[tuple[Any, ...]]:
        """A server-side-binding cursor: Django's own puts 10,000 parameters into the text of the statement."""
        connection.ensure_connection()
        return psycopg.Cursor(connection.connection) if not binary else _BinaryCursor(connection.connection)


def _array(texts: Sequence[str]) -> str:
    """Texts as an array's literal: psycopg writes ten thousand of them one by one, in Python."""
    joined = '","'.join(texts)
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
        joined = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return f'{{"{joined}"}}'


class _BinaryCursor(psycopg.Cursor[tuple[Any, ...]]):
    """Results in binary form: 16 bytes instead of a parsed UUID."""

    format = psycopg.pq.Format.BINARY
