"""A table that a load fills is looked at in between: by its key, never from end to end."""

import pytest
from django.db import connection

from sync.models import CrossReference
from sync.storage import statistics
from tests.sync.conftest import Load, people, sync

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]  # SQLite plans by its indexes alone


def known_rows() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [CrossReference._meta.db_table])
        return float(cursor.fetchone()[0])


def test_the_planner_hears_of_the_rows_while_they_are_loaded(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {CrossReference._meta.db_table} CASCADE")
        cursor.execute(f"ANALYZE {CrossReference._meta.db_table}")
    monkeypatch.setattr(statistics, "FIRST", 400)
    load(people(600), DYNAMICS365_PAGE_SIZE="100", EMARSYS_CONTACT_BATCH="100")
    assert sync().accepted == 600
    assert known_rows() >= 400


def test_it_is_not_asked_again_for_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FIRST", 10)
    asked: list[str] = []

    def note(execute: object, sql: str, params: object, many: bool, context: object) -> object:
        asked.append(sql)
        return execute(sql, params, many, context)

    table = statistics.Statistics(CrossReference)
    with connection.execute_wrapper(note):
        for _ in range(20):
            table.wrote(10)
    assert len(asked) == 3, asked  # at 10, 40 and 160


def test_after_a_load_the_index_alone_answers(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FIRST", 400)
    load(people(600))
    assert sync().accepted == 600
    with connection.cursor() as cursor:
        cursor.execute("SELECT relallvisible FROM pg_class WHERE relname = %s", [CrossReference._meta.db_table])
        assert cursor.fetchone()[0] > 0
