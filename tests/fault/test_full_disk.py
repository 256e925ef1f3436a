"""Row 16 of the fault matrix: SQLite is told how large it may grow; PostgreSQL says itself that there is no room."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection as database

from sync.models import CrossReference, SyncRun
from tests.fault.test_worker_and_database import queued
from tests.sync.conftest import Control, Load, flow, goes_on, invoice, open_issues, people, sync, worked

pytestmark = pytest.mark.django_db(transaction=True)
NO_ROOM = "The console's own database has no room left on its disk. Trying again by itself."


@contextmanager
def full_disk(*tables: str) -> Iterator[None]:
    """No row more goes into these tables; what is there can still be changed in place, as on a disk that is full.
    (A tablespace on a file system of its own, filled to its end, says just this.)"""
    if database.vendor == "sqlite":
        with sqlite_full():
            yield
        return
    with database.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
            "'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        for table in tables:
            cursor.execute(f"CREATE TRIGGER no_room BEFORE INSERT ON {table} EXECUTE FUNCTION no_room()")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("DROP FUNCTION no_room() CASCADE")


@contextmanager
def sqlite_full() -> Iterator[None]:
    with database.cursor() as cursor:
        cursor.execute("VACUUM")
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages + 4}")
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")


def waits(run: SyncRun) -> None:
    run = worked(run)
    assert (run.state, run.message, run.read, run.pages) == ("waiting", NO_ROOM, 0, 0)
    assert run.wait_until is not None


def ends_well(control: Control, run: SyncRun, read: int) -> None:
    run = goes_on(run)
    assert (run.state, run.read, run.accepted + run.unchanged) == ("completed", read, read)
    assert len(control.all_contacts()) == 300
    assert open_issues() == set()


def test_a_full_disk_ends_the_slice_cleanly_and_moves_nothing(load: Load) -> None:
    control = load(people(300))
    run, before = queued(), flow().watermark
    with full_disk("sync_crossreference", "sync_syncissue"):
        waits(run)
        assert flow().watermark == before
        assert not CrossReference.objects.exists()
    ends_well(control, run, 300)


@pytest.mark.postgresql  # the tables of SQLite share what room there is
def test_where_an_intent_has_no_room_nothing_leaves(load: Load) -> None:
    control = load(people(300), [invoice("SO-1", "C-1", ("A", "1", "1.00"))])
    run = queued()
    with full_disk("sync_delivery", "sync_ledgerentry", "sync_syncissue"):
        waits(run)
        assert control.writes() == []
    ends_well(control, run, 300)
    with full_disk("sync_ledgerentry", "sync_syncissue"):
        run = sync("sale")
        assert (run.state, run.message) == ("waiting", NO_ROOM)
        assert control.sales() == []
    ends_well(control, run, 1)
    assert len(control.sales()) == 1


def test_a_disk_that_stays_full_fails_the_run_with_its_reason(load: Load) -> None:
    load(people(300))
    run = queued()
    with full_disk("sync_crossreference", "sync_syncissue"):
        for _ in range(7):
            run = goes_on(run)
    said = "The console's own database has no room left on its disk. Given up after 7 attempts."
    assert (run.state, run.message, flow().watermark) == ("failed", said, "")
