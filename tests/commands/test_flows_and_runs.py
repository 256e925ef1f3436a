"""flows, runs, sync, pause, resume, cancel."""

import pytest

from sync import runs, schedules
from sync.models import Flow, SyncRun
from sync.schedules import Schedule
from tests.commands.conftest import Run
from tests.sync.conftest import Load, flow, invoice, people

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS, SALES = "dynamics365.customer", "dynamics365.sale"


def test_flows_show_schedule_state_and_age(run: Run, load: Load) -> None:
    load(people(2))
    schedules.write(flow(), Schedule(minutes=15))
    run("sync", CUSTOMERS)
    customers, sales = (row for row in run("flows", "--json").rows if row["state"] != "paused")
    assert (customers["name"], customers["state"], customers["schedule"]) == (CUSTOMERS, "idle", "every 15 minutes")
    assert (customers["last_run"], customers["age_minutes"]) == ("completed", 0)
    assert (sales["name"], sales["last_run"], sales["age_minutes"]) == (SALES, "never", None)
    assert "every 15 minutes" in run("flows").out


def test_a_flow_is_synced_in_this_process_with_its_progress_on_stderr(run: Run, load: Load) -> None:
    control = load(people(3))
    ran = run("sync", CUSTOMERS, "--json")
    assert ran.code == 0
    assert (ran.one["flow"], ran.one["state"], ran.one["accepted"]) == (CUSTOMERS, "completed", 3)
    assert "3 read" in ran.err
    assert len(control.all_contacts()) == 3


def test_only_the_records_that_were_asked_for_are_synced(run: Run, load: Load) -> None:
    control = load(people(3))
    assert run("sync", CUSTOMERS, "--ids", "usmf|C-2").code == 0
    assert set(control.contacts()) == {"C-2"}


def test_a_full_sync_reads_everything_and_sends_only_what_changed(run: Run, load: Load) -> None:
    load(people(3))
    run("sync", CUSTOMERS)
    assert run("sync", CUSTOMERS, "--full", "--json").one["unchanged"] == 3


def test_a_run_that_fails_exits_with_1_and_says_what_to_do(run: Run, load: Load) -> None:
    load(people(1), DYNAMICS365_CLIENT_SECRET="wrong")
    ran = run("sync", CUSTOMERS)
    assert ran.code == 1
    assert "Check tenant, client id, client secret" in ran.err


def test_runs_are_listed_newest_first_with_filters(run: Run, load: Load) -> None:
    load(people(2), [invoice("SO-1", "C-1", ("MUG", "1", "5.00"))])
    for name in (CUSTOMERS, SALES, CUSTOMERS):
        run("sync", name)
    assert [row["flow"] for row in run("runs", "--json").rows] == [CUSTOMERS, SALES, CUSTOMERS]
    [sale] = run("runs", "--flow", SALES, "--state", "completed", "--kind", "sync", "--json").rows
    assert (sale["read"], sale["accepted"]) == (1, 1)
    assert len(run("runs", "--limit", "1", "--json").rows) == 1
    assert run("runs", "--state", "failed", "--json").rows == []
    assert run("runs", "--state", "asleep").code == 2


def test_a_paused_flow_says_why_and_resumes(run: Run, load: Load) -> None:
    load(people(1))
    assert run("pause", CUSTOMERS, "--note", "The ERP is being upgraded").code == 0
    customers = next(row for row in run("flows", "--json").rows if row["name"] == CUSTOMERS)
    assert (customers["state"], customers["paused_note"]) == ("paused", "The ERP is being upgraded")
    assert run("resume", CUSTOMERS, "--json").one["paused_at"] is None
    assert not Flow.objects.get(name=CUSTOMERS).paused
    assert "was not paused" in run("resume", CUSTOMERS).out


def test_a_flow_that_nobody_switched_on_says_how(run: Run, load: Load) -> None:
    load(people(1))
    ran = run("sync", "dynamics365.product")
    assert ran.code == 1
    assert "manage.py resume dynamics365.product" in ran.err
    run("resume", "dynamics365.product")
    assert run("sync", "dynamics365.product").code == 0


def test_a_flow_into_our_own_tables_needs_no_target(run: Run, load: Load) -> None:
    load(people(1))
    run("resume", "emarsys.attribution")
    ran = run("sync", "emarsys.attribution")
    assert ran.code == 1
    assert "EMARSYS_ATTRIBUTION_FILES" in ran.err


def test_a_sweep_names_what_the_source_has_no_more(run: Run, load: Load) -> None:
    control = load(people(3))
    run("sync", CUSTOMERS)
    control("DELETE", "dynamics365/customers/usmf%7CC-2")
    ran = run("sweep", CUSTOMERS, "--json")
    assert ran.code == 0
    assert ran.one["findings"]["gone_from_source"]["examples"] == ["usmf|C-2"]
    assert "1 gone_from_source" in run("sweep", CUSTOMERS).out


def test_a_queued_run_is_cancelled(run: Run, load: Load) -> None:
    load(people(1))
    queued = runs.start(flow(), ring=False)
    assert queued is not None
    assert run("cancel", CUSTOMERS, "--json").one["cancelled"] == [queued.pk]
    assert SyncRun.objects.get(pk=queued.pk).state == "cancelled"
    assert run("cancel", CUSTOMERS, "--json").one["cancelled"] == []


@pytest.mark.parametrize("since", ["yesterday", "2025-13-45", "12"])
def test_a_start_that_is_no_day_is_wrong_usage_and_starts_nothing(run: Run, load: Load, since: str) -> None:
    load(people(1), [invoice("SO-1", "C-1", ("MUG", "1", "5.00"))])
    ran = run("sync", SALES, "--since", since)
    assert ran.code == 2
    assert "is no day or time such as" in ran.err
    assert not SyncRun.objects.exists()


def test_a_start_cannot_be_given_to_a_run_that_has_begun(run: Run, load: Load) -> None:
    load(people(1), [invoice("SO-1", "C-1", ("MUG", "1", "5.00"))])
    SyncRun.objects.create(flow=flow("sale"), state="waiting", trigger="schedule")
    ran = run("sync", SALES, "--since", "2020-01-01")
    assert (ran.code, "is under way from elsewhere" in ran.err) == (1, True)


def test_a_sync_without_its_connections_makes_no_run(run: Run, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(1))
    monkeypatch.delenv("DYNAMICS365_URL")
    ran = run("sync", "dynamics365.customer")
    assert (ran.code, SyncRun.objects.count()) == (1, 0)
    assert "DYNAMICS365_URL" in ran.err
