"""The shared budget: never above the limit in any window, however many workers there are and however they idle."""

import json
import os
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Allowance
from connectors.errors import UnavailableError
from sync import budget, limits, spending
from sync.budget import Budget
from sync.field_checks import offer
from sync.models import ApiBudget, ApiUsage, Flow
from tests.fault.conftest import environment
from tests.sync.conftest import Load, in_thread, people, sync


class Clock:
    """Time that passes only when somebody waits: this machine's and the database's, which need not agree."""

    def __init__(self) -> None:
        self.passed, self.wrong = 1_800_000_000.0, 0.0

    def time(self) -> float:
        return self.passed + self.wrong

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.passed, UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    passing = Clock()
    monkeypatch.setattr(budget, "time", passing)
    monkeypatch.setattr(budget, "clock", passing)
    return passing


def worker(per_minute: int, key: str = "esp", window: int = 60) -> Budget:
    return Budget(key, Allowance(per_minute * window // 60, window))


def most_in_a_window(calls: list[float], window: float = 60) -> int:
    return max((at + 1 - bisect_left(calls, moment - window + 1e-6) for at, moment in enumerate(calls)), default=0)


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 40), st.booleans(), st.sampled_from([0, 0, 0, 0.3, 5, 30, 61])),
    max_size=8,
)


@pytest.mark.django_db
@settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(per_minute=st.sampled_from([10, 60]), steps=STEPS)
def test_no_minute_has_more_calls_than_the_limit(
    clock: Clock, per_minute: int, steps: list[tuple[int, int, bool, float]]
) -> None:
    ApiBudget.objects.all().delete()
    workers = [worker(per_minute) for _ in range(3)]
    calls: list[float] = []
    for who, number, urgent, idle in steps:
        for _ in range(min(number, per_minute)):
            workers[who].acquire(urgent=urgent)
            calls.append(clock.passed)
        clock.passed += idle
    assert most_in_a_window(calls) <= per_minute


@pytest.mark.django_db
@pytest.mark.parametrize(("per_minute", "window"), [(10, 60), (250, 60), (60, 300)])
def test_full_speed_after_a_rest_stays_within_the_limit(clock: Clock, per_minute: int, window: int) -> None:
    """What workers had put by before the rest does not come on top."""
    workers = [worker(per_minute, window=window) for _ in range(3)]
    limit = workers[0].allowance.calls
    calls: list[float] = []
    for rest in (0, 59.5, 300):
        for one in workers:
            one.acquire()
            calls.append(clock.passed)
        clock.passed += rest
    for at in range(3 * limit):
        workers[at % 3].acquire()
        calls.append(clock.passed)
    assert most_in_a_window(calls, window) <= limit


@pytest.mark.django_db
def test_at_least_95_percent_of_the_budget_can_be_used(clock: Clock) -> None:
    mine = worker(1000)
    start = clock.passed
    for _ in range(2500):
        mine.acquire()
    assert 2500 / (clock.passed - start) * 60 > 950


@pytest.mark.django_db
def test_what_a_pause_left_unused_is_made_up_for_afterwards(clock: Clock) -> None:
    """A slow page or a commit that takes its time: the senders come late, and then all at once."""
    mine, start = worker(1000), clock.passed
    calls: list[float] = []
    while clock.passed - start < 300:
        for _ in range(20):
            mine.acquire()
            calls.append(clock.passed)
        clock.sleep(0.5)
    assert len(calls) / (clock.passed - start) * 60 > 950
    assert most_in_a_window(calls) <= 1000


@pytest.mark.django_db
def test_calls_that_come_in_bursts_are_booked_in_blocks(clock: Clock) -> None:
    """A page's requests leave together, and the next page's half a second later: asking the database for each of them
    made senders wait longer than for the target."""
    one = worker(1000)
    asked = []
    for _ in range(6):
        with CaptureQueriesContext(connection) as queries:
            for _ in range(10):
                one.acquire()
        asked.append(sum(query["sql"].startswith('UPDATE "sync_credential_budget"') for query in queries))
        clock.sleep(0.5)
    assert max(asked[1:]) <= 2, asked


@pytest.mark.django_db
def test_an_urgent_call_finds_room_while_bulk_takes_all_there_is(clock: Clock) -> None:
    """At any moment of two minutes, a whole wave of them."""
    bulk, waits = worker(1000), []
    for _ in range(2000):
        bulk.acquire()
        if int(clock.passed) % 7 == 0 and len(waits) < int(clock.passed - 1_800_000_000):
            asked = clock.passed
            worker(1000).acquire(urgent=True)
            waits.append(clock.passed - asked)
    assert len(waits) > 10
    assert max(waits) < 1


@pytest.mark.django_db
def test_a_budget_that_was_changed_in_the_settings_counts_at_once(clock: Clock) -> None:
    worker(1000).acquire()
    slow = worker(60)
    start = clock.passed
    for _ in range(120):
        slow.acquire()
    assert clock.passed - start > 55


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [0, 600, -600])
def test_nothing_left_means_that_nobody_calls_before_the_reset(clock: Clock, wrong: float) -> None:
    clock.wrong = wrong
    one, other = worker(1000), worker(1000)
    one.acquire()
    one.observe(1000, 0, clock.time() + 20)
    start = clock.passed
    other.acquire(urgent=True)
    assert 20 <= clock.passed - start < 21


@pytest.mark.django_db
def test_little_left_is_for_urgent_calls(clock: Clock) -> None:
    one, other = worker(1000), worker(1000)
    one.observe(1000, 5, clock.time() + 20)
    start = clock.passed
    other.acquire(urgent=True)
    assert clock.passed == start
    other.acquire()
    assert clock.passed - start >= 20


@pytest.mark.django_db
def test_a_refusal_stops_every_worker_and_is_counted(clock: Clock) -> None:
    one, other = worker(1000), worker(1000)
    for each in (one, other):
        each.acquire()
    one.refused(30)
    start = clock.passed
    one.acquire()
    assert clock.passed - start >= 30
    assert ApiBudget.objects.get().refused == 1


@pytest.mark.django_db
def test_a_lower_limit_that_the_system_states_is_obeyed_and_a_higher_one_is_not(clock: Clock) -> None:
    mine = worker(1000)
    mine.observe(200, 199, clock.time() + 60)
    start = clock.passed
    for _ in range(400):
        mine.acquire()
    assert clock.passed - start > 58
    mine.observe(5000, 4999, clock.time() + 60)
    assert ApiBudget.objects.get().told_limit == 0


@pytest.mark.django_db
def test_a_wait_of_more_than_a_minute_is_left_to_the_run(clock: Clock) -> None:
    mine = worker(1000)
    mine.refused(300)
    with pytest.raises(UnavailableError) as error:
        mine.acquire()
    assert 299 <= (error.value.retry_after or 0) <= 301


@pytest.mark.django_db
def test_the_systems_own_work_is_a_budget_as_well(clock: Clock) -> None:
    """20 minutes of work in five: after two calls of ten minutes each there is room for no third."""
    slow = Budget("dv", Allowance(6000, 300, busy=1200))
    for _ in range(2):
        slow.acquire()
        slow.done(600)
        clock.passed += 1
    with pytest.raises(UnavailableError):
        slow.acquire()


@pytest.mark.django_db
def test_a_seat_of_a_worker_that_died_comes_free(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Budget, "_start_beating", lambda self: None)  # what keeps a seat dies with its process
    dead, alive = Budget("erp", Allowance(at_once=1)), Budget("erp", Allowance(at_once=1))
    dead.acquire()
    start = clock.passed
    alive.acquire()
    assert 25 < clock.passed - start < 35
    alive.done(1)
    start = clock.passed
    Budget("erp", Allowance(at_once=1)).acquire()
    assert clock.passed - start < 0.5


@pytest.mark.django_db(transaction=True)
def test_only_so_many_calls_run_at_a_time() -> None:
    running: list[int] = []
    most = 0

    def work() -> None:
        nonlocal most
        mine = Budget("erp", Allowance(at_once=2))
        for _ in range(3):
            mine.acquire()
            running.append(1)
            most = max(most, len(running))
            time.sleep(0.03)
            running.pop()
            mine.done(0.03)

    threads: list[threading.Thread] = [in_thread(work) for _ in range(4)]
    for thread in threads:
        thread.join(20)
    assert most == 2


WORKER = """
import json, sys, time
import django
django.setup()
from connectors.base import Allowance
from sync.budget import Budget
from sync.field_checks import offer
budget, calls = Budget("esp", Allowance(120, 2)), []
ends = time.time() + 5
while time.time() < ends:
    budget.acquire()
    calls.append(time.time())
print(json.dumps(calls))
"""


@pytest.mark.django_db(transaction=True)
def test_processes_share_one_budget_exactly() -> None:
    """Three of them for five seconds: in no window of two seconds more than 120, and most of what there is."""
    names = environment(DJANGO_SETTINGS_MODULE="integration_console.settings")
    started = [
        subprocess.Popen([sys.executable, "-c", WORKER], env=names, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    calls = sorted(moment for one in started for moment in json.loads(one.communicate(timeout=60)[0]))
    assert most_in_a_window(calls, 2) <= 120
    assert len(calls) > 150


@pytest.mark.django_db(transaction=True)
def test_every_call_to_emarsys_is_counted_by_flow(load: Load) -> None:
    control = load(people(5))
    sync()
    asked = [one for one in control.requests() if "/oauth2/" not in one["path"]]
    row = ApiBudget.objects.get(connections="emarsys")
    assert row.calls >= len(asked) > 0
    assert set(ApiUsage.objects.filter(budget=row).values_list("flow", flat=True)) == {"dynamics365.customer"}


@pytest.mark.django_db(transaction=True)
def test_what_a_person_asks_at_a_screen_is_counted_and_goes_first(load: Load) -> None:
    control = load(people(5))
    sync()
    control.forget_requests()
    before = ApiBudget.objects.get(connections="emarsys").calls
    flow = Flow.objects.get(name="dynamics365.customer")
    offer(flow)
    tested = Client()
    tested.force_login(User.objects.create_superuser("ada"))
    assert tested.post("/console/connections/emarsys/test/").status_code == 200
    asked = [one for one in control.requests() if "/oauth2/" not in one["path"]]
    usage = ApiUsage.objects.filter(budget__connections="emarsys", flow=limits.NOBODY)
    assert len(asked) >= 2, asked
    assert ApiBudget.objects.get(connections="emarsys").calls - before >= len(asked)
    assert sum(one.urgent for one in usage) >= len(asked)


@pytest.fixture
def two_names(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(1))
    for name in ("URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"SECOND_{name}", os.environ[f"EMARSYS_{name}"])
    monkeypatch.setenv("SECOND_CONNECTOR", "emarsys")
    monkeypatch.setenv("CONNECTIONS", "dynamics365,emarsys,second")


@pytest.mark.usefixtures("two_names")
def test_two_connections_with_one_credential_have_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(name: str) -> str:
        made: Any = limits.limits_for(name).budget
        return str(made.key)

    assert key("emarsys") == key("second") != key("dynamics365")
    monkeypatch.setenv("SECOND_CLIENT_SECRET", "another")
    assert key("emarsys") == key("second"), "the secret is no part of it"
    monkeypatch.setenv("SECOND_CLIENT_ID", "another")
    assert key("emarsys") != key("second")


@pytest.mark.django_db(transaction=True)
def test_what_is_used_is_shown_with_its_flow(load: Load) -> None:
    load(people(5))
    sync()
    line = next(one for one in spending.lines() if one.budget.connections == "emarsys")
    assert line.used == line.budget.calls > 0
    assert dict(line.flows) == {"dynamics365.customer": line.used}
    assert line.told()["what_to_do"] == "Nothing."
    assert sum(bar.calls for bar in line.bars) == line.used


@pytest.mark.django_db
def test_an_urgent_call_goes_through_when_bulk_has_used_all_it_may(clock: Clock) -> None:
    bulk = worker(200)
    for _ in range(200 - budget.reserve(200)):
        bulk.acquire()
    start = clock.passed
    worker(200).acquire(urgent=True)
    assert clock.passed - start < 1


class Full(Exception):
    """The flood would have to wait."""


class Flooded(Clock):
    """While anybody else waits, urgent calls take whatever they may."""

    def __init__(self) -> None:
        super().__init__()
        self.flooding: Budget | None = None
        self.rushed: list[float] = []
        self._taking = False

    def sleep(self, seconds: float) -> None:
        if self._taking:
            raise Full
        ends = self.passed + seconds
        while self.passed < ends:
            self.passed = min(ends, self.passed + 0.1)
            self.flood()

    def flood(self) -> None:
        self._taking = True
        try:
            while self.flooding:
                self.flooding.acquire(urgent=True)
                self.rushed.append(self.passed)
        except (Full, UnavailableError):
            pass
        finally:
            self._taking = False


@pytest.mark.django_db
@pytest.mark.parametrize(("per_minute", "window"), [(100, 60), (1000, 60), (60, 300)])
def test_a_flood_of_urgent_calls_leaves_a_little_to_the_others(
    monkeypatch: pytest.MonkeyPatch, per_minute: int, window: int
) -> None:
    """Opt-outs are no urgent calls: they must not wait for ever."""
    clock = Flooded()
    monkeypatch.setattr(budget, "time", clock)
    monkeypatch.setattr(budget, "clock", clock)
    flood, bulk = worker(per_minute, window=window), worker(per_minute, window=window)
    clock.flooding = flood
    for _ in range(20 * window):
        clock.sleep(0.1)
    began, calls = clock.passed, []
    while clock.passed - began < 3 * window:
        try:
            bulk.acquire()
            calls.append(clock.passed)
        except UnavailableError:  # the run waits, and comes again
            clock.sleep(1)
    limit = flood.allowance.calls
    share = [moment for moment in clock.rushed if moment >= began]
    assert len(calls) >= 2 * (limit // 50), "in three windows"
    assert len(share) > 0.9 * 2 * limit, "the flood goes first all the same"
    assert most_in_a_window(sorted(calls + clock.rushed), window) <= limit
