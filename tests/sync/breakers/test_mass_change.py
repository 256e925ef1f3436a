"""A mass change stops before it leaves, stops its flow only, says why with numbers, and goes on when it is allowed."""

import threading
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.base import Effect
from sync import breakers, parts, pending, pipeline, runs
from sync.breaker_watch import Watch
from sync.management import foreground
from sync.models import AuditEvent, Breaker, Flow, SyncRun
from tests.sync.breakers.conftest import change, pages_of, run, stopped_by
from tests.sync.conftest import Load, buckets, in_thread, open_issues, people, sync, worked
from tests.sync.conftest import flow as named
from tests.sync.plain_systems import Erp, Platform, connect

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_mass_change_stops_before_the_first_of_it_leaves_and_goes_on_when_it_is_allowed(load: Load) -> None:
    crowd = people(260)
    esp = load(crowd)
    assert sync().state == "completed"
    watermark, other = named().watermark, named("sale")
    for n in range(1, 151):
        esp.customer(f"C-{n}", AddressCity="Elsewhere")
    esp.forget_requests()
    stopped = sync()
    assert stopped.state == "failed"
    assert esp.writes() == [], "nothing has left"
    assert named().watermark == watermark
    assert named().paused
    assert not other.paused, "another flow goes on"
    assert open_issues() == {("breaker_tripped", "", "mass_change")}
    cause = stopped_by(named()).cause
    assert (cause["numbers"]["seen"], cause["numbers"]["base"], cause["numbers"]["limit"]) == (150, 260, 100)
    assert cause["sent"] == "Nothing was sent by this run."
    assert cause["usual"] == "Usually 0 a run (the last completed run)."
    assert len(cause["examples"]) == breakers.EXAMPLES

    going_on = worked(breakers.resume_once(named(), "mass_change", None))
    assert (going_on.state, going_on.accepted, going_on.changes) == ("completed", 150, 150)
    assert sum("Elsewhere" in one.values() for one in esp.contacts().values()) == 150
    assert open_issues() == set()
    [event] = AuditEvent.objects.filter(action="resume and allow once")
    assert event.before == {"kind": "mass_change", "seen": 150, "limit": 100}

    for n in range(1, 151):
        esp.customer(f"C-{n}", AddressCity="Again elsewhere")
    assert sync().state == "failed", "it was allowed once"


def test_thirty_percent_are_noticed_on_the_first_page(
    monkeypatch: pytest.MonkeyPatch, customers: tuple[Flow, Erp, Platform]
) -> None:
    flow, erp, platform = customers
    breakers.edit(flow, "mass_change", on=True, percent=30, minimum=10, user=None)
    pages_of(monkeypatch, erp, 50, total=True)
    for row in erp.rows[::3]:
        row["city"] = "Elsewhere"
    assert run(flow).state == "failed"
    assert platform.sent == []
    numbers = stopped_by(flow).cause["numbers"]
    assert (numbers["seen"], numbers["projected"], numbers["limit"]) == (100, 133, 120)


def test_without_a_total_no_more_than_the_limit_leaves(
    monkeypatch: pytest.MonkeyPatch, customers: tuple[Flow, Erp, Platform]
) -> None:
    flow, erp, platform = customers
    pages_of(monkeypatch, erp, 40)
    change(erp, 400)
    stopped = run(flow)
    assert (stopped.state, stopped.changes, len(platform.sent)) == ("failed", 100, 100)
    cause = stopped_by(flow).cause
    assert cause["numbers"]["seen"] == 200
    assert cause["sent"] == "Sent already by this run, before it was noticed: 100 records, 100 of them changed."


def test_as_many_as_the_limit_may_change(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    change(erp, 100)
    assert run(flow).state == "completed"
    change(erp, 101, city="Third")
    assert run(flow).state == "failed"


def test_new_records_are_no_change(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    erp.rows += [{"key": f"n{n}", "account": f"n{n}"} for n in range(400)]
    done = run(flow)
    assert (done.state, done.accepted, done.changes) == ("completed", 400, 0)


def test_a_first_load_is_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": f"c{n}", "account": f"c{n}", "bad": n < 60} for n in range(100)]
    first = run(flow)
    assert (first.state, first.rejected) == ("completed", 60), "what an ERP really holds is seen in its first load"
    assert run(flow).state == "failed", "the same again is too much"


def test_a_backfill_is_exempt(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    change(erp, 400)
    assert run(flow, trigger="backfill").state == "completed"


def test_a_retry_of_what_did_not_change_is_no_change(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, platform = customers
    pending.note(flow, [row["key"] for row in erp.rows], "retry")
    assert run(flow, keys_only=True).state == "completed"
    assert len(platform.sent) == 400


def test_a_page_that_comes_twice_counts_once(
    monkeypatch: pytest.MonkeyPatch, customers: tuple[Flow, Erp, Platform]
) -> None:
    """The worker dies after the page's requests; all that it had claimed is claimed again, not added."""
    flow, erp, _ = customers
    change(erp, 60)
    with monkeypatch.context() as dying:
        dying.setattr("sync.slices.Slice._remember", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        started = runs.start(flow, ring=False)
        assert started is not None
        with pytest.raises(KeyboardInterrupt):
            pipeline.work(started.pk)
    started.refresh_from_db()
    assert started.claimed_changes == 60
    SyncRun.objects.filter(pk=started.pk).update(lease_until=started.queued_at)
    done = worked(started)
    assert (done.state, done.changes, done.claimed_changes) == ("completed", 60, 60)


def test_two_workers_of_one_run_do_not_both_pass_below_the_limit(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, _, _ = customers
    started = runs.start(flow, ring=False)
    assert started is not None
    lease = runs.take(started.pk)
    assert lease is not None
    passed, ready = [], threading.Barrier(6)

    def claim() -> None:
        from sync.delivery.page import Work

        watch = Watch(lease, route_of(flow))
        work = Work(watch.route, lease, (), 0, bytes, None, None, 1, print)
        ready.wait(10)
        for _ in range(10):
            if watch._claimed({"mass_change": 5}, work):
                passed.append(5)

    threads = [in_thread(claim) for _ in range(6)]
    for thread in threads:
        thread.join(20)
    started.refresh_from_db()
    assert sum(passed) == started.claimed_changes == 100


@pytest.mark.parametrize("limit", [50, 20])  # one part passes, two do not; each part alone is too much
def test_parts_side_by_side_stop_together_below_the_limit_and_go_on_when_it_is_allowed(
    load: Load, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    esp = load(people(90), DYNAMICS365_PAGE_SIZE="10")
    assert sync().state == "completed"
    for name, value in (("PARTS", 3), ("PART_RECORDS", 10)):
        monkeypatch.setitem(settings.SYNC, name, value)
    monkeypatch.setattr("sync.gathering.PATIENCE", 0.0)
    breakers.edit(named(), "mass_change", on=True, percent=1, minimum=limit, user=None)
    for n in range(1, 91):
        esp.customer(f"C-{n}", AddressCity="Elsewhere")
    esp.forget_requests()
    whole = sync(full=True)
    ready = threading.Barrier(3)

    def part_by(run: SyncRun) -> None:
        ready.wait(10)
        worked(run)

    threads = [in_thread(part_by, part) for part in parts.of(whole)]
    for thread in threads:
        thread.join(60)
    stopped = worked(whole)
    assert (stopped.state, stopped.divided) == ("failed", False), stopped.message
    states = [one["state"] for one in stopped.parts]
    assert (states.count("failed"), states.count("completed") <= 1) == (1, True), stopped.parts
    assert SyncRun.objects.filter(parent=stopped).count() == 0
    left = sum(write["records"] for write in esp.writes())
    assert sum("Elsewhere" in one.values() for one in esp.contacts().values()) == left <= limit
    assert (stopped.accepted, stopped.changes, stopped.claimed_changes) == (left, left, left)
    assert stopped.read == sum(buckets(stopped).values())
    [trip] = AuditEvent.objects.filter(action="trip breaker")
    assert trip.after["run"] == stopped.pk, "the run fails once"
    assert open_issues() == {("breaker_tripped", "", "mass_change")}

    going_on = foreground.until_done(breakers.resume_once(named(), "mass_change", None), lambda _: None)
    assert (going_on.state, going_on.accepted, going_on.unchanged) == ("completed", 90 - left, left), going_on.message
    assert not Breaker.objects.get().allowed_once
    assert open_issues() == set()


def route_of(flow: Flow) -> Any:
    from sync import flows

    return flows.open_route(flow, None, None)


def test_the_breakers_cost_one_query_a_page(
    monkeypatch: pytest.MonkeyPatch, customers: tuple[Flow, Erp, Platform]
) -> None:
    flow, erp, _ = customers
    pages_of(monkeypatch, erp, 100)
    breakers.edit(flow, "mass_change", on=True, percent=20, minimum=1_000, user=None)
    costs = []
    for trigger in ("manual", "backfill"):
        change(erp, 400, city=trigger)
        with CaptureQueriesContext(connection) as counted:
            assert run(flow, trigger=trigger).state == "completed"
        costs.append(len(counted))
    assert costs[0] - costs[1] <= 4 + 4, "one for each of four pages, and a few for the run"
