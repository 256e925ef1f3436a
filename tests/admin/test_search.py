"""Search: any id or exact e-mail answers with the record's whole story, within what the role may see."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sync.digests import email_digest
from sync.models import CrossReference, Delivery, Flow, LedgerEntry
from tests.admin import desk_records, sample_runs
from tests.admin.desk_records import person

pytestmark = pytest.mark.django_db
EMAIL = "ann.lee@example.com"


@pytest.fixture
def ann() -> CrossReference:
    now = timezone.now()
    return CrossReference.objects.create(
        flow=desk_records.flow(),
        source_id="gbsi|12345",
        target_id="900001",
        target_key="12345",
        email_digest=email_digest(EMAIL),
        first_synced_at=now,
        last_synced_at=now,
        confirmed_at=now,
    )


def line(number: int, document: str = "536365", **given: object) -> LedgerEntry:
    values: dict[str, object] = {
        "flow": desk_records.flow("sale"),
        "source_id": f"gbsi|{document}|{number}",
        "document": document,
        "line": str(number),
        "company": "gbsi",
        "customer": "gbsi|12345",
        "sku": "85123A",
        "quantity": 6,
        "unit_price": Decimal("2.55"),
        "amount": Decimal("15.30"),
        "document_total": Decimal("30.60"),
        "currency": "GBP",
        "day": date(2011, 1, 4),
        "state": "accepted",
        "updated_at": timezone.now(),
    }
    return LedgerEntry.objects.create(**{**values, **given})


def searched(role: str, text: str) -> str:
    client = Client()
    client.force_login(person(role))
    reply = client.post("/console/search/", {"q": text})
    assert reply.status_code == 200
    return reply.content.decode()


@pytest.mark.parametrize("text", ["gbsi|12345", "12345", "900001", f"  {EMAIL} ", EMAIL.upper()])
def test_a_customer_is_found_by_any_of_its_ids_and_by_its_exact_email(ann: CrossReference, text: str) -> None:
    html = searched("admin", text)
    assert "gbsi|12345" in html
    assert "900001" in html


@pytest.mark.parametrize("text", ["ann.lee", "lee@example.com", "1234", "%", "gbsi|1234_", ""])
def test_parts_of_an_id_or_an_address_find_nothing(ann: CrossReference, text: str) -> None:
    assert "900001" not in searched("admin", text)


def test_an_email_never_stands_in_an_address_or_a_title(ann: CrossReference) -> None:
    html = searched("marketing", EMAIL)
    head = html[: html.index("</head>")]
    assert "@" not in head
    assert f"?q={EMAIL}" not in html
    assert "%40" not in html


def test_an_email_in_an_address_is_not_even_looked_up(ann: CrossReference) -> None:
    client = Client()
    client.force_login(person("marketing"))
    html = client.get("/console/search/", {"q": EMAIL}).content.decode()
    assert "900001" not in html
    assert EMAIL not in html


@pytest.mark.parametrize("text", ["9" * 30, "9" * 18, "-1", "0", "\u0663", "a\x00b", "' OR 1=1 --", "x" * 500])
def test_strange_input_is_simply_not_found(text: str) -> None:
    assert "Nothing is known under this id" in searched("admin", text)


def test_a_customer_shows_sales_exceptions_and_what_happened(ann: CrossReference) -> None:
    line(1)
    line(2)
    desk_records.issue("field_drift", "gbsi|12345")
    html = searched("admin", "12345")
    assert "536365" in html
    assert "£30.60" in html
    assert "Field differs" in html
    assert "First accepted by emarsys" in html


def test_the_runs_that_touched_a_record_are_told(ann: CrossReference) -> None:
    CrossReference.objects.create(flow=ann.flow, source_id="gbsi|accepted-1")
    run = sample_runs.finished(ann.flow, accepted=3)
    html = searched("viewer", "gbsi|accepted-1")
    assert f"Run {run.pk} of dynamics365.customer: accepted" in html


@pytest.mark.parametrize("text", ["536365", "gbsi|536365|1"])
def test_an_invoice_is_found_by_its_number_or_a_line_with_its_delivery(text: str) -> None:
    now = timezone.now()
    sale = desk_records.flow("sale")
    run = sample_runs.finished(sale, accepted=1)
    delivery = Delivery.objects.create(
        run=run, flow=sale, key="k9", epoch=1, records=1, keys=b"", intended_at=now, outcome="accepted"
    )
    line(1, delivery=delivery)
    html = searched("finance", text)
    assert "85123A" in html
    assert f"/console/sync/syncrun/{run.pk}/change/" in html


def test_runs_and_exceptions_are_found_by_their_number() -> None:
    run, issue = sample_runs.finished(accepted=1), desk_records.issue()
    assert f"/console/sync/syncrun/{run.pk}/change/" in searched("viewer", str(run.pk))
    assert f"/console/sync/syncissue/{issue.pk}/change/" in searched("viewer", str(issue.pk))


def test_marketing_does_not_see_sales_nor_finances_exceptions(ann: CrossReference) -> None:
    line(1)
    desk_records.issue("zero_total", "gbsi|536365|1", entity="sale")
    html = searched("marketing", "12345")
    assert "85123A" not in html
    assert "your role does not see the sales ledger" in html
    assert "Invoice with a total of zero" not in searched("marketing", "gbsi|536365|1")


def test_what_is_unknown_gets_help_instead_of_a_blank_page() -> None:
    assert "Nothing is known under this id" in searched("finance", "99999")
    assert "Check the spelling" in searched("finance", "nobody@example.com")
    assert "Find any record" in searched("finance", "")


def test_somebody_without_a_role_finds_nothing(ann: CrossReference) -> None:
    line(1)
    desk_records.issue("field_drift", "gbsi|12345")
    user = person("viewer", "newcomer")
    user.groups.clear()
    client = Client()
    client.force_login(user)
    html = client.post("/console/search/", {"q": "12345"}).content.decode()
    assert "900001" not in html
    assert "Field differs" not in html


def test_a_search_costs_the_same_however_much_there_is(ann: CrossReference) -> None:
    client = Client()
    client.force_login(person("admin"))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.post("/console/search/", {"q": "12345"})
        return len(captured)

    line(1)
    desk_records.issue("field_drift", "gbsi|12345")
    few = queries()
    for number in range(2, 30):
        line(number, document=f"5363{number}")
        desk_records.issue("field_drift", "gbsi|12345", field=f"f{number}")
        CrossReference.objects.create(flow=ann.flow, source_id=f"gbsi|{number}")
    assert queries() == few <= 30


def test_several_companies_are_looked_through(ann: CrossReference) -> None:
    CrossReference.objects.create(flow=Flow.objects.get(pk=ann.flow_id), source_id="ussi|12345", target_id="900777")
    html = searched("admin", "12345")
    assert "900001" in html
    assert "900777" in html
