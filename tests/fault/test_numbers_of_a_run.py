"""What a run says it asked of a target is what the target's own log says, whatever went wrong in between."""

import signal
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client

from sync import addresses, plans, runs
from sync.models import Delivery, Flow, SyncRun
from tests.fault.conftest import Started
from tests.sync.conftest import Control, Load, flow, goes_on, in_thread, invoice, people, sync, wait_until, worked
from tests.systems.conftest import World, emulated, world
from tests.systems.conftest import sync as sync_named
from tests.systems.test_dataverse_and_emarsys import guids

__all__ = ["emulated", "world"]
pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
SMALL = {"DYNAMICS365_PAGE_SIZE": "10", "EMARSYS_CONTACT_BATCH": "10", "EMARSYS_SALES_BATCH": "3"}
CONTACTS: dict[str, Any] = {"system": "emarsys", "method": "PUT", "path": "/contact/"}
SALES: dict[str, Any] = {"system": "emarsys", "method": "POST", "path": "/sales-data/"}
SOON = {"headers": {"Retry-After": "0"}}
INVOICES = [invoice(f"SO-{n}", f"C-{n % 5 + 1}", ("A", "1", f"{n}.50")) for n in range(1, 16)]


def contacts_written(control: Control) -> int:
    return len(control.requests("PUT", "/contact/"))


def sales_written(control: Control) -> int:
    return len(control.requests("POST", "/sales-data/"))


def of_its_deliveries(run: SyncRun) -> int:
    return sum(Delivery.objects.filter(run=run).values_list("requests", flat=True))


@pytest.mark.parametrize("code", [429, 500])
def test_a_request_that_is_repeated_counts_each_time_that_it_leaves(load: Load, code: int) -> None:
    control = load(people(35), **SMALL)
    control.fault("status", code=code, times=2, after=1, **CONTACTS, **SOON)
    run = sync()
    assert (run.state, run.accepted) == ("completed", 35)
    assert (run.writes, run.repeats, run.lost_writes) == (contacts_written(control), 2, 0) == (6, 2, 0)
    assert of_its_deliveries(run) == 6


def test_requests_count_through_the_times_that_a_run_waits(load: Load) -> None:
    control = load(people(35), **SMALL)
    control.fault("status", code=500, times=9, after=1, **CONTACTS)
    run = sync()
    while run.state == "waiting":
        run = goes_on(run)
    assert (run.state, run.writes, run.lost_writes) == ("completed", contacts_written(control), 0)
    assert (of_its_deliveries(run), run.repeats > 0) == (run.writes, True)


def test_a_token_that_is_refused_counts_as_the_request_that_it_was(load: Load) -> None:
    control = load(people(20), **SMALL)
    control.fault("expire_token", after=1, **CONTACTS)
    run = sync()
    assert (run.state, run.writes, run.repeats) == ("completed", contacts_written(control), 1)
    assert run.writes == 3


def test_the_halves_of_a_refused_batch_count(load: Load) -> None:
    control = load(people(64))
    control.fault("status", code=400, body={"replyCode": 15001, "replyText": "bad", "data": ""}, times=7, **CONTACTS)
    run = sync()
    assert (run.writes, run.repeats) == (contacts_written(control), 0) == (13, 0)
    assert Delivery.objects.get().requests == 13


def test_a_row_that_lost_a_race_is_sent_once_more_and_counts_again(load: Load) -> None:
    control = load(people(5))
    control.fault("partial", keys=["C-3"], code=2009, message="Contact with the external id already exists: 1",
                  **CONTACTS)  # fmt: skip
    run = sync()
    assert (run.state, run.accepted) == ("completed", 5)
    assert (run.writes, run.repeats) == (contacts_written(control), 1) == (2, 1)


def test_uploads_of_sales_count_each_time(load: Load) -> None:
    control = load(people(5), INVOICES, **SMALL)
    sync()
    control.fault("status", code=429, times=2, after=1, **SALES, **SOON)
    run = sync("sale")
    assert (run.state, run.accepted) == ("completed", 15)
    assert (run.writes, run.repeats) == (sales_written(control), 2)
    assert of_its_deliveries(run) == run.writes


def test_an_upload_whose_answer_was_lost_counts(load: Load) -> None:
    control = load(people(5), INVOICES, **SMALL)
    sync()
    control.fault("drop_after_accept", times=1, **SALES)
    run = sync("sale")
    while run.state == "waiting":
        run = goes_on(run)
    assert (run.state, run.writes, run.unknown) == ("completed", sales_written(control), 3)


def test_a_request_that_never_left_does_not_count(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    control = load(people(5))
    run = sync()
    control.customer("C-1", AddressCity="York")
    control.forget_requests()
    control.fault("status", code=503, times=0, system="emarsys", path="/oauth2/token")
    run = sync()
    assert (run.state, run.writes, contacts_written(control)) == ("waiting", 0, 0)


def test_what_a_cancel_kept_from_leaving_does_not_count(load: Load, settings: Any) -> None:
    """Nor later: no next run takes it for something that a worker left behind."""
    settings.SYNC = {**settings.SYNC, "SENDERS": 1}
    control = load(people(60), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="5")
    control.fault("slow", seconds=3, bytes_per_second=100_000, **CONTACTS)
    run = runs.start(flow(), ring=False)
    assert run is not None
    working = in_thread(lambda: worked(run))
    wait_until(lambda: Delivery.objects.exists(), 20)
    runs.cancel(run, None)
    working.join(30)
    run.refresh_from_db()
    assert (run.state, Delivery.objects.filter(outcome="").count()) == ("cancelled", 0)
    assert set(Delivery.objects.filter(requests=0).values_list("outcome", flat=True)) == {"retryable"}
    left = contacts_written(control)
    assert sync().state == "completed"
    run.refresh_from_db()
    assert (run.writes, run.lost_writes) == (left, 0)


def killed(start: Started, name: str, point: str) -> SyncRun:
    """The flow's run by a process that dies at `point`, and by another that goes on."""
    Flow.objects.filter(name=name).update(paused_at=None)
    first = start("manage.py", "sync", name, SYNC_CRASHPOINT=point)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL, said
    second = start("manage.py", "sync", name)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    run = SyncRun.objects.filter(flow__name=name).order_by("pk").last()
    assert run is not None
    assert run.state == "completed"
    return run


@pytest.mark.parametrize("point", ["after_request:2", "after_call:2", "after_remember:2"])
def test_what_had_left_when_a_worker_was_killed_counts(load: Load, start: Started, point: str) -> None:
    control = load(people(35), **SMALL)
    control.fault("status", code=500, times=1, **CONTACTS)
    run = killed(start, "dynamics365.customer", point)
    left = contacts_written(control)
    assert run.writes - run.lost_writes <= left <= run.writes
    assert of_its_deliveries(run) == run.writes
    if database.vendor == "sqlite":  # elsewhere the next page was on its way as well
        assert (run.writes, run.lost_writes) == (left, 0 if point.startswith("after_remember") else 1)


def test_what_may_not_have_left_when_a_worker_was_killed_is_said_to_be_unsure(load: Load, start: Started) -> None:
    control = load(people(35), **SMALL)
    run = killed(start, "dynamics365.customer", "after_intent:2")
    left = contacts_written(control)
    assert run.lost_writes > 0
    assert run.writes - run.lost_writes <= left < run.writes


def test_repeats_of_a_worker_that_was_killed_count(load: Load, start: Started) -> None:
    control = load(people(5))
    control.fault("status", code=500, times=2, **CONTACTS)
    run = killed(start, "dynamics365.customer", "after_request")
    assert (run.writes, run.lost_writes) == (contacts_written(control), 1) == (4, 1)


@pytest.mark.parametrize("point", ["after_request", "after_call"])
def test_an_upload_of_a_worker_that_was_killed_counts(load: Load, start: Started, point: str) -> None:
    control = load(people(5), INVOICES, DYNAMICS365_PAGE_SIZE="10", EMARSYS_SALES_BATCH="10")
    sync()
    run = killed(start, "dynamics365.sale", point)
    assert (run.writes, run.lost_writes) == (sales_written(control), 1)


def test_events_count_each_time_that_they_are_told(world: World) -> None:
    control = world("dynamics365")
    sync_named("dynamics365.customer")
    control.fault("status", code=500, times=2, system="emarsys", path="/event/.*trigger")
    run = sync_named("dynamics365.order_event")
    told = control.requests("POST", "/trigger")
    assert run.accepted > 0
    assert (run.state, run.writes, run.repeats) == ("completed", len(told), 2)


def test_consent_written_row_by_row_counts_each_row(world: World) -> None:
    control = world("dataverse")
    sync_named("dataverse.customer")
    sync_named("emarsys.consent")
    control.forget_requests()
    for guid in list(guids(control).values())[:3]:
        control("POST", "emarsys/unsubscribe", {"id": control.contacts()[guid]["id"]})
    control.fault("status", code=503, times=1, system="dataverse", method="PATCH", headers={"Retry-After": "0"})
    run = sync_named("emarsys.consent")
    patched = control.requests("PATCH", "", system="dataverse")
    assert (run.state, run.writes, run.repeats) == ("completed", len(patched), 1)
    assert run.writes > 1


def test_previews_and_feeds_write_nothing(world: World) -> None:
    control = world("dynamics365")
    preview = plans.making(plans.ask(Flow.objects.get(name="dynamics365.customer"), ring=False))
    assert preview is not None
    for run in (worked(preview), sync_named("dynamics365.product")):
        assert (run.state, run.writes, run.repeats) == ("completed", 0, 0)
    assert contacts_written(control) == 0


def test_the_page_of_the_run_says_what_was_repeated_and_what_is_not_sure(load: Load, admin_client: Client) -> None:
    control = load(people(20), **SMALL)
    control.fault("status", code=500, times=1, **CONTACTS)
    run = sync()
    SyncRun.objects.filter(pk=run.pk).update(lost_writes=1)
    page = admin_client.get(addresses.run(run)).content.decode()
    assert "writes to emarsys" in page
    assert "1 of the writes repeats one that had no answer" in page
    assert "1 was under way when its worker died" in page


def test_parts_add_up(load: Load, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SYNC = {**settings.SYNC, "PARTS": 3, "PART_RECORDS": 10}
    control = load(people(60), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    control.fault("status", code=429, times=3, after=2, **CONTACTS, **SOON)
    run = runs.start(flow(), full=True, ring=False)
    assert run is not None
    worked(run)
    parts = list(SyncRun.objects.filter(parent=run))
    assert len(parts) == 3
    for part in parts:
        worked(part)
    run = worked(run)
    assert (run.state, run.writes, run.repeats) == ("completed", contacts_written(control), 3)
    assert of_its_deliveries(run) == run.writes
