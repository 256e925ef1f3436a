"""Breakers trip before anything leaves, stop their flow only, say why with numbers, and allow their cause once."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.base import Effect, Page
from sync import breakers, parts, pending, pipeline, runs
from sync.breaker_watch import Watch
from sync.management import foreground
from sync.models import AuditEvent, Breaker, CrossReference, Flow, ProductFeed, SyncIssue, SyncRun
from tests.sync.conftest import Load, buckets, in_thread, open_issues, people, sync, worked
from tests.sync.conftest import flow as named
from tests.sync.plain_systems import Erp, Platform, connect
from tests.sync.test_other_ways import confirm, product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def customers(monkeypatch: pytest.MonkeyPatch) -> tuple[Flow, Erp, Platform]:
    """Four hundred customers, loaded once."""
    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": f"c{n}", "account": f"c{n}"} for n in range(400)]
    assert run(flow).state == "completed"
    platform.sent.clear()
    return flow, erp, platform


def run(flow: Flow, **options: Any) -> SyncRun:
    flow.refresh_from_db()
    started = runs.start(flow, ring=False, **options)
    assert started is not None
    return worked(started)


def pages_of(monkeypatch: pytest.MonkeyPatch, erp: Erp, size: int, *, total: bool = False) -> None:
    """The source gives its rows in pages, each a unit of work of its own."""

    def read(stream: str, since: str, resume: str = "") -> Iterator[Page]:
        rows = [msgspec.json.encode(row) for row in erp.rows]
        start = int(resume or 0)
        for first in range(start, len(rows), size):
            last = first + size >= len(rows)
            counted = len(rows) - start if total else None
            yield Page(rows[first : first + size], str(first + size), "w" if last else None, counted)

    monkeypatch.setattr(erp, "read", read)
    monkeypatch.setattr("sync.gathering.PATIENCE", 0.0)


def change(erp: Erp, number: int, **values: Any) -> None:
    for row in erp.rows[:number]:
        row |= values or {"city": "Elsewhere"}


def stopped_by(flow: Flow) -> Breaker:
    flow.refresh_from_db()
    found = breakers.tripped(flow)
    assert found is not None
    return found


# ------------------------------------------------------------------------------------------------ mass change


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
        work = Work(watch.route, lease, (), 0, bytes, None, None, 1, print)  # type: ignore[arg-type]
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

    return flows.open_route(flow, None, None)  # type: ignore[arg-type]


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


# ------------------------------------------------------------------------------------------------ deactivation, opt-out


def test_a_mass_deactivation_closes_no_link(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    erp.rows[:30] = [{"key": f"c{n}", "gone": "archived"} for n in range(30)]
    assert run(flow).state == "failed"
    assert CrossReference.objects.filter(flow=flow, state="active").count() == 400
    assert open_issues() == {("breaker_tripped", "", "mass_deactivation")}
    done = worked(breakers.resume_once(flow, "mass_deactivation", None))
    assert (done.state, done.deactivations) == ("completed", 30)
    assert CrossReference.objects.filter(flow=flow, state="archived").count() == 30


def test_customers_put_on_hold_are_deactivated(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, platform = customers
    change(erp, 25, on_hold=True)
    assert run(flow).state == "failed"
    assert platform.sent == []
    assert stopped_by(flow).kind == "mass_deactivation"


def test_a_mass_opt_out_waits_and_none_of_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer")
    parent = Flow.objects.create(name="erp.customer", source="erp", stream="customer", target="platform",
                                 entity="customer")  # fmt: skip
    confirm(parent, **{f"c{n}": f"c{n}" for n in range(100)})
    erp.rows = [{"key": f"c{n}", "customer": f"c{n}", "given": "yes", "evidence": "form"} for n in range(100)]
    assert run(flow).accepted == 100
    platform.sent.clear()
    change(erp, 21, given="no")
    assert run(flow).state == "failed"
    assert platform.sent == []
    assert "were not opted out" in SyncIssue.objects.get(kind="breaker_tripped").message
    done = worked(breakers.resume_once(flow, "mass_opt_out", None))
    assert (done.state, done.opt_outs) == ("completed", 21)
    assert [one["given"] for one in platform.sent] == ["no"] * 21


# ---------------------------------------------------------------------------------------------- errors, nothing, range


def test_too_many_refused_records_stop_before_the_rest_leaves(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, platform = customers
    watermark = Flow.objects.get(pk=flow.pk).watermark
    change(erp, 120, bad=True)
    erp.rows[399]["city"] = "Elsewhere"
    stopped = run(flow)
    assert (stopped.state, platform.sent) == ("failed", [])
    assert Flow.objects.get(pk=flow.pk).watermark == watermark
    assert stopped_by(flow).cause["seen"] == "120 of the 400 records read so far were refused (30 %)."


def test_a_retry_of_what_is_refused_every_time_stops_nothing(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    change(erp, 60, bad=True)
    assert run(flow).state == "completed", "15 %"
    pending.note(flow, [f"c{n}" for n in range(60)], "retry")
    again = run(flow, keys_only=True)
    assert (again.state, again.rejected) == ("completed", 60)


def test_nothing_where_there_was_something_concludes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(50)]
    run(flow)
    rows, erp.rows = erp.rows, []
    assert run(flow).state == "failed"
    assert stopped_by(flow).kind == "zero_records"
    assert stopped_by(flow).cause["seen"] == "The source lists no product at all, although 50 are known."
    assert ProductFeed.objects.filter(state="refused").count() == 0, "it was judged before the feed"
    erp.rows = rows
    runs.resume(flow, None)
    assert run(flow).state == "completed", "the cause is gone, the limit holds"
    assert not Breaker.objects.filter(tripped_at__isnull=False).exists()


def test_an_incremental_read_of_nothing_is_no_news(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    erp.rows = []
    assert run(flow).state == "completed"


def past(flow: Flow, reads: list[int], *, weeks_apart: int = 1) -> None:
    """Completed runs of the weeks before, at this hour."""
    for back, read in enumerate(reads, 1):
        done = SyncRun.objects.create(flow=flow, state="completed", read=read, unchanged=read, watermark_from="w")
        SyncRun.objects.filter(pk=done.pk).update(queued_at=timezone.now() - timedelta(weeks=back * weeks_apart))


@pytest.mark.parametrize(
    ("history", "now", "state"),
    [
        ([300, 320, 280, 310, 290], 20, "failed"),
        ([300, 320, 280, 310, 290], 250, "completed"),
        ([300, 320, 280], 20, "completed"),  # too little history
        ([0, 900, 30, 600, 200], 20, "completed"),  # it varies that much
        ([40, 50, 45, 40], 390, "failed"),
    ],
)
def test_a_count_far_from_the_weekdays_usual_stops_the_run(
    customers: tuple[Flow, Erp, Platform], history: list[int], now: int, state: str
) -> None:
    flow, erp, _ = customers
    past(flow, history)
    before = timezone.now() - timedelta(days=1)  # the load was yesterday: nothing piled up since, as every day
    SyncRun.objects.filter(flow=flow, watermark_from="").update(queued_at=before)
    SyncRun.objects.create(flow=flow, state="completed", watermark_from="w")
    erp.rows = erp.rows[:now]
    erp.rows[0]["city"] = "Elsewhere"
    done = run(flow)
    assert done.state == state, done.message
    assert Flow.objects.get(pk=flow.pk).paused is (state == "failed")


def test_too_many_are_noticed_before_any_of_them_leaves(
    monkeypatch: pytest.MonkeyPatch, customers: tuple[Flow, Erp, Platform]
) -> None:
    flow, erp, platform = customers
    past(flow, [40, 50, 45, 40])
    SyncRun.objects.create(flow=flow, state="completed", watermark_from="w")
    pages_of(monkeypatch, erp, 20, total=True)
    change(erp, 30)
    assert run(flow).state == "failed"
    assert platform.sent == []
    assert stopped_by(flow).cause["usual"].endswith("s brought 40 to 50, mostly 42.")


def test_after_a_pause_more_is_expected(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, _, _ = customers
    past(flow, [40, 50, 45, 40])
    assert run(flow).state == "completed", "a week's records after a week"


# ------------------------------------------------------------------------------------------------ the catalogue


def test_a_feed_that_shrank_stops_its_flow_and_publishing_it_lets_the_flow_go_on(
    monkeypatch: pytest.MonkeyPatch, admin_user: Any
) -> None:
    from sync import feeds

    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(50)]
    run(flow)
    del erp.rows[:25]
    assert run(flow).state == "failed"
    assert stopped_by(flow).kind == "catalogue_shrink"
    assert open_issues() == {("feed_shrunk", "", "feed")}, "one exception for one problem"
    feeds.publish_anyway(ProductFeed.objects.get(state="refused"), admin_user, "End of season")
    flow.refresh_from_db()
    assert not flow.paused
    assert run(flow).state == "completed"


def test_a_shrink_that_is_allowed_is_published_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(50)]
    run(flow)
    del erp.rows[:25]
    run(flow)
    assert worked(breakers.resume_once(flow, "catalogue_shrink", None)).state == "completed"
    assert ProductFeed.objects.get(state="published").items == 25
    assert open_issues() == set()


# ------------------------------------------------------------------------------------------------ limits and resuming


def test_only_what_stops_the_flow_can_be_resumed(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    with pytest.raises(breakers.NotTrippedError):
        breakers.resume_once(flow, "mass_change", None)
    change(erp, 400)
    run(flow)
    with pytest.raises(breakers.NotTrippedError):
        breakers.resume_once(flow, "error_rate", None)
    breakers.keep_paused(flow, None, "Asked the ERP team")
    assert Flow.objects.get(pk=flow.pk).paused_note == "Asked the ERP team"
    breakers.resume_once(flow, "mass_change", None)
    with pytest.raises(breakers.NotTrippedError):
        breakers.resume_once(flow, "mass_change", None)
    assert AuditEvent.objects.filter(action="resume and allow once").count() == 1


def test_a_limit_that_is_changed_is_in_the_trail(customers: tuple[Flow, Erp, Platform], admin_user: Any) -> None:
    flow, erp, _ = customers
    breakers.edit(flow, "mass_change", on=False, percent=20, minimum=100, user=admin_user)
    breakers.edit(flow, "mass_change", on=False, percent=20, minimum=100, user=admin_user)
    [event] = AuditEvent.objects.filter(action="change breaker")
    assert (event.actor_name, event.after) == ("admin", {"kind": "mass_change", "on": False})
    change(erp, 400)
    assert run(flow).state == "completed", "it is off"
