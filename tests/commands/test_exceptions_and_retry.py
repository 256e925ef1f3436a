"""exceptions, retry, audit, reconcile."""

import pytest

from sync.models import SyncIssue, SyncRun
from tests.commands.conftest import Run
from tests.sync.conftest import Control, Load, open_issues, people, sync

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS = "dynamics365.customer"


def _one_without_email(load: Load) -> Control:
    control = load(people(3))
    control.customer("C-2", PrimaryContactEmail="nobody at home")
    sync()
    return control


def test_exceptions_are_listed_with_filters(run: Run, load: Load) -> None:
    _one_without_email(load)
    [row] = run("exceptions", "--json").rows
    assert (row["flow"], row["kind"], row["source_id"], row["team"]) == (
        CUSTOMERS,
        "invalid_email",
        "usmf|C-2",
        "marketing",
    )
    matching = (
        "--flow",
        CUSTOMERS,
        "--kind",
        "invalid_email",
        "--team",
        "marketing",
        "--state",
        "open",
        "--limit",
        "5",
    )
    assert len(run("exceptions", *matching, "--json").rows) == 1
    for other in (("--team", "finance"), ("--state", "resolved"), ("--kind", "orphan"), ("--flow", "dynamics365.sale")):
        assert run("exceptions", *other, "--json").rows == []
    assert "usmf|C-2" in run("exceptions").out
    assert run("exceptions", "--team", "nobody").code == 2


def test_a_retry_closes_the_exception_once_its_cause_is_fixed(run: Run, load: Load) -> None:
    control = _one_without_email(load)
    issue = SyncIssue.objects.get()
    still = run("retry", "--exception", str(issue.pk))
    assert (still.code, open_issues()) == (1, {("invalid_email", "usmf|C-2", "email")})
    control.customer("C-2", PrimaryContactEmail="right@example.com")
    ran = run("retry", "--exception", str(issue.pk), "--json")
    assert (ran.code, ran.one) == (0, {"retried": 1, "resolved": 1, "open": 0, "skipped": 0})
    assert control.contacts()["C-2"]["3"] == "right@example.com"


def test_every_exception_of_a_flow_is_retried_at_once(run: Run, load: Load) -> None:
    control = _one_without_email(load)
    control.customer("C-2", PrimaryContactEmail="right@example.com")
    ran = run("retry", "--flow", CUSTOMERS, "--json")
    assert (ran.code, ran.one["resolved"], open_issues()) == (0, 1, set())


def test_a_retry_on_a_paused_flow_says_that_it_waits(run: Run, load: Load) -> None:
    control = _one_without_email(load)
    control.forget_requests()
    run("pause", CUSTOMERS, "--note", "Emarsys is being cleaned up")
    issue = SyncIssue.objects.get()
    for which in (("--exception", str(issue.pk)), ("--flow", CUSTOMERS)):
        SyncIssue.objects.update(state="open")
        ran = run("retry", *which)
        assert ran.code == 1
        assert f"{CUSTOMERS} is paused (Emarsys is being cleaned up)" in ran.err
    assert control.requests() == []
    assert not SyncRun.objects.filter(keys_only=True).exists()


def test_a_retry_of_nothing_is_wrong_usage(run: Run, load: Load) -> None:
    load(people(1))
    assert run("retry", "--exception", "4711").code == 2
    assert run("retry").code == 2


def test_an_audit_shows_the_gaps_and_changes_nothing(run: Run, load: Load) -> None:
    control = load(people(3))
    ran = run("audit", "dynamics365", "--flow", CUSTOMERS, "--json")
    assert (ran.code, ran.one["findings"]["missing_in_target"]["records"]) == (0, 3)
    assert (control.all_contacts(), open_issues()) == ([], set())


def test_an_audit_of_an_unknown_connection_is_wrong_usage(run: Run, load: Load) -> None:
    load(people(1))
    ran = run("audit", "sap")
    assert ran.code == 2
    assert "dynamics365" in ran.err


def test_reconcile_opens_what_differs_and_closes_what_is_over(run: Run, load: Load) -> None:
    control = load(people(3))
    sync()
    contact = control.contacts()["C-2"]
    control.put_contact(int(contact["id"]), **{**{k: v for k, v in contact.items() if k != "id"}, "11": "Elsewhere"})
    assert run("reconcile", CUSTOMERS).code == 0
    assert open_issues() == {("field_drift", "usmf|C-2", "city")}
    control.put_contact(int(contact["id"]), **{k: v for k, v in contact.items() if k != "id"})
    ran = run("reconcile", CUSTOMERS, "--json")
    assert (ran.one["findings"], open_issues()) == ({}, set())


def test_reconcile_of_a_few_records_looks_at_these_alone(run: Run, load: Load) -> None:
    control = load(people(3))
    sync()
    for number in ("C-1", "C-2"):
        contact = control.contacts()[number]
        changed = {**{k: v for k, v in contact.items() if k != "id"}, "11": "Elsewhere"}
        control.put_contact(int(contact["id"]), **changed)
    rows = run("reconcile", CUSTOMERS, "--ids", "usmf|C-2,usmf|C-3,usmf|C-9", "--json").rows
    assert [(row["source_id"], row["state"], row["differing"]) for row in rows] == [
        ("usmf|C-2", "on both sides", ["city"]),
        ("usmf|C-3", "on both sides", []),
        ("usmf|C-9", "on no side", []),
    ]
    assert open_issues() == {("field_drift", "usmf|C-2", "city")}
    assert run("reconcile", "dynamics365.sale", "--ids", "usmf|SO-1|1").code == 2
