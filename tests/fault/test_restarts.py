"""Rows 12 and 13 of the fault matrix: the database restarts in the middle of commits, and stays away for longer than
a lease. Workers, beat and runs outlive it, and ERP, console and Emarsys agree line by line after it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import Error, OperationalError, connections
from django.db import connection as database

from bench import killing
from sync import accounting, bulk, clock, crashpoints, endings, issues, limits, pipeline, runs
from sync.models import AuditEvent, LedgerEntry, SyncRun, WorkerProcess
from sync.runs import Lease, NotSentError
from sync.storage import away
from tests.fault.brokers import CELERY, ForgetfulBroker, broker
from tests.fault.conftest import Started
from tests.fault.databases import Server, migrated, own_database, server
from tests.sync.conftest import Control, Load, flow, in_thread, invoice, open_issues, people, sync, wait_until

__all__ = ["broker", "migrated", "own_database", "server"]
pytestmark = [
    pytest.mark.fault,
    pytest.mark.postgresql,  # a server of the test's own, to restart
    pytest.mark.django_db(transaction=True),
]
SMALL = {"DYNAMICS365_PAGE_SIZE": "10", "EMARSYS_CONTACT_BATCH": "10", "EMARSYS_SALES_BATCH": "10"}
EACH_COMMIT = ("in_intent", "after_intent", "before_request", "after_request", "after_call", "before_remember",
               "in_remember", "after_remember", "before_completion", "in_completion", "after_completion")  # fmt: skip
COMMITS = ("in_intent", "in_remember", "in_completion")
LEASE = 2.0
AWAY = 5.0
ENDS = 12
IN_FLIGHT = 1.5
"""Seconds in which a request that had left before the database went away is answered."""


@pytest.fixture(autouse=True)
def _goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was told to end does not live on, but here it does: it waits for its database again."""
    monkeypatch.setattr(away, "_ending", threading.Event())


@contextmanager
def at(points: tuple[str, ...], act: Callable[[str], None], times: int = 2) -> Iterator[list[str]]:
    """`act` when each of these moments passes so often; the end of a run comes once."""
    passed: list[str] = []
    lock = threading.Lock()

    def passing(name: str) -> None:
        with lock:
            passed.append(name)
            if name not in points or passed.count(name) != (1 if "completion" in name else times):
                return
        act(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crashpoints, "_passing", passing)
        yield passed


@dataclass
class Unheard:
    """The commit that comes next takes place, and whoever asked for it never hears of it: it waits for a standby that
    nobody has, until the server is restarted."""

    own: Server
    restarts: int = 0

    def __call__(self, name: str) -> None:
        self.own.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        wait_until(lambda: self.own.sql("SHOW synchronous_standby_names") == [("nobody",)], 5)
        threading.Thread(target=self._restarted).start()

    def _restarted(self) -> None:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query ILIKE 'commit%'"
        wait_until(lambda: bool(self.own.sql(waiting)), 20)
        self.own.sql("ALTER SYSTEM RESET synchronous_standby_names")
        self.own.restart()
        self.restarts += 1


def ended(run: SyncRun) -> SyncRun:
    """As a worker that hears each bell."""
    for _ in range(30):
        pipeline.work(run.pk)
        if not now(run).active:
            break
    return run


def invoices(number: int, customers: int) -> list[Any]:
    lines = ("A", "1", "7.50"), ("B", "2", "1.00")
    return [invoice(f"SO-{n}", f"C-{n % customers + 1}", *lines) for n in range(number)]


def agree(control: Control) -> None:
    """All three sides, record by record, and what each run says with the systems' own log."""
    killing.check_customers(control, flow())
    assert killing.check_before_settling(control, flow("sale")) == 0, "no answer was lost"
    killing.check_sales(control, flow("sale"))
    assert [one.said for one in accounting.accounts() if one.said] == []
    assert sum(SyncRun.objects.values_list("writes", flat=True)) == len(control.writes())
    assert open_issues() == set()
    assert set(SyncRun.objects.values_list("state", flat=True)) == {"completed"}


@pytest.mark.parametrize("stream", ["customer", "sale"])
def test_restarts_at_every_moment_of_a_run_cost_nothing(load: Load, own_database: Server, stream: str) -> None:
    control = load(people(60), invoices(30, 60), **SMALL)
    if stream == "sale":
        sync()
    run = runs.start(flow(stream), ring=False)
    assert run is not None
    restarted: list[str] = []

    def restart(name: str) -> None:
        own_database.restart()
        restarted.append(name)

    with at(EACH_COMMIT, restart):
        ended(run)
    assert sorted(restarted) == sorted(EACH_COMMIT)
    assert (run.state, run.read, run.accepted) == ("completed", 60, 60)
    if stream == "customer":
        sync("sale")
    agree(control)


@pytest.mark.parametrize("stream", ["customer", "sale"])
def test_a_commit_that_nobody_heard_of_is_not_done_twice(load: Load, own_database: Server, stream: str) -> None:
    control = load(people(60), invoices(30, 60), **SMALL)
    if stream == "sale":
        sync()
    run = runs.start(flow(stream), ring=False)
    assert run is not None
    unheard = Unheard(own_database)
    with at(COMMITS, unheard) as passed:
        ended(run)
    assert unheard.restarts == len(COMMITS)
    assert passed.count("in_remember") == run.pages, "none of them again"
    assert (run.state, run.read, run.accepted) == ("completed", 60, 60)
    if stream == "customer":
        sync("sale")
    agree(control)


def test_a_database_that_restarts_again_and_again_kills_no_worker_and_blames_no_record(
    load: Load, own_database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = load(people(30), invoices(15, 30), **SMALL)
    monkeypatch.setitem(settings.SYNC, "ATTEMPTS", 1)
    run = runs.start(flow(), ring=False)
    assert run is not None
    times = iter(range(5))

    def restart(name: str) -> None:
        if name == "after_take" and next(times, None) is not None:
            own_database.restart()

    monkeypatch.setattr(crashpoints, "_passing", restart)
    run = ended(run)
    assert (next(times, None), run.state, run.accepted, run.pages) == (None, "completed", 30, 4), run.message
    sync("sale")
    agree(control)


@pytest.mark.parametrize(("point", "arrived"), [("before_request", 0), ("after_request", 30)])
def test_where_nobody_waits_any_longer_the_next_worker_goes_on_and_nothing_left_meanwhile(
    load: Load,
    own_database: Server,
    monkeypatch: pytest.MonkeyPatch,
    django_user_model: type[User],
    point: str,
    arrived: int,
) -> None:
    control = load(people(30), invoices(15, 30))
    sync()
    for module, name in ((away, "PATIENCE"), (limits, "PATIENCE"), (endings, "BACK_WITHIN")):
        monkeypatch.setattr(module, name, 0.3)
    monkeypatch.setitem(settings.SYNC, "LEASE_SECONDS", 1)

    def stop(name: str) -> None:
        own_database.stop()
        time.sleep(0.6)  # the lease is sure for half its time

    run = runs.start(flow("sale"), ring=False)
    assert run is not None
    with at((point,), stop, times=1), pytest.raises(OperationalError):
        pipeline.work(run.pk)
    assert len(control.sales()) == arrived
    connections.close_all()
    own_database.start()
    SyncRun.objects.filter(pk=run.pk).update(lease_until=clock.now())
    run = ended(run)
    assert (run.state, run.accepted, run.unknown) == ("completed", 0, 30)
    assert killing.check_before_settling(control, flow("sale")) == 30
    killing.settle(control, flow("sale"), django_user_model.objects.create_user("night-shift"))
    sync("sale")
    assert killing.check_sales(control, flow("sale")) == 30


@pytest.mark.parametrize("how_far", ["takes it", "ends it"])
def test_answers_that_outlasted_the_lease_are_written_down_although_another_worker_has_the_run(
    load: Load, own_database: Server, monkeypatch: pytest.MonkeyPatch, how_far: str
) -> None:
    """The database is away for longer than a lease, and the worker that holds the answers is the second to see it."""
    control = load(people(30), invoices(15, 30), EMARSYS_SALES_BATCH="10")
    sync()
    monkeypatch.setitem(settings.SYNC, "LEASE_SECONDS", 1)
    run = runs.start(flow("sale"), ring=False)
    assert run is not None
    came_back, renews, faster = away.is_back, Lease._renew, list[threading.Thread]()

    def next_worker() -> None:
        wait_until(lambda: run.pk in runs.due(), 10)
        if how_far == "ends it":
            pipeline.work(run.pk)
            assert now(run).unknown == 30
        else:
            assert runs.take(run.pk) is not None

    def waits(seconds: float) -> bool:
        back = came_back(seconds)
        if not faster:
            faster.append(in_thread(next_worker))
            faster[0].join(60)
        return back

    def renewed_by_the_next_worker_alone(lease: Lease) -> bool:
        if lease.epoch == 1:
            raise OperationalError("It has not seen yet that the database is back.")
        return renews(lease)

    def gone(name: str) -> None:
        own_database.stop()
        monkeypatch.setattr(Lease, "_renew", renewed_by_the_next_worker_alone)
        threading.Timer(2 * settings.SYNC["LEASE_SECONDS"], own_database.start).start()

    monkeypatch.setattr(away, "is_back", waits)
    with at(("after_call",), gone, times=1):
        pipeline.work(run.pk)
    assert len(faster) == 1
    assert LedgerEntry.objects.filter(state="accepted").count() == 30
    assert len(control.sales()) == 30
    wait_until(lambda: how_far == "ends it" or run.pk in runs.due(), 10)
    run = ended(run)
    assert (run.state, run.unknown, run.unchanged, run.lost_writes) == (
        ("completed", 30, 0, 0) if how_far == "ends it" else ("completed", 0, 30, 0)
    )
    agree(control)


@pytest.mark.parametrize("stream", ["customer", "sale"])
def test_a_process_that_is_told_to_end_waits_for_no_database(
    load: Load, own_database: Server, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    load(people(60), invoices(30, 60), **SMALL)
    if stream == "sale":
        sync()
    monkeypatch.setattr(limits, "PATIENCE", 60)
    before = signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))

    def stop(name: str) -> None:
        own_database.stop()
        signal.setitimer(signal.ITIMER_REAL, 1)

    run = runs.start(flow(stream), ring=False)
    assert run is not None
    began = time.monotonic()
    try:
        with at(("after_request",), stop), pytest.raises(SystemExit):
            pipeline.work(run.pk)
    finally:
        signal.signal(signal.SIGALRM, before)
        connections.close_all()
        own_database.start()
    assert time.monotonic() - began < ENDS


def test_while_the_database_is_away_neither_turn_nor_lease_is_sure(
    load: Load, own_database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(people(1))
    monkeypatch.setitem(settings.SYNC, "LEASE_SECONDS", 1)
    monkeypatch.setattr(limits, "PATIENCE", 0.1)
    run = runs.start(flow(), ring=False)
    assert run is not None
    lease = runs.take(run.pk)
    assert lease is not None
    calls = limits.limits_for("emarsys")
    calls.acquire()
    own_database.stop()
    time.sleep(0.6)
    assert not lease.still_mine()
    assert not lease.is_lost, "nobody has taken it"
    with pytest.raises(NotSentError, match=r"does not answer\. Nothing is sent without it"):
        calls.acquire()
    calls.done(0.1)
    own_database.start()
    calls.acquire()
    database.close()
    assert lease.still_mine()


def test_an_action_on_many_exceptions_goes_on_after_a_restart(
    load: Load, own_database: Server, monkeypatch: pytest.MonkeyPatch, django_user_model: type[User]
) -> None:
    """The second chunk waits for a row that somebody holds, until the server is restarted."""
    load(people(1))
    monkeypatch.setattr(bulk, "CHUNK", 2)
    keys = [f"usmf|C-{n}" for n in range(5)]
    issues.raise_all(flow(), None, [issues.Finding("field_drift", key, "city", "City differs.") for key in keys])
    wanted = {"teams": ["marketing"], "filter": {}}
    operation = bulk.ask("retry", wanted, django_user_model.objects.create_superuser("night-shift"))
    with closing(psycopg.connect(own_database.url("console"))) as other:
        other.execute("SELECT 1 FROM sync_syncissue WHERE source_id = 'usmf|C-3' FOR UPDATE")
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        restart = threading.Thread(
            target=lambda: (wait_until(lambda: bool(own_database.sql(waiting)), 20), own_database.restart())
        )
        restart.start()
        bulk.run(operation.pk)
        restart.join()
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.message) == ("completed", 5, "")
    assert AuditEvent.objects.filter(action="retry", object_type="syncissue").count() == 5


def test_workers_and_beat_outlive_restarts_and_a_long_absence(
    load: Load, start: Started, own_database: Server, broker: ForgetfulBroker
) -> None:
    sizes = {"DYNAMICS365_PAGE_SIZE": "100", "EMARSYS_CONTACT_BATCH": "50", "EMARSYS_SALES_BATCH": "50"}
    control = load(people(2_000), invoices(600, 2_000), **sizes)
    control.fault("slow", system="emarsys", seconds=0.05, bytes_per_second=0, times=0)
    secret = (Path(os.environ.get("STATE_DIR") or "var") / "secret-key").read_text(encoding="utf-8")
    own = {"CELERY_BROKER_URL": broker.url, "SYNC_TICK_SECONDS": "1", "SECRET_KEY": secret}
    processes = [
        start(*CELERY, "worker", "--concurrency", "2", "--without-gossip", "--without-mingle", **own),
        start(*CELERY, "beat", "--pidfile=", "--schedule=", **own),
    ]
    wait_until(lambda: WorkerProcess.objects.count() == 2, 45, pause=0.1)

    customers = begun("customer")
    for number in range(3):
        pages = customers.pages
        wait_until(lambda: now(customers).pages > pages, 30)  # noqa: B023 - waited for here
        own_database.restart()
        print(f"Restart {number}: {now(customers).read} customers were read")
    wait_until(lambda: now(customers).state == "completed", 60, pause=0.1)

    sales = begun("sale")
    own_database.stop()
    gone = datetime.now(UTC)
    time.sleep(AWAY)
    assert [process.poll() for process in processes] == [None, None]
    late = [one for one in control("GET", "requests") if seconds_after(gone, one) > IN_FLIGHT]
    assert late == [], "without the database nobody knows whose a run is"
    own_database.start()
    assert now(sales).state in ("running", "waiting")
    wait_until(lambda: now(sales).state == "completed", 60, pause=0.1)

    agree(control)
    assert (now(customers).read, now(sales).read) == (2_000, 1_200)
    assert [process.poll() for process in processes] == [None, None]
    since = clock.now()
    wait_until(lambda: WorkerProcess.objects.filter(seen_at__gt=since).count() == 2, 20, pause=0.1)


def begun(stream: str) -> SyncRun:
    run = runs.start(flow(stream))
    assert run is not None
    wait_until(lambda: now(run).pages >= 2, 45)
    return run


def now(run: SyncRun) -> SyncRun:
    """Read anew, also while the server is just coming back."""
    for _ in range(100):
        try:
            run.refresh_from_db()
            return run
        except Error:
            database.close()
            time.sleep(0.1)
    raise AssertionError("the database did not come back")


def seconds_after(moment: datetime, request: dict[str, Any]) -> float:
    return (datetime.fromisoformat(request["at"]) - moment).total_seconds()
