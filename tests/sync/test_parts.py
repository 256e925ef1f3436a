"""A whole read that several workers share."""

import pytest
from django.conf import settings
from django.test import Client

from sync import accounting, addresses, breakers, flows, parts, pending, progress, runs
from sync.delivery.adoption import Adoption, Match
from sync.limits import limits_for
from sync.management import foreground
from sync.models import Breaker, CrossReference, Delivery, LedgerEntry, PartClaim, PendingKey, RunPage, SyncRun
from tests.sync.conftest import Load, buckets, flow, in_thread, invoice, open_issues, people, sync, worked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _three_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.SYNC, "PARTS", 3)
    monkeypatch.setitem(settings.SYNC, "PART_RECORDS", 10)


def started(stream: str = "customer", **options: object) -> SyncRun:
    run = runs.start(flow(stream), ring=False, **options)
    assert run is not None
    return run


def to_the_end(run: SyncRun) -> SyncRun:
    return foreground.until_done(run, lambda _: None)


def test_each_part_reads_its_own_keys_and_the_run_counts_them_all(load: Load, rung: list[int]) -> None:
    control = load(people(100), DYNAMICS365_PAGE_SIZE="10")
    run = worked(started())
    made = parts.of(run)
    assert (run.state, run.total, len(made)) == ("running", 100, 3)
    assert sorted(rung) == [part.pk for part in made]
    for part in made:
        worked(part)
    assert rung[-1] == run.pk  # the last part that ends rings for the whole
    run = worked(run)
    assert (run.state, run.read, buckets(run)) == ("completed", 100, {"accepted": 100}), run.message
    assert len(control.contacts()) == CrossReference.objects.filter(state="active").count() == 100
    assert [(part["part"], part["read"], part["state"]) for part in run.parts] == [
        (1, 33, "completed"), (2, 33, "completed"), (3, 34, "completed"),
    ]  # fmt: skip
    assert SyncRun.objects.get() == run
    assert not PartClaim.objects.exists()


def test_what_the_parts_did_opens_from_the_run(load: Load) -> None:
    load(people(60), DYNAMICS365_PAGE_SIZE="10")
    run = to_the_end(started())
    assert sorted(progress.keys(run, "accepted")) == sorted(f"usmf|C-{n}" for n in range(1, 61))
    pages = RunPage.objects.filter(run=run)
    assert [page.number for page in pages.order_by("number")] == list(range(1, run.pages + 1))
    assert {delivery.run_id for delivery in Delivery.objects.all()} == {run.pk}
    assert run.writes == Delivery.objects.count()


def test_the_page_of_the_run_shows_each_part_while_it_is_read_and_afterwards(load: Load, admin_client: Client) -> None:
    load(people(60), DYNAMICS365_PAGE_SIZE="10")
    run = worked(started())
    first, *others = parts.of(run)
    worked(first)
    during = admin_client.get(addresses.run(run)).content.decode()
    assert during.count('<th scope="row">') == 3
    assert "The read is divided" in during
    assert admin_client.get(addresses.run(first)).status_code == 404
    listed = admin_client.get(addresses.runs()).content.decode()
    assert addresses.run(run) in listed
    assert addresses.run(first) not in listed
    accepted = admin_client.get(addresses.run_records(run, "accepted")).content.decode()
    assert accepted.count("usmf|C-") >= 20
    for part in others:
        worked(part)
    run = worked(run)
    assert "The read is divided" in admin_client.get(addresses.run(run)).content.decode()


def test_workers_side_by_side_send_each_record_once(load: Load) -> None:
    control = load(people(300), DYNAMICS365_PAGE_SIZE="20")
    run = worked(started())
    threads = [in_thread(worked, part) for part in parts.of(run)]
    for thread in threads:
        thread.join(60)
    run = worked(run)
    assert (run.state, buckets(run)) == ("completed", {"accepted": 300}), run.message
    assert sum(write["records"] for write in control.writes()) == 300


def test_a_full_read_again_writes_nothing(load: Load) -> None:
    control = load(people(60))
    to_the_end(started())
    control.forget_requests()
    run = to_the_end(started(full=True))
    assert (run.state, buckets(run), control.writes()) == ("completed", {"unchanged": 60}, [])


def test_a_small_read_is_not_divided(load: Load) -> None:
    load(people(19))
    run = sync()
    assert (run.state, run.parts) == ("completed", None)


def test_a_part_that_dies_goes_on_where_it_stopped_and_counts_nothing_twice(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(people(90), DYNAMICS365_PAGE_SIZE="10")
    run = worked(started())
    first, *others = parts.of(run)
    passed = 0

    def dies(name: str) -> None:
        nonlocal passed
        passed += name == "after_remember"
        if passed:
            raise MemoryError

    worked(first, seconds=0)  # one page, then it hands over
    monkeypatch.setattr("sync.slices.crashpoint", dies)
    with pytest.raises(MemoryError):
        worked(first)
    monkeypatch.setattr("sync.slices.crashpoint", lambda name: None)
    for part in (first, *others):
        worked(part)
    run = worked(run)
    assert (run.state, run.read) == ("completed", 90), run.message
    assert sum(buckets(run).values()) == 90
    assert len(list(progress.keys(run, "accepted"))) == run.accepted


def test_a_part_that_fails_fails_the_run_and_stops_the_others(load: Load) -> None:
    control = load(people(60), DYNAMICS365_PAGE_SIZE="10")
    run = worked(started())
    first, second, third = parts.of(run)
    worked(first)
    control.fault("status", system="emarsys", path="/contact", code=403, times=0)
    assert worked(second).state == "failed"
    assert worked(third).state == "cancelled"
    run = worked(run)
    assert run.state == "failed"
    assert "Part 2: " in run.message
    assert (run.read, buckets(run)) == (20, {"accepted": 20})
    control.heal()
    run = to_the_end(started())
    assert buckets(run) == {"accepted": 40, "unchanged": 20}
    assert open_issues() == set()


def test_cancelling_the_run_stops_its_parts(load: Load) -> None:
    load(people(60))
    run = worked(started())
    runs.cancel(run, None)
    assert {part.state for part in parts.of(run)} == {"cancelled"}
    run = worked(run_free(run))
    assert (run.state, run.accepted) == ("cancelled", 0)
    assert SyncRun.objects.count() == 1


def run_free(run: SyncRun) -> SyncRun:
    """The time until the next look at the parts is over."""
    SyncRun.objects.filter(pk=run.pk).update(lease_until=run.queued_at)
    run.refresh_from_db()
    return run


def test_the_run_looks_at_its_parts_without_giving_up_what_they_send(load: Load) -> None:
    load(people(60))
    run = worked(started())
    part = parts.of(run)[0]
    on_its_way = Delivery.objects.create(
        run=part, flow=flow(), key="k", epoch=1, records=1, keys=b"", intended_at=run.queued_at
    )
    worked(run_free(run))
    worked(parts.of(run)[1])
    on_its_way.refresh_from_db()
    assert on_its_way.outcome == ""


def test_a_key_somebody_asks_for_is_looked_at_while_parts_read_and_once_more_at_the_end(load: Load) -> None:
    control = load(people(60))
    run = worked(started())
    pending.ask(flow(), ["usmf|C-7"], "retry")
    run = worked(run_free(run))
    assert control.contacts().keys() == {"C-7"}
    assert PendingKey.objects.get().not_before is not None
    for part in parts.of(run):
        worked(part)
    control.forget_requests()
    run = worked(run)
    assert run.state == "completed", run.message
    assert [write["records"] for write in control.writes()] == [1]
    assert run.read == 62  # twice because somebody asked
    assert not PendingKey.objects.exists()


def test_two_parts_never_adopt_the_same_contact(load: Load) -> None:
    shared = [one | {"email": "same@example.com"} for one in people(2)]
    control = load([*shared, *people(38, first=3)])
    control.put_contact(900, f3="same@example.com")
    made = parts.of(worked(started()))
    route = flows.open_route(flow(), limits_for("dynamics365"), limits_for("emarsys"))
    sides = [Adoption(flow(), route.sink, route.inlet, part) for part in made[:2]]
    for side in sides:  # both look before either of them has written
        side.prepare()
    [page] = route.source.fetch("customer", ["usmf|C-1", "usmf|C-2"])
    records = [route.stream.map(row).record for row in page.rows]
    assert sides[0].match(records[:1]) == {"usmf|C-1": Match("900", adopt=True)}
    assert sides[1].match(records[1:]) == {"usmf|C-2": Match("900", contested_by="usmf|C-1")}


def test_one_number_in_two_companies_sent_at_the_same_moment_is_contested_in_the_end(load: Load) -> None:
    control = load(people(40))
    run = worked(started())
    for part in parts.of(run):
        worked(part)
    first, second = CrossReference.objects.order_by("pk")[:2]
    CrossReference.objects.filter(pk=second.pk).update(target_id=first.target_id)
    control.forget_requests()
    run = worked(run)
    assert run.state == "completed", run.message
    assert open_issues() == {("contested_link", second.source_id, "contact")}
    assert [write["records"] for write in control.writes()] == [1]  # the owner, whose contact shows the other's values
    second.refresh_from_db()
    assert (second.target_id, second.raw_digest) == ("", None)


def test_invoices_are_divided_by_day_and_number(load: Load) -> None:
    sold = [invoice(f"SO-{n:03}", "C-1", ("A", "1", "1.00"), ("B", "2", "4.00"), day=f"2026-03-{n % 28 + 1:02}")
            for n in range(1, 41)]  # fmt: skip
    control = load(people(1), sold, DYNAMICS365_PAGE_SIZE="5")
    sync()
    run = to_the_end(started("sale"))
    assert (run.state, buckets(run)) == ("completed", {"accepted": 80}), run.message
    assert len(run.parts) == 3
    assert LedgerEntry.objects.filter(state="accepted", run=run).count() == len(control.sales()) == 80
    assert flow("sale").watermark == "2026-03-28"


def test_a_line_somebody_asks_for_waits_for_the_part_that_may_be_sending_it(load: Load) -> None:
    sold = [invoice(f"SO-{n:03}", "C-1", ("A", "1", "1.00"), day=f"2026-03-{n % 28 + 1:02}") for n in range(1, 41)]
    control = load(people(1), sold, DYNAMICS365_PAGE_SIZE="5")
    sync()
    run = worked(started("sale"))
    pending.ask(flow("sale"), ["usmf|SO-007"], "retry")
    run = worked(run_free(run))
    assert not control.sales()
    for part in parts.of(run):
        worked(part)
    run = worked(run)
    assert (run.state, len(control.sales()), PendingKey.objects.count()) == ("completed", 40, 0), run.message
    assert buckets(run) == {"accepted": 40, "unchanged": 1}


def test_a_run_that_is_cancelled_while_it_is_paused_takes_its_parts_over(load: Load) -> None:
    load(people(60), DYNAMICS365_PAGE_SIZE="10")
    run = worked(started())
    first = worked(parts.of(run)[0])
    runs.pause(flow(), "Stocktaking", None)
    for part in parts.of(run)[1:]:
        worked(part)
    run = worked(run_free(run))
    assert (run.state, first.state) == ("waiting", "completed")
    runs.cancel(run, None)
    run.refresh_from_db()
    assert run.pk in runs.due()
    run = worked(run)
    assert (run.state, run.read, buckets(run)) == ("cancelled", 20, {"accepted": 20})
    assert accounting.of(run).said == []
    assert SyncRun.objects.get() == run
    assert not PartClaim.objects.exists()


def test_a_cancel_that_comes_while_the_run_is_divided_reaches_its_parts(load: Load) -> None:
    load(people(60))
    run = worked(started())
    SyncRun.objects.filter(pk=run.pk).update(cancel_requested=True)  # before there were any
    run = worked(run_free(run))
    run = worked(run_free(run))
    assert (run.state, run.accepted) == ("cancelled", 0)


def test_keys_that_cannot_be_read_do_not_end_a_run_before_its_parts(load: Load) -> None:
    control = load(people(60))
    run = worked(started())
    pending.ask(flow(), ["usmf|C-7"], "retry")
    control.fault("status", system="dynamics365", code=403, times=0)
    run = worked(run_free(run))
    assert (run.state, run.divided) == ("running", True)
    control.heal()
    for part in parts.of(run):
        worked(part)
    run = worked(run)
    assert (run.state, run.read) == ("completed", 61), run.message


def test_what_ends_a_divided_run_ends_its_parts_first(load: Load) -> None:
    load(people(60), DYNAMICS365_PAGE_SIZE="10")
    run = worked(started())
    worked(parts.of(run)[0])
    SyncRun.objects.filter(pk=run.pk).update(attempt=99)
    run = worked(run_free(run))
    assert (run.state, run.read, buckets(run)) == ("lost", 20, {"accepted": 20})
    assert SyncRun.objects.get() == run
    assert buckets(to_the_end(started())) == {"accepted": 40, "unchanged": 20}


def test_nothing_is_sent_for_a_divided_run_once_its_flow_is_paused(load: Load) -> None:
    control = load(people(60))
    run = worked(started())
    SyncRun.objects.filter(pk=parts.of(run)[0].pk).update(state="failed", message="Stopped before damage.")
    pending.ask(flow(), ["usmf|C-7"], "retry")
    runs.pause(flow(), "Breaker", None)
    worked(run_free(run))
    assert control.writes() == []


def test_a_tripped_breaker_resumes_when_the_last_part_has_ended(load: Load) -> None:
    load(people(60))
    run = worked(started())
    SyncRun.objects.filter(pk=parts.of(run)[0].pk).update(state="failed", message="Stopped before damage.")
    runs.pause(flow(), "Breaker", None)
    Breaker.objects.create(flow=flow(), kind="mass_change", percent=1, minimum=1, run=run, tripped_at=run.queued_at)
    with pytest.raises(breakers.NotTrippedError, match="has not ended yet"):
        breakers.resume_once(flow(), "mass_change", None)
    assert flow().paused
    assert worked(run_free(run)).state == "failed"
    assert breakers.resume_once(flow(), "mass_change", None).pk != run.pk
