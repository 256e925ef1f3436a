"""Pages of exceptions about people who merged, left or whose consent is unsure; words that a mapping lacks."""

from typing import Any

import pytest
from django.test import Client

from sync.models import CrossReference, SyncIssue
from tests.admin import desk_records
from tests.admin.desk_records import CANARY, person

pytestmark = pytest.mark.django_db


def page(issue: SyncIssue, role: str = "admin") -> str:
    client = Client()
    client.force_login(person(role))
    answer = client.get(f"/console/sync/syncissue/{issue.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def merged(into: str = "C-1", **given: Any) -> SyncIssue:
    """As the delivery tells it."""
    said = f"The ERP merged this customer into {into}; its contact 100000003 is still there."
    values = {"field": "contact", "message": said, "erp_value": into, "target_value": "100000003", "money": None}
    return desk_records.issue("merged_customer", "C-3", **{**values, **given})


@pytest.mark.parametrize("role", ["marketing", "admin", "viewer"])
def test_a_merged_customer_names_who_stays_with_both_contacts_and_stories(role: str) -> None:
    issue = merged()
    CrossReference.objects.create(flow=issue.flow, source_id="C-1", target_id="100000001", state="active")
    CrossReference.objects.create(flow=issue.flow, source_id="C-3", target_id="100000003", state="superseded")
    html = page(issue, role)
    assert "The ERP merged this customer into C-1; its contact 100000003 is still there." in html
    for shown in ('href="/console/search/?q=C-1"', 'href="/console/search/?q=C-3"', "100000001", "100000003"):
        assert shown in html
    assert "As last compared" not in html, "a survivor's number is no field that differs"


def test_a_survivor_without_a_contact_is_said_to_have_none_yet() -> None:
    assert "none yet" in page(merged())


def test_a_survivor_that_is_called_like_an_address_is_masked_in_the_sentence() -> None:
    assert f"into {CANARY}" not in page(merged(CANARY))


def test_an_archived_customer_shows_the_contact_that_is_still_there() -> None:
    said = "The ERP archived this customer; its contact 100000004 is still there."
    given = {"field": "contact", "message": said, "erp_value": "archived", "target_value": "100000004"}
    html = page(desk_records.issue("archived_contactable", "C-4", **given))
    assert said in html
    assert '<dd class="key">100000004</dd>' in html
    assert 'href="/console/search/?q=C-4"' in html
    assert "Different" not in html


def test_a_consent_conflict_shows_what_each_system_says_and_leads_to_the_person() -> None:
    flow = desk_records.flow("consent")
    given = {"field": "email", "erp_value": "yes", "target_value": "no", "flow": flow, "money": None}
    html = page(desk_records.issue("consent_conflict", "usmf|C-5|email", entity="consent", **given), "marketing")
    assert "What each system says" in html
    for system, said in (("dynamics365", "yes"), ("emarsys", "no")):
        assert f'<tr><th scope="row">{system}</th><td>{said}</td>' in html
    assert "q=usmf%7CC-5&quot;" in html.replace('"', "&quot;")


def test_events_that_wait_are_no_sales_and_open_no_ledger() -> None:
    flow = desk_records.flow("order_event")
    desk_records.line(1, customer="C-1")
    said = "3 records (order event) wait for the contact of customer C-1."
    given = {"field": "order_event", "message": said, "flow": flow, "blocked_by": "C-1", "records": 3, "money": None}
    html = page(desk_records.issue("held_for_parent", "C-1", entity="order_event", **given))
    assert said in html
    assert "of events nobody is told yet" in html
    assert "Sales of this customer" not in html
    assert "ledgerentry/?" not in html


def test_a_record_that_is_listed_no_more_leads_to_its_story() -> None:
    html = page(desk_records.issue("gone_from_source", "usmf|C-5", money=None))
    assert "absence deletes nothing" in html
    assert "Its story" in html


def test_a_word_that_the_mapping_lacks_is_named() -> None:
    given = {"field": "status", "message": "The table order_status has no such code.", "erp_value": "Zzz Odd"}
    html = page(desk_records.issue("unmapped_value", "SO-2|", entity="sale", **given))
    assert "The table order_status has no such code. Status: Zzz Odd" in html
    assert "Add the word to the mapping’s table" in html


def test_a_word_that_is_an_address_by_mistake_is_masked() -> None:
    issue = desk_records.issue("unmapped_value", "C-2", field="status", message="No such code.", erp_value=CANARY)
    assert CANARY not in page(issue)


@pytest.mark.parametrize("kind", ["unknown_stock", "free_discrepancy", "placeholder_email", "other_currency"])
def test_what_a_connector_doubts_has_a_card_on_its_desk(kind: str) -> None:
    issue = desk_records.issue(kind, "usmf|MUG-1", entity="product", money=None)
    client = Client()
    client.force_login(person("marketing"))
    html = client.get("/console/sync/syncissue/?team=marketing").content.decode()
    assert issue.catalogue.title in html
    assert f"kind={kind}" in html
