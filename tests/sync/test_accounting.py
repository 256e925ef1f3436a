"""The books: every record that was read has one end, and every bucket lists the records it counts."""

import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from sync import accounting, pending, pipeline, progress, runs
from sync.models import AccountCheck, Flow, LedgerEntry, RunPage, SyncRun
from tests.sync.conftest import Load, buckets, flow, invoice, people, sync, worked
from tests.sync.test_runs import expired, started, stopping_after

pytestmark = pytest.mark.django_db(transaction=True)


def listed(run: SyncRun) -> dict[str, int]:
    return {name: len(list(progress.keys(run, name))) for name in buckets(run) if name != "unchanged"}


def a_run(**values: Any) -> SyncRun:
    found, _ = Flow.objects.get_or_create(
        name="a.customer", source="a", target="b", stream="customer", entity="customer"
    )
    return SyncRun.objects.create(flow=found, **values)


@pytest.mark.parametrize("kind", ["sync", "compare", "sweep", "anything"])
def test_the_database_refuses_a_completed_run_that_does_not_add_up(kind: str) -> None:
    run = a_run(kind=kind, state="running")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE sync_syncrun SET state = 'completed', read = 5, accepted = 4 WHERE id = %s", [run.pk])
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE sync_syncrun SET state = 'completed', read = 5, accepted = 6 WHERE id = %s", [run.pk])
    whole = kind in ("sync", "anything")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sync_syncrun SET state = 'completed', read = 5, unchanged = %s WHERE id = %s",
            [5 if whole else 0, run.pk],
        )


def test_pages_that_come_again_after_a_crash_are_listed_once_and_asked_ones_between_them_stay(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page whose rest is carried, then keys that somebody asked for, then the worker dies."""
    load(people(36), DYNAMICS365_PAGE_SIZE="12", EMARSYS_CONTACT_BATCH="10")
    run = started()
    lease = runs.take(run.pk)
    assert lease is not None
    stop = stopping_after(3)

    def asked(slice_: Any) -> bool:
        slice_.settle()
        if RunPage.objects.filter(run=run).count() == 1:
            pending.note(flow(), ["usmf|C-30", "usmf|C-31"], "retry")
        return stop(slice_)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "_stop_asked", asked)
        with lease, pytest.raises(KeyboardInterrupt):
            pipeline._slice(lease, None)
    run.refresh_from_db()
    assert run.since_resume["numbers"] == [1, 3], "what comes again; the second page was asked for"
    expired(run)
    run = worked(run)
    assert run.state == "completed"
    assert listed(run) == {name: number for name, number in buckets(run).items() if name != "unchanged"}
    assert accounting.of(run).said == []


def test_what_is_asked_for_refused_and_twice_on_a_page_is_listed_as_it_is_counted(load: Load) -> None:
    control = load(people(8), DYNAMICS365_PAGE_SIZE="4")
    control.customer("C-3", CustomerAccount="")
    sync()
    pending.note(flow(), ["usmf|C-1", "usmf|C-2", "usmf|C-2", "usmf|nobody"], "pasted")
    run = sync(keys_only=True)
    assert run.read == 2
    assert listed(run) == {"accepted": 2}
    control.customer("C-5", OrganizationName="", PersonFirstName="New")
    sync()
    assert [account.said for account in accounting.accounts()] == [[], [], []]


def test_sales_are_checked_against_the_ledger(load: Load) -> None:
    load(people(2), [invoice("I-1", "C-1", ("MUG", "1", "5.00"), ("BOWL", "2", "8.00"))])
    sync()
    run = sync("sale")
    assert accounting.of(run).said == []
    LedgerEntry.objects.filter(source_id__endswith="|2").update(state="held")
    assert accounting.of(run).said == ["1 lines were accepted, but the ledger does not show them as accepted."]


def test_a_run_whose_list_or_count_is_wrong_is_found_and_named() -> None:
    run = a_run(state="completed", read=3, accepted=2, unchanged=1, finished_at=timezone.now())
    manifest = zlib.compress(b'{"accepted": ["C-1"]}')
    RunPage.objects.create(run=run, number=1, finished_at=timezone.now(), read=3, manifest=manifest)
    a_run(state="failed", read=4, accepted=1, finished_at=timezone.now())
    check = accounting.ask()
    assert accounting.ask().pk == check.pk
    assert accounting.due() == [check.pk]
    accounting.work(check.pk)
    check = AccountCheck.objects.get()
    assert (check.runs, check.records, len(check.faults)) == (2, 7, 2)
    [said] = [fault["said"] for fault in check.faults if fault["run"] == run.pk]
    assert said == ["2 records accepted, but 1 are listed."]
    assert accounting.due() == []


def test_lists_are_kept_for_ninety_days_and_a_purged_run_still_adds_up() -> None:
    now, kept = timezone.now(), []
    for days in (89, 91):
        run = a_run(state="completed", read=1, accepted=1, finished_at=now - timedelta(days=days))
        manifest = zlib.compress(b'{"accepted": ["C-1"]}')
        RunPage.objects.create(run=run, number=1, finished_at=now, read=1, manifest=manifest)
        kept.append(run)
    assert accounting.purge() == 1
    assert [list(progress.keys(run, "accepted")) for run in kept] == [["C-1"], []]
    assert [account.said for account in accounting.accounts()] == [[], []]
