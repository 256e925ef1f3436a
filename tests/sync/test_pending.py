"""Keys to look at again: retried by people, released by a parent, taken in between the pages of a long scan."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from sync import clock, pending, pipeline, runs, triage
from sync.models import Flow, PendingKey, RunPage, SyncIssue, SyncRun
from tests.sync.conftest import (
    Load,
    buckets,
    flow,
    in_thread,
    invoice,
    open_issues,
    people,
    sync,
    wait_until,
    worked,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def marketing(transactional_db: None) -> User:
    return User.objects.create_user("marketing")


def retried() -> SyncRun:
    return worked(SyncRun.objects.get(keys_only=True, state="queued"))


def test_a_retry_sends_although_nothing_changed_in_the_erp(load: Load) -> None:
    control = load(people(3))
    sync()
    contact = control.contacts()["C-2"]
    control("PATCH", f"emarsys/contacts/{contact['id']}", {"11": "Somewhere else"})
    pending.ask(flow(), ["usmf|C-2"], "retry")
    run = retried()
    assert (run.state, run.read, buckets(run), run.writes) == ("completed", 1, {"accepted": 1}, 1)
    assert control.contacts()["C-2"] == contact
    assert PendingKey.objects.count() == 0


def test_what_is_asked_of_a_paused_flow_starts_nothing_and_waits_until_it_is_resumed(
    load: Load, marketing: User
) -> None:
    control = load(people(3))
    sync()
    stale = flow()
    runs.pause(flow(), "Emarsys is being cleaned up", marketing)
    assert pending.ask(stale, ["usmf|C-2"], "retry") is False, "whatever the asker's copy of the flow says"
    pending.start_runs()
    assert SyncRun.objects.filter(keys_only=True).count() == 0
    assert PendingKey.objects.get().key == "usmf|C-2"
    runs.resume(flow(), marketing)
    control.forget_requests()
    pending.start_runs()
    run = retried()
    assert (run.state, buckets(run), len(control.writes())) == ("completed", {"accepted": 1}, 1)
    assert PendingKey.objects.count() == 0


def test_what_is_asked_of_a_flow_that_is_switched_off_starts_nothing(load: Load) -> None:
    load(people(3))
    Flow.objects.update(enabled=False)
    assert pending.ask(flow(), ["usmf|C-2"], "retry") is False
    pending.start_runs()
    assert not SyncRun.objects.exists()
    assert PendingKey.objects.count() == 1


def test_an_exception_is_resolved_by_retry_after_the_erp_was_corrected(load: Load, marketing: User) -> None:
    control = load(people(3))
    control.customer("C-2", PrimaryContactEmail="nobody")
    sync()
    issue = SyncIssue.objects.get()
    triage.retry(issue, marketing)
    assert issue.state == "retrying"
    retried()
    issue.refresh_from_db()
    assert issue.state == "open", "nothing was corrected"
    control.customer("C-2", PrimaryContactEmail="somebody@example.com")
    triage.retry(issue, marketing)
    retried()
    issue.refresh_from_db()
    assert (issue.state, "went through" in issue.resolution) == ("resolved", True)
    assert control.contacts()["C-2"]["3"] == "somebody@example.com"


def test_a_retry_during_a_scan_is_taken_at_its_next_page(load: Load) -> None:
    control = load(people(45), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    control.fault("slow", system="dynamics365", path="CustomersV3.*gt", after=1, seconds=1.5)
    run = runs.start(flow(), ring=False)
    assert run is not None
    worker = in_thread(pipeline.work, run.pk)
    wait_until(lambda: SyncRun.objects.get(pk=run.pk).pages >= 2)
    control.forget_requests()
    pending.ask(flow(), ["usmf|C-1"], "retry", urgent=True)
    assert SyncRun.objects.count() == 1
    worker.join(30)
    run.refresh_from_db()
    assert (run.state, run.read, buckets(run)) == ("completed", 46, {"accepted": 46})
    assert PendingKey.objects.count() == 0
    assert list(RunPage.objects.order_by("number").values_list("read", flat=True)).index(1) < run.pages - 1


def test_a_record_that_is_gone_from_the_erp_is_said_to_be(load: Load, marketing: User) -> None:
    control = load(people(3))
    control.customer("C-2", PrimaryContactEmail="nobody")
    sync()
    control("DELETE", "dynamics365/customers/usmf%7CC-2")
    issue = SyncIssue.objects.get()
    triage.retry(issue, marketing)
    run = retried()
    issue.refresh_from_db()
    assert (run.state, run.read, issue.state) == ("completed", 0, "open")
    assert issue.message == "Retry found no such record in the ERP any more."
    assert len(control.all_contacts()) == 3, "absence deletes nothing"


def test_the_retry_of_a_document_is_not_told_that_it_is_gone(load: Load, marketing: User) -> None:
    load(people(1), [invoice("SO-1", "C-1", ("A", "1", "0"), ("B", "1", "0"))])
    sync()
    sync("sale")
    issue = SyncIssue.objects.get(kind="zero_total")
    triage.retry(issue, marketing)
    run = retried()
    issue.refresh_from_db()
    assert (run.read, issue.state) == (2, "open")
    assert "any more" not in issue.message


def test_the_retry_of_a_document_whose_lines_are_refused_ends(load: Load, marketing: User) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", ("A", "1", "0"))])
    sync()
    sync("sale")
    control.line("SO-1", 1, LineAmount=5)
    issue = SyncIssue.objects.get(kind="zero_total")
    triage.retry(issue, marketing)
    retried()
    issue.refresh_from_db()
    assert issue.state == "open"


def test_the_retry_of_an_orphan_compares_both_systems_again(load: Load, marketing: User) -> None:
    control = load(people(2))
    sync()
    control.put_contact(501, f3="stranger@example.org")
    sync(kind="compare")
    issue = SyncIssue.objects.get()
    assert (issue.kind, issue.target_id) == ("orphan", "501")
    for expected in ("open", "resolved"):
        triage.retry(issue, marketing)
        worked(SyncRun.objects.get(kind="compare", state="queued"))
        issue.refresh_from_db()
        assert issue.state == expected
        control("DELETE", "emarsys/contacts/501") if expected == "open" else None


def test_a_retry_while_a_system_is_away_waits_with_it(load: Load) -> None:
    control = load(people(3))
    sync()
    control.fault("status", system="emarsys", path="/contact/", code=503, times=0)
    pending.ask(flow(), ["usmf|C-2", "usmf|C-3"], "retry")
    run = retried()
    assert (run.state, set(PendingKey.objects.values_list("key", flat=True))) == ("waiting", {"usmf|C-2", "usmf|C-3"})
    control.heal()
    SyncRun.objects.filter(pk=run.pk).update(wait_until=run.queued_at)
    run = worked(run)
    assert (run.state, buckets(run), PendingKey.objects.count()) == ("completed", {"accepted": 2}, 0)


def test_keys_without_a_run_get_one_from_the_tick(load: Load) -> None:
    load(people(3))
    pending.note(flow(), ["usmf|C-1"], "retry")
    pending.start_runs()
    pending.start_runs()
    assert buckets(retried()) == {"accepted": 1}


def test_many_keys_can_be_cancelled_half_way(load: Load, marketing: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "CHUNK", 2)
    control = load(people(6))
    pending.ask(flow(), [f"usmf|C-{n}" for n in range(1, 7)], "retry")
    run = worked(SyncRun.objects.get(), seconds=0)
    assert (run.state, run.accepted) == ("running", 2)
    runs.cancel(run, marketing)
    run = worked(run)
    assert (run.state, len(control.all_contacts())) == ("cancelled", 2)


def test_the_same_key_asked_for_twice_is_looked_at_once(load: Load) -> None:
    load(people(3))
    pending.ask(flow(), ["usmf|C-1", "usmf|C-1"], "retry")
    pending.ask(flow(), ["usmf|C-1"], "released")
    assert PendingKey.objects.count() == 1
    assert retried().read == 1
    assert open_issues() == set()


def test_a_retry_asked_for_while_the_record_is_under_way_is_not_lost(load: Load) -> None:
    """Whoever corrects the ERP and presses Retry once more must not be served with what was read before."""
    control = load(people(1))
    control.fault("slow", system="emarsys", method="PUT", path="/contact/", seconds=1)
    pending.ask(flow(), ["usmf|C-1"], "retry")
    run = SyncRun.objects.get()
    worker = in_thread(pipeline.work, run.pk)
    wait_until(lambda: bool(control("GET", "faults")[0]["struck"]))
    control.customer("C-1", AddressCity="York")
    pending.ask(flow(), ["usmf|C-1"], "retry")
    worker.join(20)
    assert control.contacts()["C-1"]["11"] == "York"
    run.refresh_from_db()
    assert (run.state, run.read, PendingKey.objects.count()) == ("completed", 2, 0)


def test_what_fails_at_every_look_is_not_tried_at_every_look(load: Load, marketing: User) -> None:
    """A flow that an admin must mend: its keys start runs ever more rarely, a person at once."""
    control = load(people(3))
    sync()
    fault = control.fault("status", code=403, times=0, system="emarsys", method="PUT", path="/contact/")
    pending.ask(flow(), ["usmf|C-2"], "event", urgent=True)
    assert retried().state == "failed"
    pending.start_runs()
    pending.ask(flow(), ["usmf|C-3"], "event", urgent=True)
    assert not SyncRun.objects.filter(state="queued").exists()
    for seconds in pending.PAUSES[:3]:
        SyncRun.objects.filter(state="failed").update(finished_at=clock.now() - timedelta(seconds=seconds - 1))
        pending.start_runs()
        assert not SyncRun.objects.filter(state="queued").exists()
        SyncRun.objects.filter(state="failed").update(finished_at=clock.now() - timedelta(seconds=seconds))
        pending.start_runs()
        assert retried().state == "failed"
    control("DELETE", f"faults/{fault}")
    pending.ask(flow(), ["usmf|C-1"], "retry", marketing)
    run = retried()
    assert (run.state, run.accepted) == ("completed", 3)
    pending.ask(flow(), ["usmf|C-1"], "event", urgent=True)
    assert SyncRun.objects.filter(state="queued").exists(), "it works again"


def test_keys_that_are_for_later_start_no_run(load: Load) -> None:
    load(people(1))
    sync()
    later = clock.now() + timedelta(hours=1)
    PendingKey.objects.create(flow=flow(), key="usmf|C-1", reason="after_parts", not_before=later, created_at=later)
    pending.start_runs()
    assert not SyncRun.objects.filter(keys_only=True).exists()
