"""Rows 5, 14 to 17 and 19 of the fault matrix: frozen workers, cut connections, deadlocks, full disks, wrong clocks,
old code."""

import os
import signal
import subprocess
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connections
from django.db import connection as database
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from sync import clock, crashpoints, runs
from sync.models import CrossReference, PendingKey, SyncRun
from sync.storage import conflicts
from tests.fault.conftest import Started, environment
from tests.sync.conftest import Load, flow, open_issues, people, sync, wait_until, worked

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
SMALL = {"DYNAMICS365_PAGE_SIZE": "10", "EMARSYS_CONTACT_BATCH": "10"}
BEFORE = ("sync", "0004_feed_item_item")
"""The schema of the release before plans, parts and budgets: its workers may still run while the new one migrates."""
CONTRACTED = {"apibudget"}
"""Whose columns went in the same release that replaced them: its old workers must be stopped before it migrates."""


def queued() -> SyncRun:
    run = runs.start(flow(), ring=False)
    assert run is not None
    return run


def expired(run: SyncRun) -> None:
    SyncRun.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))


def stopped(process: "subprocess.Popen[str]") -> bool:
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(process.pid)], capture_output=True, text=True).stdout
    return said.startswith("T")


def test_a_worker_frozen_past_its_lease_sends_and_commits_nothing_when_it_wakes(load: Load, start: Started) -> None:
    control = load(people(3))
    run = queued()
    zombie = start("manage.py", "sync", "dynamics365.customer", SYNC_CRASHPOINT="before_request:1:STOP")
    wait_until(lambda: stopped(zombie), 60, pause=0.1)
    wait_until(lambda: run.pk in runs.due(), 20, pause=0.1)
    control.customer("C-1", AddressCity="York")
    run = worked(run)
    assert (run.state, run.epoch, run.accepted) == ("completed", 2, 3)
    os.kill(zombie.pid, signal.SIGCONT)
    zombie.communicate(timeout=60)
    run.refresh_from_db()
    assert (run.state, run.epoch, run.accepted) == ("completed", 2, 3)
    assert control.contacts()["C-1"]["11"] == "York"
    assert len(control.requests("PUT", "/contact/")) == 1
    assert not PendingKey.objects.exclude(reason="lost_lease").exists()


@pytest.mark.parametrize("point", ["after_request", "in_remember", "in_completion"])
def test_connections_cut_between_call_and_commit_lose_nothing(
    load: Load, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    if database.vendor != "postgresql":
        pytest.skip("SQLite has no connection to cut")
    control = load(people(25), **SMALL)
    run, cut = queued(), []

    def passing(name: str) -> None:
        if name == point and not cut:
            cut.append(name)
            with psycopg.connect(environment()["DATABASE_URL"], autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    monkeypatch.setattr(crashpoints, "_passing", passing)
    try:
        worked(run)
    except DatabaseError:  # the worker's task ends; whoever hears the next bell goes on
        pass
    finally:
        connections.close_all()
    assert cut
    expired(SyncRun.objects.get(pk=run.pk))
    run = worked(SyncRun.objects.get(pk=run.pk))
    assert (run.state, run.read) == ("completed", 25)
    assert len(control.all_contacts()) == 25 == CrossReference.objects.filter(state="active").count()
    assert open_issues() == set()


def test_a_page_that_loses_a_deadlock_is_remembered_again(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other writer waits for the run's row, which the page's transaction holds, and holds what that wants next."""
    if database.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    control, passes = load(people(25), **SMALL), list[str]()
    run = queued()
    with psycopg.connect(environment()["DATABASE_URL"]) as other:
        other.execute("SET deadlock_timeout = '60s'")
        other.execute("SELECT pg_advisory_xact_lock(42)")

        def passing(name: str) -> None:
            if name != "in_remember":
                return
            passes.append(name)
            if len(passes) == 2:
                writes = "UPDATE sync_syncrun SET trigger = trigger WHERE id = %s"
                threading.Thread(target=lambda: (other.execute(writes, [run.pk]), other.commit())).start()
                with database.cursor() as cursor:
                    cursor.execute("SET LOCAL deadlock_timeout = '50ms'")
                    cursor.execute("SELECT pg_sleep(0.2), pg_advisory_xact_lock(42)")

        monkeypatch.setattr(crashpoints, "_passing", passing)
        run = worked(run)
    assert (run.state, run.read, run.accepted, run.pages, run.epoch) == ("completed", 25, 25, 3, 1)
    assert len(passes) == 4, "three pages, one of them twice"
    assert len(control.requests("PUT", "/contact/")) == 3
    assert len(control.all_contacts()) == 25 == CrossReference.objects.filter(state="active").count()


def test_a_conflict_that_never_ends_leaves_the_page_to_the_next_worker(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    control, passes = load(people(5)), list[str]()
    run = queued()

    def passing(name: str) -> None:
        if name == "in_remember":
            passes.append(name)
            with database.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")

    with monkeypatch.context() as patch:
        patch.setattr(crashpoints, "_passing", passing)
        with pytest.raises(OperationalError):
            worked(run)
    assert len(passes) == 1 + conflicts.AGAIN
    run.refresh_from_db()
    assert (run.state, run.read, run.pages) == ("running", 0, 0)
    expired(run)
    run = worked(run)
    assert (run.state, run.read, run.unchanged + run.accepted, len(control.all_contacts())) == ("completed", 5, 5, 5)


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_worker_whose_clock_is_wrong_takes_no_lease_and_skips_no_record(
    load: Load, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    if database.vendor != "postgresql":
        pytest.skip("with SQLite there is one machine and one clock")
    control, right = load(people(3)), timezone.now
    run = queued()
    lease = runs.take(run.pk)
    assert lease is not None
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(minutes=minutes))
    assert runs.take(run.pk) is None
    assert run.pk not in runs.due()
    run.refresh_from_db()
    assert run.lease_until is not None
    asked = runs.start(flow("sale"), ring=False)
    assert asked is not None
    assert abs(asked.queued_at - right()) < timedelta(minutes=2), "charts and breakers count its runs by day"
    assert abs(run.lease_until - right()) < timedelta(minutes=2)
    expired(run)
    assert worked(run).state == "completed"
    control.customer("C-1", AddressCity="York")
    sync()
    assert control.contacts()["C-1"]["11"] == "York"


def test_the_release_before_works_on_the_new_schema(transactional_db: None) -> None:
    """Expand, then contract: what was added since is empty or has its default in the database."""
    loader = MigrationLoader(database)
    old, new = loader.project_state([BEFORE]), loader.project_state()
    demanding = []
    for key, model in old.models.items():
        if key[0] != "sync" or key[1] in CONTRACTED:
            continue
        fields = new.models[key].fields
        assert set(model.fields) <= set(fields), f"{key[1]} lost a column"
        for name in set(fields) - set(model.fields):
            field: Any = fields[name]
            if not (field.null or field.many_to_many or field.has_db_default()):
                demanding.append(f"{key[1]}.{name}")
    assert demanding == []
    tables = old.apps
    made = tables.get_model("sync", "Flow").objects.create(name="old.customer", source="old", stream="customer")
    run = tables.get_model("sync", "SyncRun").objects.create(flow=made, lease_until=None)
    tables.get_model("sync", "SyncRun").objects.filter(pk=run.pk).update(state="completed")
    tables.get_model("sync", "PendingKey").objects.create(flow=made, key="1", reason="retry", created_at=clock.now())
    tables.get_model("sync", "CrossReference").objects.create(flow=made, source_id="1", target_id="2")
    for name in ("SyncRun", "PendingKey", "CrossReference", "LedgerEntry", "SyncIssue", "Delivery"):
        assert list(tables.get_model("sync", name).objects.all()) is not None
