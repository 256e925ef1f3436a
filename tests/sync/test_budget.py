"""The shared budget: never above the limit in any minute, however many workers there are and however they idle."""

import threading
import time
from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import UnavailableError
from sync import budget
from sync.budget import Budget
from sync.models import ApiBudget
from tests.sync.conftest import Load, in_thread, people, sync


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    passing = Clock()
    monkeypatch.setattr(budget, "time", passing)
    return passing


def most_in_a_minute(calls: list[float]) -> int:
    return max((at + 1 - bisect_left(calls, moment - 60 + 1e-6) for at, moment in enumerate(calls)), default=0)


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 60), st.sampled_from([0, 0, 0, 0.3, 5, 30, 61])), max_size=25
)


@pytest.mark.django_db
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(per_minute=st.sampled_from([10, 60, 250]), steps=STEPS)
def test_no_minute_has_more_calls_than_the_limit(
    clock: Clock, per_minute: int, steps: list[tuple[int, int, float]]
) -> None:
    ApiBudget.objects.all().delete()
    workers = [Budget("esp", per_minute) for _ in range(3)]
    calls: list[float] = []
    for who, number, idle in steps:
        for _ in range(min(number, per_minute)):
            workers[who].acquire()
            calls.append(clock.now)
        clock.now += idle
    assert most_in_a_minute(calls) <= per_minute


@pytest.mark.django_db
@pytest.mark.parametrize("per_minute", [10, 60, 250, 1000])
def test_full_speed_after_a_rest_stays_within_the_limit(clock: Clock, per_minute: int) -> None:
    """What workers had put by before the rest does not come on top."""
    workers = [Budget("esp", per_minute) for _ in range(3)]
    calls: list[float] = []
    for rest in (0, 59.5, 300):
        for worker in workers:
            worker.acquire()
            calls.append(clock.now)
        clock.now += rest
    for at in range(3 * per_minute):
        workers[at % 3].acquire()
        calls.append(clock.now)
    assert most_in_a_minute(calls) <= per_minute


@pytest.mark.django_db
def test_most_of_the_budget_can_be_used(clock: Clock) -> None:
    worker = Budget("esp", 1000)
    start = clock.now
    for _ in range(5000):
        worker.acquire()
    assert 5000 / (clock.now - start) * 60 > 850


@pytest.mark.django_db
def test_a_budget_that_was_changed_in_the_settings_counts_at_once(clock: Clock) -> None:
    Budget("esp", 1000)
    slow = Budget("esp", 60)
    start = clock.now
    for _ in range(120):
        slow.acquire()
    assert clock.now - start > 55


@pytest.mark.django_db
def test_nothing_left_means_that_nobody_calls_before_the_reset(clock: Clock) -> None:
    one, other = Budget("esp", 1000), Budget("esp", 1000)
    one.acquire()
    one.observe(1000, 0, clock.now + 20)
    start = clock.now
    other.acquire()
    assert clock.now - start >= 20


@pytest.mark.django_db
def test_a_wait_of_more_than_a_minute_is_left_to_the_run(clock: Clock) -> None:
    worker = Budget("esp", 1000)
    worker.observe(1000, 0, clock.now + 300)
    with pytest.raises(UnavailableError) as error:
        worker.acquire()
    assert 299 <= (error.value.retry_after or 0) <= 301


@pytest.mark.django_db(transaction=True)
def test_workers_on_connections_of_their_own_share_one_row() -> None:
    taken: list[float] = []

    def work() -> None:
        mine = Budget("esp", 6000)
        for _ in range(100):
            mine.acquire()
            taken.append(time.monotonic())

    threads: list[threading.Thread] = [in_thread(work) for _ in range(3)]
    for thread in threads:
        thread.join(20)
    assert len(taken) == 300
    assert ApiBudget.objects.get(connection="esp").calls == 300


@pytest.mark.django_db(transaction=True)
def test_every_call_to_emarsys_is_counted(load: Load, settings: Any) -> None:
    control = load(people(5))
    sync()
    asked = [one for one in control.requests() if "/oauth2/" not in one["path"]]
    assert ApiBudget.objects.get(connection="emarsys").calls >= len(asked) > 0
