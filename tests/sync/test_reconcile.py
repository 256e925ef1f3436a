"""Both systems compared: every difference is found and nothing else; what is over closes with its proof."""

import random
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from sync import triage
from sync.models import CrossReference, LedgerEntry, SyncIssue, SyncRun
from tests.sync.conftest import Control, Load, buckets, flow, invoice, open_issues, people, sync, worked

pytestmark = pytest.mark.django_db(transaction=True)
Planted = tuple[str, str, str]
"""(kind, customer or contact, field)"""


@pytest.fixture
def marketing(transactional_db: None) -> User:
    return User.objects.create_user("marketing")


def found() -> set[Planted]:
    """Open exceptions: the customer's number, or the contact's id for what no customer owns."""
    rows = SyncIssue.objects.filter(state="open").values_list("kind", "source_id", "target_id", "field")
    return {(kind, source.rpartition("|")[2] or target, field) for kind, source, target, field in rows}


def compare(stream: str = "customer", **options: Any) -> SyncRun:
    run = sync(stream, kind="compare", **options)
    assert run.state == "completed", run.message
    return run


def plant(control: Control, kind: str, number: int) -> Planted:
    """Makes one difference around customer C-<number>, as a colleague with an old file would."""
    account, stranger = f"C-{number}", 900_000 + number
    contact = control.contacts()[account]["id"]
    address = f"emarsys/contacts/{contact}"
    if kind == "drift":
        control("PATCH", address, {"11": "Old town"})
        return "field_drift", account, "city"
    if kind == "email":
        control("PATCH", address, {"3": f"old{number}@example.net"})
        return "field_drift", account, "email"
    if kind == "missing":
        control("DELETE", address)
        return "missing_in_target", account, ""
    if kind == "unlinked":
        control("PATCH", address, {control.key_field: ""})
        return "not_linked", account, "external_id"
    if kind == "second with number":
        control.put_contact(stranger, **{control.key_field: account, "f3": f"twin{number}@example.net"})
        return "duplicate_in_target", account, "external_id"
    if kind == "second with e-mail":
        control.put_contact(stranger, f3=f"person{number}@example.com")
        return "duplicate_in_target", account, "email"
    if kind == "two candidates":
        control("DELETE", address)
        control.put_contact(stranger, f3=f"person{number}@example.com")
        control.put_contact(stranger + 50_000, f3=f"person{number}@example.com")
        return "duplicate_in_target", account, "contact"
    fields = {control.key_field: f"GONE-{number}"} if kind == "orphan with number" else {"f3": f"x{number}@example.org"}
    control.put_contact(stranger, **fields)
    return "orphan", str(stranger), ""


KINDS = (
    "drift",
    "email",
    "missing",
    "unlinked",
    "second with number",
    "second with e-mail",
    "two candidates",
    "orphan",
    "orphan with number",
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_planted_difference_is_found_and_nothing_else(load: Load, seed: int) -> None:
    chance = random.Random(seed)
    control = load(people(60))
    sync()
    compare()
    assert found() == set()
    who = chance.sample(range(1, 61), 20)
    planted = {plant(control, chance.choice(KINDS) if at >= len(KINDS) else KINDS[at], n) for at, n in enumerate(who)}
    for _ in range(2):
        run = compare()
        assert found() == planted
        assert sum(kind["records"] for kind in run.findings.values()) == len(planted)
    # What the ERP decides heals by a sync; the rest is for people.
    sync()
    compare()
    mine = {"duplicate_in_target", "orphan"}
    assert found() == {one for one in planted if one[0] in mine}
    assert all(one.resolution for one in SyncIssue.objects.filter(state="resolved"))


def test_opt_outs_are_no_difference_and_stay(load: Load) -> None:
    control = load(people(5))
    sync()
    contact = control.contacts()["C-1"]["id"]
    control("PATCH", f"emarsys/contacts/{contact}", {"31": "2"})
    compare()
    assert found() == set()
    sync(full=True)
    assert control.contacts()["C-1"]["31"] == "2"


def test_a_difference_that_a_sync_heals_closes_with_the_proof_of_both_readings(load: Load) -> None:
    control = load(people(3))
    sync()
    plant(control, "drift", 2)
    compare()
    run = sync()
    assert buckets(run) == {"accepted": 1, "unchanged": 2}
    issue = SyncIssue.objects.get()
    assert (issue.state, "Both systems were read" in issue.resolution) == ("resolved", True)


def test_a_difference_that_people_removed_in_emarsys_closes_with_the_next_comparison(load: Load) -> None:
    control = load(people(3))
    sync()
    plant(control, "orphan", 2)
    compare()
    control("DELETE", "emarsys/contacts/900002")
    run = compare()
    issue = SyncIssue.objects.get()
    assert (issue.state, f"Comparison {run.pk}" in issue.resolution) == ("resolved", True)
    plant(control, "orphan", 2)
    compare()
    assert list(SyncIssue.objects.order_by("pk").values_list("state", "regressed")) == [
        ("resolved", False),
        ("open", True),
    ]


def test_orders_of_a_customer_with_two_contacts_follow_once_people_left_one(load: Load, marketing: User) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    for contact in (900_001, 900_002):
        control.put_contact(contact, f3="person1@example.com")
    sync()
    assert buckets(sync("sale")) == {"held": 2}
    control("DELETE", "emarsys/contacts/900002")
    triage.retry(SyncIssue.objects.get(kind="duplicate_in_target"), marketing)
    worked(SyncRun.objects.get(kind="compare"))
    worked(SyncRun.objects.get(kind="sync", state="queued"))
    worked(SyncRun.objects.get(kind="sync", state="queued", flow=flow("sale")))
    assert open_issues() == set()
    assert (len(control.sales()), control.contacts()["C-1"]["id"]) == (2, "900001")


@pytest.mark.parametrize("first", ["sync", "comparison"])
def test_two_contacts_with_one_number_are_one_exception_whoever_saw_them_first(load: Load, first: str) -> None:
    control = load(people(3))
    sync()
    planted = plant(control, "second with number", 2)
    if first == "comparison":
        compare()
    for _ in range(2):
        control.customer("C-2", AddressCity=f"Town {SyncRun.objects.count()}")
        assert buckets(sync())["rejected"] == 1
        compare()
        assert {one for one in found() if one[0] == planted[0]} == {planted}
    assert not SyncIssue.objects.filter(regressed=True, kind=planted[0]).exists()
    assert not SyncRun.objects.filter(state="queued").exists()
    assert "no difference any more" not in "".join(SyncIssue.objects.values_list("resolution", flat=True))


def test_what_was_waived_stays_waived_until_a_value_changes(load: Load, marketing: User) -> None:
    control = load(people(3))
    sync()
    plant(control, "drift", 2)
    compare()
    triage.waive(SyncIssue.objects.get(), marketing, "They moved, the ERP is late")
    compare()
    assert list(SyncIssue.objects.values_list("state", flat=True)) == ["waived"]
    contact = control.contacts()["C-2"]["id"]
    control("PATCH", f"emarsys/contacts/{contact}", {"11": "Another town"})
    compare()
    assert sorted(SyncIssue.objects.values_list("state", flat=True)) == ["open", "waived"]


def test_the_sides_of_a_difference_are_kept_for_the_screen(load: Load) -> None:
    control = load(people(3))
    sync()
    plant(control, "drift", 2)
    compare()
    issue = SyncIssue.objects.get()
    assert (issue.erp_value, issue.target_value) == ("London", "Old town")
    assert [one["field"] for one in issue.details["fields"] if not one["same"]] == ["city"]
    assert CrossReference.objects.get(source_id="usmf|C-2").sent_digest is None
    assert CrossReference.objects.get(source_id="usmf|C-1").confirmed_at is not None


def test_an_audit_writes_nothing_but_its_run(load: Load) -> None:
    control = load(people(10))
    sync()
    for at, kind in enumerate(KINDS, 1):
        plant(control, kind, at)
    control.forget_requests()
    before = everything()
    run = compare(apply=False)
    assert everything() == before
    assert {kind: one["records"] for kind, one in run.findings.items()} == {
        "field_drift": 2,
        "missing_in_target": 1,
        "not_linked": 1,
        "duplicate_in_target": 3,
        "orphan": 2,
    }
    assert control.writes() == []


def everything() -> dict[str, Any]:
    """Every row of every table, but runs and the count of calls."""
    models = [model for model in apps.get_app_config("sync").get_models() if model._meta.model_name not in
              ("syncrun", "apibudget", "apiusage")]  # fmt: skip
    return {model._meta.label: sorted(map(str, model.objects.values_list())) for model in models}


def test_a_comparison_stops_when_it_is_cancelled(load: Load, marketing: User) -> None:
    from sync import runs
    from tests.sync.conftest import worked

    load(people(3))
    run = runs.start(flow(), kind="compare", ring=False)
    assert run is not None
    runs.cancel(run, marketing)
    assert worked(run).state == "cancelled"


# ------------------------------------------------------------------------------------------------ sales

A, B = ("MUG", "6", "12.30"), ("CUP", "1", "2.05")


def test_an_order_that_was_never_sent_is_found_and_closes_once_it_is(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    sync("sale")
    compare("sale")
    assert open_issues() == set()
    LedgerEntry.objects.filter(line="2").delete()
    compare("sale")
    assert open_issues() == {("missing_in_ledger", "usmf|SO-1|2", "")}
    assert str(SyncIssue.objects.get().money) == "2.05"
    sync("sale")
    compare("sale")
    assert open_issues() == set()
    assert len(control.sales()) == 3


def test_a_line_that_vanished_from_the_erp_is_found(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    sync("sale")
    control("DELETE", "dynamics365/invoice_lines/usmf%7CSO-1%7C2")
    compare("sale")
    assert open_issues() == {("missing_in_source", "usmf|SO-1|2", "")}


def test_a_line_changed_after_sending_stays_open_through_comparisons(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    sync("sale")
    control.line("SO-1", 1, LineAmount=10.3)
    sync("sale")
    [changed] = open_issues()
    assert changed[:2] == ("document_changed", "usmf|SO-1|1")
    compare("sale")
    assert changed in open_issues()
    control.line("SO-1", 1, LineAmount=12.3)
    compare("sale")
    assert changed not in open_issues()


def test_a_change_outside_the_window_is_found_by_the_comparison(load: Load) -> None:
    control = load(
        people(1), [invoice("SO-1", "C-1", A, day="2026-01-02"), invoice("SO-2", "C-1", B, day="2026-05-02")]
    )
    sync()
    sync("sale")
    control.line("SO-1", 1, LineAmount=10.3)
    assert buckets(sync("sale")) == {"unchanged": 1}
    compare("sale")
    assert ("document_changed", "usmf|SO-1|1") in {one[:2] for one in open_issues()}
    assert len(control.sales()) == 2


def test_a_customer_the_sync_rejects_shows_what_it_is_worth(load: Load) -> None:
    """Marketing sees which of its duplicates holds the most money back."""
    control = load(people(1), [invoice("S-1", "C-1", ("MUG", "2", "25.00"))])
    sync("sale")
    control.put_contact(900001, f3="person1@example.com")
    control.put_contact(900002, f3="person1@example.com")
    sync()
    issue = SyncIssue.objects.get(kind="duplicate_in_target")
    assert (str(issue.money), issue.currency) == ("25.00", "GBP")
