"""A run's life: one at a time, under a lease, ending in good order, going on after whatever happened."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sync import clock, endings, pipeline, runs, schedules, slices, tasks
from sync.gathering import Unit
from sync.models import Flow, FlowSchedule, PendingKey, SyncIssue, SyncRun
from sync.schedules import Schedule
from sync.senders import Senders
from sync.slices import Slice
from tests.sync.conftest import (
    Load,
    buckets,
    flow,
    goes_on,
    in_thread,
    open_issues,
    people,
    sync,
    wait_until,
    worked,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(transactional_db: None) -> User:
    return User.objects.create_user("operator")


def started(**options: Any) -> SyncRun:
    run = runs.start(flow(), ring=False, **options)
    assert run is not None
    return run


def expired(run: SyncRun) -> None:
    """The worker died and its lease ran out."""
    SyncRun.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))


def test_two_who_start_a_flow_at_once_get_one_run(load: Load) -> None:
    load(people(1))
    threads = [in_thread(lambda: runs.start(flow(), ring=False)) for _ in range(4)]
    for thread in threads:
        thread.join(20)
    assert SyncRun.objects.count() == 1


def test_two_beats_start_one_run_of_a_due_time(load: Load) -> None:
    load(people(1))
    schedules.write(flow(), Schedule(minutes=5))
    before = timezone.now() - timedelta(minutes=6)
    FlowSchedule.objects.update(counted_from=before, decided_until=before)
    threads = [in_thread(tasks.start_flow, "dynamics365.customer") for _ in range(2)]
    for thread in threads:
        thread.join(20)
    assert SyncRun.objects.count() == 1


def test_a_due_time_that_had_its_run_gets_no_second_one(load: Load) -> None:
    load(people(1))
    due = timezone.now().replace(second=0, microsecond=0)
    assert worked(started(due_at=due, trigger="schedule")).state == "completed"
    assert runs.start(flow(), due_at=due, trigger="schedule") is None
    assert SyncRun.objects.count() == 1


def test_a_comparison_runs_beside_a_sync(load: Load) -> None:
    load(people(1))
    assert started().pk != started(kind="compare").pk


def test_the_second_worker_leaves_without_a_request(load: Load) -> None:
    control = load(people(3))
    run = started()
    with runs.take(run.pk):
        control.forget_requests()
        assert worked(run).state == "running"
        assert control("GET", "requests") == []
        assert run.epoch == 1


def test_two_workers_on_one_message_send_everything_once(load: Load) -> None:
    control = load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = started()
    threads = [in_thread(pipeline.work, run.pk) for _ in range(2)]
    for thread in threads:
        thread.join(30)
    run.refresh_from_db()
    assert (run.state, buckets(run), len(control.writes())) == ("completed", {"accepted": 30}, 3)


def test_a_worker_that_lost_its_lease_cannot_commit(load: Load) -> None:
    load(people(3))
    run = started()
    zombie = runs.take(run.pk)
    assert zombie is not None
    expired(run)
    assert worked(run).state == "completed"
    assert run.epoch == 2
    with pytest.raises(runs.LeaseLostError):
        zombie.change(read=99)
    with pytest.raises(runs.LeaseLostError):
        runs.finish(zombie, runs.RunState.FAILED, "I know better")
    run.refresh_from_db()
    assert (run.state, run.read) == ("completed", 3)
    assert not zombie.still_mine()


def test_what_a_frozen_worker_sent_after_losing_its_lease_is_sent_again(
    load: Load, settings: Any, rung: list[int]
) -> None:
    control = load(people(3))
    settings.SYNC = settings.SYNC | {"LEASE_SECONDS": 1.2}
    run = started()
    control.fault("slow", system="emarsys", method="PUT", path="/contact/", seconds=2.5)
    frozen = in_thread(pipeline.work, run.pk)
    wait_until(lambda: bool(control("GET", "faults")[0]["struck"]))
    expired(run)
    second = runs.take(run.pk)
    assert second is not None
    frozen.join(20)
    assert set(PendingKey.objects.values_list("key", "reason")) == {(f"usmf|C-{n}", "lost_lease") for n in (1, 2, 3)}
    expired(run)
    control.customer("C-1", AddressCity="York")
    run = worked(run)
    assert (run.state, PendingKey.objects.count()) == ("completed", 0)
    assert control.contacts()["C-1"]["11"] == "York"


def test_a_crashed_run_goes_on_in_the_same_row_from_its_resume_point(load: Load) -> None:
    control = load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = worked(started(), seconds=0)
    assert (run.state, run.pages, run.attempt) == ("running", 1, 0)
    assert runs.take(run.pk) is not None
    expired(run)
    assert runs.due() == [run.pk]
    control.forget_requests()
    run = worked(run)
    assert (run.state, run.epoch, buckets(run)) == ("completed", 3, {"accepted": 30})
    assert sum(one["records"] for one in control.requests(path="CustomersV3", system="dynamics365")) == 20
    assert len(control.all_contacts()) == 30


def test_what_a_crash_lets_come_twice_is_counted_once(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten of a page went out, two were carried; the pages come again, and every record has one bucket."""
    control = load(people(36), DYNAMICS365_PAGE_SIZE="12", EMARSYS_CONTACT_BATCH="10")
    run = started()
    lease = runs.take(run.pk)
    assert lease is not None
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "_stop_asked", stopping_after(2))
        with lease, pytest.raises(KeyboardInterrupt):
            pipeline._slice(lease, None)
    run.refresh_from_db()
    assert (run.read, run.resume, run.since_resume["read"]) == (20, "", 20)
    expired(run)
    run = worked(run)
    assert (run.state, run.read, run.accepted + run.unchanged) == ("completed", 36, 36)
    assert len(control.all_contacts()) == 36


def stopping_after(calls: int) -> Callable[[object], bool]:
    """Stands for a worker that dies at its n-th page boundary."""
    left = iter(range(calls))

    def asked(_: object) -> bool:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return False

    return asked


def test_after_three_crashes_a_run_goes_on_in_small_portions(load: Load) -> None:
    load(people(3))
    run = started()
    for _ in range(3):
        assert runs.take(run.pk) is not None
        expired(run)
    run = worked(run)
    assert (run.state, run.read, run.accepted) == ("completed", 3, 3)


def test_a_run_that_kills_its_worker_before_any_record_is_lost_and_says_so(load: Load) -> None:
    control = load(people(3))
    run = started()
    for _ in range(9):
        assert runs.take(run.pk) is not None
        expired(run)
    control.forget_requests()
    run = worked(run)
    assert (run.state, control("GET", "requests")) == ("lost", [])
    assert {kind for kind, _, _ in open_issues()} == {"run_lost"}
    assert sync().state == "completed"
    assert open_issues() == set()


def test_a_defect_leaves_the_run_to_the_next_worker(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(3))
    run = started()
    with monkeypatch.context() as patch:
        patch.setattr(slices, "BY_EFFECT", {})
        with pytest.raises(KeyError):
            pipeline.work(run.pk)
    assert runs.due() == [run.pk]
    assert worked(run).state == "completed"


def test_a_cancelled_run_stops_after_its_page_and_keeps_what_it_did(load: Load, operator: User) -> None:
    control = load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = worked(started(), seconds=0)
    runs.cancel(run, operator)
    run = worked(run)
    assert (run.state, buckets(run)) == ("cancelled", {"accepted": 10})
    assert len(control.all_contacts()) == 10
    assert buckets(sync()) == {"accepted": 20, "unchanged": 10}


def test_a_cancelled_run_that_nobody_works_on_ends_at_once(load: Load, operator: User) -> None:
    control = load(people(3))
    run = started()
    runs.cancel(run, operator)
    assert worked(run).state == "cancelled"
    assert control.writes() == []


def test_a_cancelled_run_whose_worker_died_ends_also_while_its_flow_is_paused(load: Load, operator: User) -> None:
    load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = worked(started(), seconds=0)
    runs.take(run.pk)
    runs.pause(flow(), "Emarsys maintenance", operator)
    expired(run)
    assert runs.due() == [], "the flow is paused"
    runs.cancel(run, operator)
    for due in runs.due():
        pipeline.work(due)
    run.refresh_from_db()
    assert (run.state, run.accepted) == ("cancelled", 10)


def test_a_paused_flow_stops_after_its_page_and_goes_on_when_resumed(load: Load, operator: User) -> None:
    control = load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = worked(started(), seconds=0)
    runs.pause(flow(), "Emarsys maintenance", operator)
    run = worked(run)
    assert (run.state, run.accepted, "Emarsys maintenance" in run.message) == ("waiting", 10, True)
    assert runs.due() == []
    assert runs.start(flow(), trigger="schedule") is None
    runs.resume(flow(), operator)
    assert runs.due() == [run.pk]
    assert buckets(worked(run)) == {"accepted": 30}
    assert len(control.all_contacts()) == 30


def test_a_paused_flow_sends_no_retried_record_either(load: Load, operator: User) -> None:
    from sync import pending

    control = load(people(3))
    sync()
    control.forget_requests()
    pending.ask(flow(), ["usmf|C-1"], "retry")
    runs.pause(flow(), "Emarsys maintenance", operator)  # before a worker has heard of it
    assert worked(SyncRun.objects.get(keys_only=True)).state == "waiting"
    assert control.writes() == []
    runs.resume(flow(), operator)
    assert worked(SyncRun.objects.get(keys_only=True)).state == "completed"
    assert len(control.writes()) == 1


def test_a_run_waits_while_a_system_is_away_and_goes_on_by_itself(load: Load) -> None:
    control = load(people(3))
    control.fault("status", system="dynamics365", path="/data/", code=503, times=0)
    run = sync()
    assert (run.state, run.failures) == ("waiting", 1)
    assert run.wait_until is not None
    assert open_issues() == {("run_unavailable", "", "")}
    assert worked(run).state == "waiting", "its time has not come"
    assert goes_on(run).failures == 2
    assert SyncIssue.objects.get().occurrences == 2
    control.heal()
    run = goes_on(run)
    assert (run.state, buckets(run), run.failures) == ("completed", {"accepted": 3}, 0)
    assert open_issues() == set()


def test_a_run_waits_as_long_as_the_system_asks_for(load: Load) -> None:
    control = load(people(3))
    control.fault("throttle", system="dynamics365", path="/data/", retry_after=400)
    run = sync()
    assert run.wait_until is not None
    assert 390 < (run.wait_until - timezone.now()).total_seconds() < 401


def test_a_system_that_stays_away_fails_the_run_in_the_end(load: Load) -> None:
    control = load(people(3))
    control.fault("status", system="dynamics365", path="/data/", code=503, times=0)
    run = sync()
    for _ in endings.WAITS:
        run = goes_on(run)
    assert (run.state, run.accepted) == ("failed", 0)
    assert "Given up after 7 attempts" in run.message
    assert Flow.objects.get(pk=run.flow_id).watermark == ""


def test_refused_credentials_fail_the_run_and_name_the_remedy(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(3), DYNAMICS365_CLIENT_SECRET="wrong")
    run = sync()
    assert (run.state, {kind for kind, _, _ in open_issues()}) == ("failed", {"run_configuration"})
    assert "wrong" not in run.message + str(SyncIssue.objects.get().details)


def test_a_missing_setting_fails_the_run_with_its_name(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(3))
    monkeypatch.delenv("EMARSYS_CLIENT_SECRET")
    run = sync()
    assert run.state == "failed"
    assert "EMARSYS_CLIENT_SECRET" in run.message


def test_a_long_run_is_done_in_slices(load: Load, rung: list[int]) -> None:
    control = load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = started()
    slices = 0
    while run.active:
        run = worked(run, seconds=0)
        slices += 1
    assert (run.state, buckets(run)) == ("completed", {"accepted": 30})
    assert rung == [run.pk] * (slices - 1)
    assert slices >= 3
    assert len(control.writes()) == 3


def test_the_watermark_moves_with_a_completed_run_only(load: Load) -> None:
    from tests.sync.conftest import invoice

    control = load(people(1), [invoice("SO-1", "C-1", ("A", "1", "1.00"), day="2026-03-05")])
    sync()
    control.fault("status", system="emarsys", path="/sales-data/", code=401, times=0)
    assert sync("sale").state == "failed"
    assert flow("sale").watermark == ""
    control.heal()
    assert sync("sale").state == "completed"
    assert flow("sale").watermark == "2026-03-05"


def test_a_slice_ends_where_the_next_one_goes_on(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that fill no request are carried to the next page, and the resume point waits for them. A slice whose time
    is over in between would be read again from there: a long load took back a sixth of its work every minute."""
    load(people(40), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="4")
    run = started()
    whole = Slice.whole

    def slow(slice_: Slice, unit: Unit) -> None:
        whole(slice_, unit)
        passing.seconds += 61

    class Passing:
        seconds = 0.0

        def monotonic(self) -> float:
            return self.seconds

    passing = Passing()
    monkeypatch.setattr(Slice, "whole", slow)
    monkeypatch.setattr(pipeline, "time", passing)
    for _ in range(10):
        run = worked(run, seconds=60)
        if run.state == "completed":
            break
        assert run.since_resume == {}, "the next slice would begin before its rows"
    assert (run.state, run.read, run.accepted) == ("completed", 40, 40)


def test_with_two_pages_under_way_what_fails_lets_nothing_behind_it_count(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a slow target: the second page is not remembered where the first could not be."""
    monkeypatch.setattr(Senders, "worth_gathering", 2)
    control = load(people(200), DYNAMICS365_PAGE_SIZE="20", EMARSYS_CONTACT_BATCH="10")
    control.fault("status", system="emarsys", method="PUT", path="/contact/", code=503, after=6, times=12)
    run = sync()
    for _ in range(12):
        assert run.read == sum(buckets(run).values())
        if run.state != "waiting":
            break
        run = goes_on(run)
    assert (run.state, run.read) == ("completed", 200), run.message
    assert len(control.all_contacts()) == 200
    assert {one["1"] for one in control.contacts().values()} == {f"First{n}" for n in range(1, 201)}
