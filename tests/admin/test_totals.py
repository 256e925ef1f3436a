"""Control totals and the ledger: every figure opens exactly what it counts, for those whom it concerns."""

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from sync import ledger
from sync.admin import csv_export
from sync.models import AuditEvent, LedgerEntry
from tests.admin.desk_records import flow, issue, line, person

ROLES = {"marketing": 403, "finance": 200, "admin": 200, "viewer": 200}
STATES = ("accepted", "excluded", "held", "rejected", "unknown")


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(person(role))
    return client


def year_of_sales() -> None:
    """Three days in two months, two currencies, two legal entities, every state."""
    days = [date(2011, 10, 30), date(2011, 11, 2), date(2011, 11, 3)]
    number = 0
    for day in days:
        for state in STATES:
            for currency, company in (("GBP", "gb01"), ("EUR", "de01")):
                number += 1
                amount = Decimal(number) + Decimal("0.25")
                line(
                    1,
                    f"9{number:03}",
                    source_id=f"{company}|9{number:03}|1",
                    day=day,
                    state=state,
                    currency=currency,
                    company=company,
                    amount=amount,
                    customer="" if state == "excluded" else f"{company}|17850",
                    rule="no_customer" if state == "excluded" else "",
                )
    ledger.recompute(flow("sale"), days)


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_totals_and_ledger_open_for_those_whom_money_concerns(role: str) -> None:
    year_of_sales()
    client, entry = signed_in(role), LedgerEntry.objects.all()[0]
    urls = [reverse("admin:sync_controltotal_changelist"), reverse("admin:sync_ledgerentry_changelist")]
    urls += [reverse("admin:sync_ledgerentry_change", args=[entry.pk])]
    assert {client.get(url).status_code for url in urls} == {ROLES[role]}
    exports = [reverse("admin:sync_controltotal_export"), reverse("admin:sync_ledgerentry_export")]
    expected = 200 if role in ("finance", "admin") else 403
    assert {client.post(url).status_code for url in exports} == {expected}
    assert all(client.get(url).status_code in (403, 405) for url in exports)


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["day", "month"])
def test_every_figure_opens_exactly_its_lines_and_its_documents(by: str) -> None:
    year_of_sales()
    client = signed_in("finance")
    rows = client.get(reverse("admin:sync_controltotal_changelist"), {"by": by}).context["rows"]
    assert {row.kind for row in rows} == ({"day", "subtotal", "total"} if by == "day" else {"month", "total"})
    for row in rows:
        for cell in [*row.cells, row.difference]:
            found = client.get(cell.url).context
            [total] = found["sums"] or [{"n": 0, "amount_sum": Decimal(0), "currency": row.currency}]
            assert (total["n"], total["amount_sum"], total["currency"]) == (cell.lines, cell.amount, row.currency)
            assert sum(document["amount_sum"] for document in found["rows"]) == cell.amount


@pytest.mark.django_db
def test_the_difference_is_explained_by_what_adds_up_to_it() -> None:
    year_of_sales()
    rows = signed_in("finance").get(reverse("admin:sync_controltotal_changelist")).context["rows"]
    for row in rows:
        amounts = [cell.amount for cell in row.cells]
        assert amounts[0] == sum(amounts[1:], Decimal(0))
        assert row.difference.amount == amounts[0] - amounts[1]
        assert "excluded by a rule" in row.because
        assert "being sent" not in row.because
    whole = [row for row in rows if row.kind == "total"]
    assert [row.currency for row in whole] == ["EUR", "GBP"]


@pytest.mark.django_db
def test_what_is_being_sent_now_is_part_of_the_difference_and_said_so() -> None:
    line(1, state="sending")
    ledger.recompute(flow("sale"), [date(2010, 12, 1)])
    [row, _] = signed_in("finance").get(reverse("admin:sync_controltotal_changelist"), {"by": "month"}).context["rows"]
    assert row.because == "£15.30 being sent now"


@pytest.mark.django_db
def test_a_period_shows_its_days_only_and_a_swapped_one_is_understood() -> None:
    year_of_sales()
    client, url = signed_in("finance"), reverse("admin:sync_controltotal_changelist")
    for period in (
        {"from": "2011-11-01", "to": "2011-11-02"},
        {"from": "2011-11-02", "to": "2011-11-01"},
    ):
        rows = client.get(url, period).context["rows"]
        assert {row.first for row in rows if row.kind == "day"} == {"2011-11-02"}
    assert client.get(url, {"from": "yesterday", "to": "2011-99-99"}).status_code == 200


@pytest.mark.django_db
def test_without_sales_the_page_says_when_totals_appear() -> None:
    answer = signed_in("finance").get(reverse("admin:sync_controltotal_changelist"))
    assert "No sales yet" in answer.content.decode()


@pytest.mark.django_db
def test_paging_through_documents_shows_each_once() -> None:
    for number in range(130):
        line(1, f"{number:05}")
        line(2, f"{number:05}")
    client, url, seen = signed_in("finance"), reverse("admin:sync_ledgerentry_changelist"), []
    address = f"{url}?view=documents&state=accepted"
    while address:
        context = client.get(address).context
        seen += [row["document"] for row in context["rows"]]
        address = url + context["next"] if context["next"] else ""
    assert len(seen) == len(set(seen)) == 130


@pytest.mark.django_db
def test_paging_through_lines_shows_each_once_and_costs_the_same(django_assert_max_num_queries: Any) -> None:
    for number in range(120):
        line(number)
    client, url, seen = signed_in("finance"), reverse("admin:sync_ledgerentry_changelist"), []
    address = f"{url}?day=2010-12-01"
    while address:
        with django_assert_max_num_queries(25):
            context = client.get(address).context
        seen += [row.pk for row in context["rows"]]
        address = url + context["next"] if context["next"] else ""
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.django_db
def test_a_credit_shows_its_inferred_original_and_a_document_its_exceptions() -> None:
    sale = line(1, "1001")
    credit = line(1, "C1002", credit=True, amount=Decimal("-15.30"), original=sale.source_id)
    orphan = line(2, "C1002", credit=True, amount=Decimal("-1"))
    issue("zero_total", "gb01|C1002", entity="sale")
    shown = signed_in("finance").get(reverse("admin:sync_ledgerentry_change", args=[credit.pk])).content.decode()
    assert reverse("admin:sync_ledgerentry_change", args=[sale.pk]) in shown
    assert "inferred: same customer and article, earlier" in shown
    assert "none found" in shown
    assert "Invoice with a total of zero" in shown
    assert orphan.document in shown


@pytest.mark.django_db
def test_codes_that_differ_only_by_case_open_their_lines() -> None:
    line(1, sku="85123A"), line(2, sku="85123a"), line(3, sku="22423")
    address = reverse("admin:sync_ledgerentry_changelist", query={"codes": "case_only"})
    rows = signed_in("finance").get(address).context["rows"]
    assert {row.sku for row in rows} == {"85123A", "85123a"}


@pytest.mark.django_db
def test_an_export_holds_exactly_the_filtered_lines_and_is_written_down() -> None:
    year_of_sales()
    line(9, "EVIL", name="=HYPERLINK(1)", sku="@SUM(A1)", day=date(2011, 11, 2))
    url = reverse("admin:sync_ledgerentry_export", query={"day": "2011-11-02"})
    answer = signed_in("finance").post(url)
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == LedgerEntry.objects.filter(day="2011-11-02").count()
    evil = next(row for row in rows if row["document"] == "EVIL")
    assert (evil["name"], evil["sku"]) == ("'=HYPERLINK(1)", "'@SUM(A1)")
    event = AuditEvent.objects.get(action="export")
    assert (event.actor_name, event.after) == ("finance", {"filter": {"day": "2011-11-02"}, "rows": len(rows)})
    assert answer["Content-Disposition"] == 'attachment; filename="ledger-lines.csv"'


@pytest.mark.django_db
def test_exported_totals_are_the_figures_of_the_page() -> None:
    year_of_sales()
    client = signed_in("finance")
    answer = client.post(reverse("admin:sync_controltotal_export", query={"by": "month"}))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    shown = client.get(reverse("admin:sync_controltotal_changelist"), {"by": "month"}).context["rows"]
    assert [Decimal(row["ERP amount"]) for row in rows] == [row.cells[0].amount for row in shown]
    assert [Decimal(row["Difference (ERP − accepted)"]) for row in rows] == [row.difference.amount for row in shown]


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_no_cell_starts_a_formula_and_every_cell_comes_back(cells: list[str]) -> None:
    cells = [cell.replace("\r", "").replace("\0", "") for cell in cells]
    text = "".join(csv_export.lines(["a"] * len(cells), [cells])).lstrip("\ufeff")
    [_, row] = list(csv.reader(io.StringIO(text, newline="")))
    for given_, read in zip(cells, row, strict=True):
        assert read in (given_, f"'{given_}")
        first = read.lstrip()[:1]
        assert not (first and first in "=+-@|＝＋－＠｜") or csv_export._NUMBER.match(read)


@pytest.mark.parametrize(
    ("summed", "shown"),
    [("178515.160000000", "178515.16"), ("-5.000000", "-5.00"), ("0.0010", "0.001"), ("0", "0"), ("12.5", "12.50")],
)
def test_an_exported_amount_has_no_zeros_that_a_sum_left_behind(summed: str, shown: str) -> None:
    assert csv_export.neutral(Decimal(summed)) == shown
