"""Row 16 of the fault matrix, on the database that can be told how large it may grow: SQLite."""

import pytest
from django.db import DatabaseError
from django.db import connection as database

from sync.models import CrossReference
from tests.fault.test_worker_and_database import expired, queued
from tests.sync.conftest import Load, flow, people, worked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def test_a_full_disk_ends_the_slice_cleanly_and_moves_nothing(load: Load) -> None:
    control = load(people(300))
    run, before = queued(), flow().watermark
    with database.cursor() as cursor:
        cursor.execute("VACUUM")
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(DatabaseError, match="full"):
        worked(run)
    run.refresh_from_db()
    assert (run.state, run.read, run.pages, flow().watermark) == ("running", 0, 0, before)
    assert not CrossReference.objects.exists()
    with database.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count = 1073741823")
    expired(run)
    run = worked(run)
    assert (run.state, run.read, len(control.all_contacts())) == ("completed", 300, 300)
