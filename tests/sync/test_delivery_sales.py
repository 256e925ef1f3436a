"""Sales on their way: each line once, and every penny accounted for in ERP, ledger, control totals and Emarsys."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Sum

from sync import ledger, triage
from sync.models import ControlTotal, Delivery, LedgerEntry, PendingKey, SyncIssue, SyncRun
from tests.sync.conftest import (
    Control,
    Load,
    buckets,
    flow,
    goes_on,
    invoice,
    open_issues,
    people,
    sync,
    worked,
)

pytestmark = pytest.mark.django_db(transaction=True)
A, B = ("MUG", "6", "12.30"), ("CUP", "1", "2.05")


@pytest.fixture
def finance(transactional_db: None) -> User:
    return User.objects.create_user("finance")


def released() -> SyncRun:
    """The run that a confirmed contact has started for its orders."""
    return worked(SyncRun.objects.get(flow=flow("sale"), state="queued"))


def states() -> dict[str, str]:
    return dict(LedgerEntry.objects.values_list("source_id", "state"))


def total(state: str = "accepted") -> Decimal:
    found = LedgerEntry.objects.filter(state=state).aggregate(money=Sum("amount"))["money"]
    return Decimal(str(found or 0)).quantize(Decimal("0.01"))


def received(control: Control) -> Decimal:
    return sum((Decimal(row["price"]) for row in control.sales()), Decimal(0)).quantize(Decimal("0.01"))


def agree(control: Control) -> None:
    """Emulated Emarsys, ledger and control totals to the penny, and each line once."""
    sent = [row["s_invoice_line"] for row in control.sales()]
    assert len(sent) == len(set(sent))
    assert set(sent) == {key for key, state in states().items() if state == "accepted"}
    assert received(control) == total()
    sums = ControlTotal.objects.aggregate(sent=Sum("accepted_amount"), erp=Sum("erp_amount"))
    assert Decimal(str(sums["sent"] or 0)).quantize(Decimal("0.01")) == total()
    everything = sum((total(state) for state in ("accepted", "excluded", "held", "rejected", "unknown")), Decimal(0))
    assert Decimal(str(sums["erp"] or 0)).quantize(Decimal("0.01")) == everything


def test_sales_wait_for_their_contact_and_are_released_by_themselves(load: Load) -> None:
    control = load(people(2), [invoice("SO-1", "C-1", A, B), invoice("SO-2", "C-2", B)])
    run = sync("sale")
    assert (run.state, buckets(run), control.sales()) == ("completed", {"held": 3}, []), run.message
    assert {(kind, key) for kind, key, _ in open_issues()} == {
        ("held_for_parent", "usmf|C-1"),
        ("held_for_parent", "usmf|C-2"),
    }
    assert SyncIssue.objects.get(source_id="usmf|C-1").money == Decimal("14.35")
    sync()
    run = released()
    assert (run.state, buckets(run), run.keys_only) == ("completed", {"accepted": 3}, True)
    assert open_issues() == set()
    assert PendingKey.objects.count() == 0
    agree(control)
    [first] = [row for row in control.sales() if row["s_invoice_line"] == "usmf|SO-1|1"]
    assert (first["item"], first["price"], first["quantity"], first["order"], first["customer"]) == (
        "MUG", "12.3", "6", "SO-1", "C-1",
    )  # fmt: skip


def test_only_the_orders_of_confirmed_contacts_go_out(load: Load) -> None:
    control = load(people(2), [invoice("SO-1", "C-1", A), invoice("SO-2", "C-2", B)])
    control.fault("partial", system="emarsys", method="PUT", path="/contact/", keys=["C-2"])
    sync()
    run = sync("sale")
    assert buckets(run) == {"accepted": 1, "held": 1}
    sync()
    released()
    assert states() == {"usmf|SO-1|1": "accepted", "usmf|SO-2|1": "accepted"}
    agree(control)


def test_an_invoice_without_customer_is_one_counted_card_with_its_money(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A), *(invoice(f"X-{n}", "", A, B) for n in range(3))])
    sync()
    run = sync("sale")
    assert buckets(run) == {"accepted": 1, "excluded": 6}
    assert set(LedgerEntry.objects.filter(state="excluded").values_list("rule", flat=True)) == {"no_customer"}
    card = SyncIssue.objects.get()
    assert (card.kind, card.records, card.money, card.currency) == (
        "excluded_no_customer", 6, Decimal("43.05"), "GBP",
    )  # fmt: skip
    agree(control)
    assert buckets(sync("sale")) == {"excluded": 6, "unchanged": 1}
    assert SyncIssue.objects.count() == 1


def test_credits_are_negative_and_their_originals_inferred(load: Load) -> None:
    invoices = [
        invoice("SO-1", "C-1", A, day="2026-01-10"),
        invoice("SO-2", "C-1", A, day="2026-01-12"),
        invoice("SO-3", "C-1", A, day="2026-01-20"),
        invoice("CR-1", "C-1", ("MUG", "-2", "-4.10"), day="2026-01-15"),
        invoice("CR-2", "C-1", ("NEVER SOLD", "-1", "-9.99"), day="2026-01-15"),
    ]
    control = load(people(1), invoices)
    sync()
    assert buckets(sync("sale")) == {"accepted": 5}
    credits = dict(LedgerEntry.objects.filter(credit=True).values_list("source_id", "original"))
    assert credits == {"usmf|CR-1|1": "usmf|SO-2|1", "usmf|CR-2|1": ""}
    [row] = [one for one in control.sales() if one["order"] == "CR-1"]
    assert (row["price"], row["quantity"]) == ("-4.1", "-2")
    [card] = SyncIssue.objects.all()
    assert (card.kind, card.records, card.money) == ("credit_without_original", 1, Decimal("-9.99"))
    agree(control)


def test_equal_lines_are_each_sent(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, A, A)])
    sync()
    assert buckets(sync("sale")) == {"accepted": 3}
    assert received(control) == Decimal("36.90")
    agree(control)


def test_a_second_run_sends_nothing(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    sync("sale")
    control.forget_requests()
    for full in (False, True):
        run = sync("sale", full=full)
        assert (run.state, buckets(run), run.writes) == ("completed", {"unchanged": 2}, 0)
    assert control.writes() == []
    agree(control)


def test_a_line_changed_after_it_was_sent_is_an_exception_and_not_sent_again(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    sync("sale")
    control.line("SO-1", 1, LineAmount=10.3, SalesPrice=1.7166)
    run = sync("sale")
    assert (buckets(run), run.writes) == ({"rejected": 1, "unchanged": 1}, 0)
    issue = SyncIssue.objects.get(kind="document_changed")
    assert (issue.source_id, issue.money, issue.currency) == ("usmf|SO-1|1", Decimal("-2.00"), "GBP")
    agree(control)
    assert len(control.sales()) == 2


def test_a_zero_total_is_said_once_for_the_invoice_and_the_lines_are_sent(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", ("GIFT", "1", "0"), ("CARD", "2", "0"))])
    sync()
    assert buckets(sync("sale")) == {"accepted": 2}
    assert open_issues() == {("zero_total", "usmf|SO-1", "TotalInvoiceAmount")}
    agree(control)


def test_codes_that_differ_by_case_alone_are_one_note(load: Load) -> None:
    codes = [(code, "1", "1.00") for code in ("85123A", "85123a", "MUG", "22D", "22d")]
    control = load(people(1), [invoice("SO-1", "C-1", *codes)])
    sync()
    sync("sale")
    sync("sale")
    [note] = SyncIssue.objects.all()
    assert (note.kind, note.records, note.details["codes"]) == (
        "case_only_codes", 2, ["22d", "85123a"],
    )  # fmt: skip
    assert {row["item"] for row in control.sales()} >= {"85123A", "85123a"}


def test_a_document_that_does_not_add_up_is_an_exception(load: Load) -> None:
    order, lines = invoice("SO-1", "C-1", A, B)
    control = load(people(1), [(order | {"total": "14.35"}, lines)])
    control.line("SO-1", 2, LineAmount=7.05)
    sync()
    sync("sale")
    issue = SyncIssue.objects.get()
    assert (issue.kind, issue.source_id, issue.money) == ("unbalanced_document", "usmf|SO-1", Decimal("-5.00"))
    agree(control)


def test_a_retry_says_whether_the_document_adds_up_now(load: Load, finance: User) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    control("PATCH", "dynamics365/invoices/usmf%7CSO-1", {"TotalInvoiceAmount": 20})
    sync()
    sync("sale")
    issue = SyncIssue.objects.get()
    triage.retry(issue, finance)
    released()
    issue.refresh_from_db()
    assert (issue.kind, issue.state) == ("unbalanced_document", "open")
    control("PATCH", "dynamics365/invoices/usmf%7CSO-1", {"TotalInvoiceAmount": 14.35})
    triage.retry(issue, finance)
    released()
    issue.refresh_from_db()
    assert issue.state == "resolved"
    assert len(control.sales()) == 2


def test_a_run_whose_buckets_do_not_add_up_cannot_be_completed(load: Load) -> None:
    load(people(1))
    run = sync()
    with pytest.raises(IntegrityError), transaction.atomic():
        SyncRun.objects.filter(pk=run.pk).update(read=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        SyncRun.objects.filter(pk=run.pk).update(accepted=0)


def test_a_line_is_in_the_ledger_once(load: Load) -> None:
    load(people(1), [invoice("SO-1", "C-1", A)])
    sync()
    sync("sale")
    line = LedgerEntry.objects.get()
    line.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        line.save()


def test_control_totals_can_be_computed_again_from_the_ledger(load: Load) -> None:
    load(people(1), [invoice("SO-1", "C-1", A, day="2026-01-15"), invoice("SO-2", "C-1", B, day="2026-01-16")])
    sync()
    sync("sale")
    names = [field.name for field in ControlTotal._meta.fields if field.name not in ("computed_at", "id")]
    before = list(ControlTotal.objects.order_by("day").values(*names))
    assert [one["accepted_amount"] for one in before] == [Decimal("12.30"), Decimal("2.05")]
    ControlTotal.objects.update(accepted_amount=0, documents=9)
    ledger.recompute(flow("sale"), {one["day"] for one in before})
    assert list(ControlTotal.objects.order_by("day").values(*names)) == before


# ------------------------------------------------------------------------------- what goes wrong on the way

UPLOAD: dict[str, Any] = {"system": "emarsys", "method": "POST", "path": "/sales-data/"}


def test_a_lost_answer_leaves_unknown_lines_that_are_never_sent_again(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    control.fault("drop_after_accept", **UPLOAD)
    run = sync("sale")
    assert run.state == "waiting"
    assert set(states().values()) == {"unknown"}
    run = goes_on(run)
    assert (run.state, buckets(run)) == ("completed", {"unknown": 2})
    issue = SyncIssue.objects.get(state="open")
    assert (issue.kind, issue.records, issue.money, issue.currency) == (
        "unknown_outcome", 2, Decimal("14.35"), "GBP",
    )  # fmt: skip
    sync("sale")
    assert len(control.sales()) == 2
    assert len(control.writes()) == 2, "one for the contact and the upload whose answer was lost"
    assert SyncIssue.objects.filter(kind="unknown_outcome", state="open").count() == 1


def test_a_person_confirms_that_the_lines_arrived(load: Load, finance: User) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    control.fault("drop_after_accept", **UPLOAD)
    goes_on(sync("sale"))
    assert triage.confirm_arrived(SyncIssue.objects.get(state="open"), finance, "Seen in Emarsys' report") == 2
    agree(control)
    assert (buckets(sync("sale")), open_issues()) == ({"unchanged": 2}, set())
    agree(control)


def test_a_person_has_lines_sent_again_that_did_not_arrive(load: Load, finance: User) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    control.fault("timeout", seconds=0, **UPLOAD)
    goes_on(sync("sale"))
    assert control.sales() == []
    assert triage.send_again(SyncIssue.objects.get(state="open"), finance, "Not in Emarsys' report") == 2
    run = released()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 2})
    assert open_issues() == set()
    agree(control)


def test_of_a_file_sent_in_halves_only_the_unanswered_half_is_unknown(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    control.fault("status", code=400, body="row 1 is bad", **UPLOAD)
    control.fault("drop_after_accept", after=2, **UPLOAD)
    run = goes_on(sync("sale"))
    assert sorted(states().values()) == ["accepted", "unknown"]
    assert (run.state, len(control.sales())) == ("completed", 2)


def test_of_a_file_sent_in_halves_the_accepted_half_is_not_sent_again(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)])
    sync()
    control.fault("status", code=400, body="row 1 is bad", **UPLOAD)
    control.fault("status", code=429, headers={"Retry-After": "300"}, after=2, **UPLOAD)
    run = sync("sale")
    assert run.state == "waiting"
    assert len(control.sales()) == 1
    assert states() == {"usmf|SO-1|1": "accepted"}
    run = goes_on(run)
    assert run.state == "completed"
    agree(control)
    assert len(control.sales()) == 2


def test_one_poisoned_line_is_found_by_halving(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", *((f"SKU-{n}", "1", "1.00") for n in range(8)))])
    sync()
    # Emarsys refuses each file that holds the first line: 8, 4, 2 and 1.
    control.fault("status", code=400, body="bad row", times=4, **UPLOAD)
    run = sync("sale")
    assert buckets(run) == {"accepted": 7, "rejected": 1}
    assert {(kind, key) for kind, key, _ in open_issues()} == {("refused_by_target", "usmf|SO-1|1")}
    agree(control)
    assert Delivery.objects.get(flow=flow("sale")).outcome == "partly"


def test_refused_credentials_leave_nothing_unknown(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)], EMARSYS_SALES_BATCH="1")
    sync()
    control.fault("status", code=401, after=1, times=0, **UPLOAD)
    run = sync("sale")
    assert run.state == "failed"
    assert len(control.sales()) == 1
    assert set(states().values()) == {"accepted"}
    control.heal()
    run = sync("sale")
    assert (run.state, buckets(run)) == ("completed", {"accepted": 1, "unchanged": 1})
    assert open_issues() == set()
    agree(control)


def test_an_answer_nobody_knows_leaves_the_lines_unknown_and_the_others_accepted(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A, B)], EMARSYS_SALES_BATCH="1")
    sync()
    control.fault("status", code=404, body="who are you", **UPLOAD)
    assert sync("sale").state == "failed"
    assert sorted(states().values()) == ["accepted", "unknown"]
    run = sync("sale")
    assert (run.state, buckets(run)) == ("completed", {"unchanged": 1, "unknown": 1})
    assert {kind for kind, _, _ in open_issues()} == {"unknown_outcome"}


def test_a_server_in_trouble_with_a_file_may_have_taken_it(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A)])
    sync()
    control.fault("status", code=503, **UPLOAD)
    goes_on(sync("sale"))
    assert set(states().values()) == {"unknown"}


def test_a_page_of_a_proxy_tells_nothing_of_a_file_and_the_run_goes_on(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A), invoice("SO-2", "C-1", B)], EMARSYS_SALES_BATCH="1")
    sync()
    control.fault("html", **UPLOAD)
    run = sync("sale")
    assert (run.state, sorted(states().values())) == ("waiting", ["accepted", "unknown"])
    run = goes_on(run)
    assert (run.state, len(control.requests("POST", "/sales-data/"))) == ("completed", 2)
    assert {kind for kind, _, _ in open_issues()} == {"unknown_outcome"}


def test_throttling_only_postpones(load: Load) -> None:
    control = load(people(1), [invoice("SO-1", "C-1", A)])
    sync()
    control.fault("status", code=429, headers={"Retry-After": "120"}, **UPLOAD)
    run = sync("sale")
    assert (run.state, states()) == ("waiting", {})
    assert buckets(goes_on(run)) == {"accepted": 1}
    agree(control)
