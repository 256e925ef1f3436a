"""The segment desk over HTTP: who may ask for a check, and what a check shows of people."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sync.admin.marketing import in_words
from sync.models import SegmentCheck, SegmentFinding, SyncIssue
from tests.admin.desk_records import drift, flow, issue, person

pytestmark = pytest.mark.django_db
TREE = {
    "type": "and",
    "children": [
        {"type": "criteria", "field": "country", "operator": "equals", "value": "184"},
        {
            "type": "or",
            "children": [
                {"type": "criteria", "field": "loyaltyTier", "operator": "equals", "value": "gold"},
                {"type": "criteria", "field": "zip_code", "operator": "not_empty"},
            ],
        },
    ],
}


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(person(role))
    return client


def listing() -> SegmentCheck:
    flow()
    found = [
        {"id": "1", "name": "UK gold", "kind": "standard", "criteria": TREE, "why_not": ""},
        {"id": "2", "name": "Newsletter", "kind": "standard", "criteria": None, "why_not": "It reads optin."},
    ]
    return SegmentCheck.objects.create(
        connection="emarsys", state="completed", criteria={"segments": found}, finished_at=timezone.now()
    )


def checked(**given: Any) -> SegmentCheck:
    values = {"segment_id": "1", "name": "UK gold", "criteria": {**TREE, "labels": {"country": {"184": "GB"}}}}
    values |= {"state": "completed", "members": 10, "expected": 12, "missing": 3, "extra": 1}
    return SegmentCheck.objects.create(connection="emarsys", finished_at=timezone.now(), **{**values, **given})


def finding(check: SegmentCheck, **given: Any) -> SegmentFinding:
    values: dict[str, Any] = {"direction": "missing", "source_id": "gb01|1", "cause": "contact_missing"}
    return SegmentFinding.objects.create(check_run=check, **{**values, **given})


ROLES = {"marketing": (200, 302), "admin": (200, 302), "viewer": (200, 403), "finance": (403, 403)}


@pytest.mark.parametrize("role", ROLES)
def test_marketing_asks_the_viewer_looks_and_finance_has_no_business_here(role: str) -> None:
    listing()
    client, check = signed_in(role), checked()
    looks, asks = ROLES[role]
    pages = [reverse("admin:sync_segmentcheck_changelist")]
    pages += [reverse(f"admin:sync_segmentcheck_{name}", args=[check.pk]) for name in ("change", "progress")]
    assert {client.get(page).status_code for page in pages} == {looks}
    answer = client.post(reverse("admin:sync_segmentcheck_ask"), {"connection": "emarsys", "segment": "1"})
    assert answer.status_code == asks
    assert SegmentCheck.objects.filter(state="queued").exists() is (asks == 302)


def test_a_get_asks_for_nothing_and_an_unknown_segment_is_not_found() -> None:
    listing()
    client, url = signed_in("marketing"), reverse("admin:sync_segmentcheck_ask")
    assert client.get(url).status_code == 405
    assert client.post(url, {"connection": "emarsys", "segment": "999"}).status_code == 404
    assert client.post(url, {"connection": "elsewhere", "segment": "1"}).status_code == 404
    assert not SegmentCheck.objects.filter(state="queued").exists()


def test_asking_twice_queues_one_check() -> None:
    listing()
    client, url = signed_in("marketing"), reverse("admin:sync_segmentcheck_ask")
    for _ in range(2):
        client.post(url, {"connection": "emarsys", "segment": "1"})
    assert SegmentCheck.objects.filter(state="queued").count() == 1


def test_the_list_shows_verdicts_and_why_some_cannot_be_judged() -> None:
    listing()
    checked()
    shown = signed_in("marketing").get(reverse("admin:sync_segmentcheck_changelist")).content.decode()
    assert "It reads optin." in shown
    assert "Country is GB and (Loyalty tier is gold or Postcode has a value)" in shown
    assert "Wait" in shown


def test_each_wrong_person_has_a_cause_and_the_exception_that_explains_it() -> None:
    check = checked()
    drifted = drift("gb01|1")
    finding(check, cause="field_drift", message="loyalty_tier", issue=drifted)
    finding(check, source_id="gb01|2", issue=issue("run_unavailable", "gb01|2"))
    finding(check, source_id="", target_id="77", direction="extra", cause="orphan")
    client, url = signed_in("marketing"), reverse("admin:sync_segmentcheck_change", args=[check.pk])
    shown = client.get(url).content.decode()
    assert "Value differs in Emarsys" in shown
    assert "Loyalty tier" in shown
    assert reverse("admin:sync_syncissue_change", args=[drifted.pk]) in shown
    others = SyncIssue.objects.exclude(pk=drifted.pk).get()
    assert reverse("admin:sync_syncissue_change", args=[others.pk]) not in shown
    extra = client.get(url, {"direction": "extra"}).context["rows"]
    assert [row["finding"].target_id for row in extra] == ["77"]


def test_hundreds_of_people_come_page_by_page() -> None:
    check = checked()
    for number in range(230):
        finding(check, source_id=f"gb01|{number}")
    client, url = signed_in("marketing"), reverse("admin:sync_segmentcheck_change", args=[check.pk])
    seen, after = [], ""
    while True:
        context = client.get(url, {"after": after, "direction": "missing"}).context
        seen += [row["finding"].pk for row in context["rows"]]
        after = context["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 230


def test_criteria_of_any_shape_are_put_into_words_without_an_error() -> None:
    assert in_words(None) is None
    assert in_words({"type": "criteria", "field": "x", "operator": "sounds_like", "value": ["a", 1]}) is not None
    assert in_words({"type": "rfm"}) is not None
