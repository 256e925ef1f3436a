"""Two temporary tables, one for each side of a comparison, and the joins between them.

Memory stays constant: rows go in page by page and come out by keyset. The tables belong to this connection
and go with it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import connection
from django.db.models import QuerySet

CHUNK = 2_000


class Sides:
    def __enter__(self) -> "Sides":
        self._drop()
        self._run("CREATE TEMPORARY TABLE erp_side (source_id text PRIMARY KEY, key text, email text, fields text)")
        self._run("CREATE TEMPORARY TABLE target_side (target_id text PRIMARY KEY, key text, email text, fields text)")
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def _drop(self) -> None:
        self._run("DROP TABLE IF EXISTS erp_side")
        self._run("DROP TABLE IF EXISTS target_side")

    @staticmethod
    def _run(sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    def erp(self, rows: Iterable[tuple[str, str, str, Mapping[str, str]]]) -> None:
        """(source id, key we write, e-mail, fields); a record that comes twice counts as its newest."""
        self._insert("erp_side", "source_id", rows)

    def target(self, rows: Iterable[tuple[str, str, str, Mapping[str, str]]]) -> None:
        """(target id, key, e-mail, fields)."""
        self._insert("target_side", "target_id", rows)

    @staticmethod
    def _insert(table: str, key: str, rows: Iterable[tuple[str, str, str, Mapping[str, str]]]) -> None:
        values = [(one, two, three, json.dumps(fields)) for one, two, three, fields in rows]
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} VALUES (%s, %s, %s, %s) ON CONFLICT ({key}) DO UPDATE "
                "SET key = excluded.key, email = excluded.email, fields = excluded.fields",
                values,
            )

    def index(self) -> None:
        """Once both sides are complete."""
        for table in ("erp_side", "target_side"):
            self._run(f"CREATE INDEX {table}_key ON {table} (key)")
            self._run(f"CREATE INDEX {table}_email ON {table} (email)")

    def pairs(self) -> Iterator[tuple[str, str, dict[str, str], dict[str, str]]]:
        """(source id, target id, ERP fields, target fields) of records linked by exactly one contact."""
        for source_id, target_id, erp, target in self._walk(
            "SELECT e.source_id, t.target_id, e.fields, t.fields FROM erp_side e JOIN target_side t ON t.key = e.key "
            "WHERE e.source_id > %s AND (SELECT count(*) FROM target_side o WHERE o.key = e.key) = 1 "
            "ORDER BY e.source_id LIMIT %s"
        ):
            yield source_id, target_id, json.loads(erp), json.loads(target)

    def several(self) -> Iterator[tuple[str, str]]:
        """(source id, target id) of records whose key stands on more than one contact."""
        yield from self._all(
            "SELECT e.source_id, t.target_id FROM erp_side e JOIN target_side t ON t.key = e.key "
            "WHERE (SELECT count(*) FROM target_side o WHERE o.key = e.key) > 1 ORDER BY 1, 2"
        )

    def unlinked(self) -> Iterator[tuple[str, str, dict[str, str], str | None, dict[str, str]]]:
        """Records without a contact of their key, with each keyless contact of the same e-mail (or None)."""
        rows = self._all(
            "SELECT e.source_id, e.key, e.fields, t.target_id, t.fields FROM erp_side e "
            "LEFT JOIN target_side t ON t.key = '' AND t.email = e.email AND e.email <> '' "
            "WHERE NOT EXISTS (SELECT 1 FROM target_side k WHERE k.key = e.key) ORDER BY 1, 4"
        )
        for source_id, key, erp, target_id, target in rows:
            yield source_id, key, json.loads(erp), target_id, json.loads(target) if target else {}

    def doubles(self) -> Iterator[tuple[str, str, str]]:
        """(source id, its contact, another keyless contact with the same e-mail)."""
        yield from self._all(
            "SELECT e.source_id, t.target_id, o.target_id FROM erp_side e "
            "JOIN target_side t ON t.key = e.key "
            "JOIN target_side o ON o.key = '' AND o.email = e.email AND e.email <> '' AND o.target_id <> t.target_id "
            "ORDER BY 1, 2, 3"
        )

    def orphans(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        """(target id, key, fields) of contacts that no record owns, by key or by e-mail."""
        rows = self._all(
            "SELECT t.target_id, t.key, t.fields FROM target_side t "
            "WHERE NOT EXISTS (SELECT 1 FROM erp_side e WHERE e.key = t.key) "
            "AND NOT (t.key = '' AND EXISTS (SELECT 1 FROM erp_side e WHERE e.email = t.email AND t.email <> '')) "
            "ORDER BY 1"
        )
        for target_id, key, fields in rows:
            yield target_id, key, json.loads(fields)

    def not_in_erp(self, records: QuerySet[Any, tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Those of our own records (source id first) that the ERP side does not have."""
        own = f"{records.model._meta.db_table}.source_id"
        absent = records.extra(where=[f"NOT EXISTS (SELECT 1 FROM erp_side WHERE erp_side.source_id = {own})"])
        yield from absent.order_by("pk").iterator(CHUNK)

    @staticmethod
    def _walk(sql: str) -> Iterator[tuple[Any, ...]]:
        last = ""
        while True:
            with connection.cursor() as cursor:
                cursor.execute(sql, [last, CHUNK])
                rows = cursor.fetchall()
            yield from rows
            if len(rows) < CHUNK:
                return
            last = rows[-1][0]

    @staticmethod
    def _all(sql: str) -> Iterator[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
        yield from rows
