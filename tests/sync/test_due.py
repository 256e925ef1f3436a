"""A due time starts one run: whatever the number of bells, however late they are, on both days the clocks change."""

import threading
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import IntegrityError, connection, connections
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from sync import clock, due, duties, late, runs, schedules, tasks, watch
from sync.models import AuditEvent, Flow, FlowSchedule, SyncIssue, SyncRun
from sync.schedules import BUSINESS, COALESCE, DAILY, EVERY, QUEUE, SKIP, Schedule
from tests.admin import desk_records

LONDON = "Europe/London"
ZONES = [LONDON, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"]
IN_A_ZONE = st.sampled_from(ZONES)
SCHEDULES = st.one_of(
    st.builds(Schedule, st.just(EVERY), st.integers(1, 1440), zone=st.just(LONDON)),
    st.builds(Schedule, st.just(DAILY), at=st.builds(time, st.integers(0, 23), st.integers(0, 59)), zone=IN_A_ZONE),
    st.builds(Schedule, st.just(BUSINESS), zone=IN_A_ZONE),
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2019, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------------------------ the calendar


@effort(max_examples=150, deadline=None)
@given(SCHEDULES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_what_has_passed_and_what_comes_never_overlap_and_never_gap(
    schedule: Schedule, begun: datetime, on: timedelta
) -> None:
    now = begun + on
    coming = schedules.next_runs(schedule, 4, now, begun)
    assert coming == sorted(set(coming))
    assert coming[0] > now
    passed = schedules.latest(schedule, now, begun)
    assert passed is None or passed <= now
    for moment in coming:  # a second before it is still to come, a second after it is the newest that passed
        assert schedules.latest(schedule, moment, begun) == moment
        assert schedules.latest(schedule, moment - timedelta(seconds=1), begun) != moment


@effort(max_examples=100, deadline=None)
@given(st.times(), st.sampled_from(ZONES), st.datetimes(datetime(2020, 1, 2), datetime(2030, 12, 30)))
def test_a_daily_flow_has_one_start_for_every_local_day(at: time, zone: str, near: datetime) -> None:
    schedule = Schedule(DAILY, at=time(at.hour, at.minute), zone=zone)
    found = schedules.next_runs(schedule, 30, near.replace(tzinfo=UTC))
    gaps = {round((b - a) / timedelta(minutes=30)) / 2 for a, b in pairwise(found)}
    assert gaps <= {22.5, 23, 23.5, 24, 24.5, 25, 25.5}
    wall = [moment.astimezone(ZoneInfo(zone)) for moment in found]
    assert len({moment.date() for moment in wall}) == 30 or not all(
        (moment.hour, moment.minute) == (at.hour, at.minute) for moment in wall
    )


@pytest.mark.parametrize(
    ("day", "at", "start"),
    [
        ("2026-03-28", time(1, 30), "2026-03-28T01:30"),
        ("2026-03-29", time(1, 30), "2026-03-29T01:30"),  # does not exist: 02:30 BST
        ("2026-03-30", time(1, 30), "2026-03-30T00:30"),
        ("2026-10-24", time(1, 30), "2026-10-24T00:30"),
        ("2026-10-25", time(1, 30), "2026-10-25T00:30"),  # exists twice: the first
        ("2026-10-26", time(1, 30), "2026-10-26T01:30"),
        ("2028-02-29", time(1, 30), "2028-02-29T01:30"),
        ("2026-12-31", time(23, 59), "2026-12-31T23:59"),
        ("2027-01-01", time(0, 0), "2027-01-01T00:00"),
    ],
)
def test_exactly_one_daily_start_on_the_hard_days(day: str, at: time, start: str) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(LONDON))
    ends = (midnight + timedelta(days=1)).astimezone(UTC)
    found = schedules.next_runs(Schedule(DAILY, at=at, zone=LONDON), 3, midnight.astimezone(UTC) - timedelta(seconds=1))
    assert [moment for moment in found if moment < ends] == [utc(start)]


# -------------------------------------------------------------------------------------------------- decided and run


@pytest.fixture(autouse=True)
def nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.doorbell.send", lambda *_, **__: True)


@pytest.fixture
def the_clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The database's clock follows the travelled one."""
    with time_machine.travel(utc("2026-11-22T10:00:10"), tick=False) as machine:
        monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC))
        yield machine


def scheduled(schedule: Schedule) -> Flow:
    flow = desk_records.flow()
    schedules.write(flow, schedule)
    return flow


def looked() -> list[datetime]:
    """Every start so far, after another look."""
    due.start_all()
    return list(SyncRun.objects.order_by("due_at").values_list("due_at", flat=True))


def ended() -> None:
    SyncRun.objects.update(state="completed")


@pytest.mark.django_db
@pytest.mark.parametrize("begin", ["2026-03-28T12:00", "2026-10-24T12:00", "2028-02-28T12:00", "2026-12-31T12:00"])
def test_watched_through_a_hard_night_a_daily_flow_starts_once_and_a_frequent_one_every_half_hour(
    the_clock: Any, begin: str
) -> None:
    the_clock.move_to(utc(begin))
    scheduled(Schedule(DAILY, at=time(1, 30), zone=LONDON))
    schedules.write(desk_records.flow("sale"), Schedule(EVERY, 30))
    for _ in range(24 * 5):  # a look every twelve minutes: a slow watchdog
        due.start_all()
        ended()
        the_clock.shift(timedelta(minutes=12))
    assert SyncRun.objects.filter(flow__entity="customer").count() == 1
    starts = list(SyncRun.objects.filter(flow__entity="sale").order_by("due_at").values_list("due_at", flat=True))
    assert len(starts) == 47
    assert max(b - a for a, b in pairwise(starts)) <= timedelta(minutes=35)


@pytest.mark.django_db
def test_late_and_doubled_bells_start_nothing_else(the_clock: Any) -> None:
    flow = scheduled(Schedule(EVERY, 15))
    the_clock.shift(timedelta(minutes=15))
    for _ in range(3):
        tasks.start_flow(flow.name)
        ended()
    the_clock.shift(timedelta(minutes=7))  # the message of 10:15 comes again at 10:22
    tasks.start_flow(flow.name)
    assert looked() == [utc("2026-11-22T10:15")]


@pytest.mark.django_db
def test_the_database_refuses_a_second_run_of_a_due_time() -> None:
    flow, moment = desk_records.flow(), clock.now()
    SyncRun.objects.create(flow=flow, due_at=moment, state="completed")
    with pytest.raises(IntegrityError):
        SyncRun.objects.create(flow=flow, due_at=moment, state="completed")


@pytest.mark.django_db
def test_three_days_without_anybody_are_caught_up_once(the_clock: Any) -> None:
    scheduled(Schedule(EVERY, 15))
    the_clock.shift(timedelta(days=3, minutes=4))
    assert looked() == [utc("2026-11-25T10:00")]
    ended()
    assert len(looked()) == 1
    the_clock.shift(timedelta(minutes=12))
    assert looked()[1:] == [utc("2026-11-25T10:15")]


@pytest.mark.django_db
def test_missed_starts_can_be_left_out_and_the_flow_says_so(the_clock: Any) -> None:
    flow = scheduled(Schedule(DAILY, at=time(11, 0), zone="UTC", missed=SKIP))
    the_clock.shift(timedelta(hours=3))
    assert looked() == []
    assert "nobody was there" in FlowSchedule.objects.get(flow=flow).left_out_why
    the_clock.move_to(utc("2026-11-23T11:00:50"))
    assert looked() == [utc("2026-11-23T11:00")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rule", "begun", "after_it"),
    [
        (SKIP, True, []),
        (QUEUE, True, [utc("2026-11-22T10:30")]),
        (COALESCE, True, [utc("2026-11-22T10:45")]),
        (SKIP, False, []),
        (QUEUE, False, [utc("2026-11-22T10:30")]),
        (COALESCE, False, []),
    ],
)
def test_what_becomes_of_starts_during_a_run(the_clock: Any, rule: str, begun: bool, after_it: list[datetime]) -> None:
    flow = scheduled(Schedule(EVERY, 15, overlap=rule))
    the_clock.shift(timedelta(minutes=15))
    assert looked() == [utc("2026-11-22T10:15")]
    if begun:
        SyncRun.objects.update(state="running", started_at=clock.now())
    for _ in range(2):
        the_clock.shift(timedelta(minutes=15))
        assert len(looked()) == 1
    the_clock.shift(timedelta(minutes=5))
    ended()
    assert looked()[1:] == after_it
    ended()
    assert len(looked()) == 1 + len(after_it), "one after it, not one for each"
    assert bool(FlowSchedule.objects.get(flow=flow).left_out_why) == (not after_it)


@pytest.mark.django_db
def test_a_short_run_of_retries_swallows_no_start(the_clock: Any) -> None:
    flow = scheduled(Schedule(EVERY, 15, overlap=SKIP))
    SyncRun.objects.create(flow=flow, keys_only=True, state="running")
    the_clock.shift(timedelta(minutes=15))
    looked()
    ended()
    due.start_all()
    assert SyncRun.objects.filter(keys_only=False).get().due_at == utc("2026-11-22T10:15")


@pytest.mark.django_db
@pytest.mark.parametrize("rule", [SKIP, COALESCE])
def test_a_backfill_that_waits_for_a_worker_swallows_no_start(the_clock: Any, rule: str) -> None:
    flow = scheduled(Schedule(EVERY, 15, overlap=rule))
    SyncRun.objects.create(flow=flow, trigger="backfill", state="queued")
    the_clock.shift(timedelta(minutes=15))
    looked()
    ended()
    due.start_all()
    assert SyncRun.objects.exclude(trigger="backfill").get().due_at == utc("2026-11-22T10:15")


@pytest.mark.django_db
def test_a_pause_ends_by_itself_on_its_date_and_says_so(the_clock: Any) -> None:
    flow = scheduled(Schedule(EVERY, 15))
    runs.pause(flow, "price import", None, clock.now() + timedelta(hours=2))
    the_clock.shift(timedelta(hours=1))
    watch.look()
    assert not SyncRun.objects.exists()
    the_clock.shift(timedelta(hours=1, seconds=1))
    watch.look()
    watch.look()
    flow.refresh_from_db()
    assert (flow.paused, SyncRun.objects.count()) == (False, 1)
    told = AuditEvent.objects.filter(action="resume flow").get()
    assert (told.actor_name, told.reason) == ("system", "The date of its pause has come.")


@pytest.mark.django_db
def test_a_flow_that_does_not_start_raises_an_alarm_that_closes_itself(the_clock: Any) -> None:
    flow = scheduled(Schedule(EVERY, 15))
    the_clock.shift(timedelta(minutes=40))
    due.start_all()
    late.look()
    assert not SyncIssue.objects.exists(), "queued at 10:30, not yet two intervals ago"
    the_clock.shift(timedelta(minutes=6))
    for _ in range(2):
        late.look()
    alarm = SyncIssue.objects.get()
    assert (alarm.kind, alarm.state, alarm.occurrences) == ("flow_late", "open", 1)
    SyncRun.objects.update(state="running", started_at=clock.now())
    late.look()
    alarm.refresh_from_db()
    assert (alarm.state, alarm.flow_id) == ("resolved", flow.pk)


@pytest.mark.django_db
def test_a_clock_that_was_ahead_stops_nothing_once_it_is_right(the_clock: Any) -> None:
    scheduled(Schedule(EVERY, 15))
    the_clock.shift(timedelta(days=400))
    looked()
    ended()
    assert duties.turn("look", 15)
    the_clock.shift(timedelta(days=-400, minutes=16))
    looked()
    assert duties.turn("look", 15)
    the_clock.shift(timedelta(minutes=15))
    assert looked()[0] == utc("2026-11-22T10:30")


@pytest.mark.django_db(transaction=True)
def test_eight_watchdogs_at_once_start_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = scheduled(Schedule(EVERY, 1))
    long_ago = clock.now() - timedelta(minutes=3)
    FlowSchedule.objects.filter(flow=flow).update(counted_from=long_ago, decided_until=long_ago)
    together = threading.Barrier(8)

    def look() -> None:
        try:
            together.wait()
            due.start_all()
        finally:
            connections.close_all()

    watchers = [threading.Thread(target=look) for _ in range(8)]
    for one in watchers:
        one.start()
    for one in watchers:
        one.join(30)
    assert SyncRun.objects.count() == 1
    assert not connection.in_atomic_block


@pytest.mark.django_db
def test_one_of_many_watchdogs_looks_each_tick(the_clock: Any, settings: Any) -> None:
    settings.SYNC = settings.SYNC | {"TICK_SECONDS": 15}
    assert [watch.look_in_turn() for _ in range(3)] == [True, False, False]
    the_clock.shift(timedelta(seconds=15))
    assert watch.look_in_turn()


@pytest.mark.django_db
def test_a_duty_has_one_holder_and_passes_on_when_it_falls_silent(the_clock: Any) -> None:
    assert duties.take("beat", "a:1", 15)
    assert not duties.take("beat", "b:2", 15)
    the_clock.shift(timedelta(seconds=10))
    assert duties.take("beat", "a:1", 15)
    the_clock.shift(timedelta(seconds=14))
    assert (duties.take("beat", "b:2", 15), duties.holder("beat")) == (False, "a:1")
    the_clock.shift(timedelta(seconds=2))
    assert (duties.take("beat", "b:2", 15), duties.take("beat", "a:1", 15)) == (True, False)
