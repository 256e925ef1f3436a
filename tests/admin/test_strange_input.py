"""Whatever stands in an address or a form: an answer, never an error page."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from sync.models import BulkOperation
from tests.admin.desk_records import drift, line, person, unknown_outcome
from tests.admin.test_segment_pages import checked, finding, listing

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
STRANGE = ["\0", "9" * 30, "-1", "٣", "%", "'; --", "2011-02-30", "~~", "1~\0", "NaN~1", "é" * 300, "x" * 5_000]
LISTS = {
    "sync_syncissue_changelist": "team kind state age assignee flow run record after sort",
    "sync_controltotal_changelist": "from to by",
    "sync_ledgerentry_changelist": "flow day from to company currency document customer record rule run delivery "
    "credit codes state view after",
}


@pytest.fixture
def client() -> Client:
    drift(), unknown_outcome(), line(9, sku="a"), line(10, sku="A")
    client = Client(raise_request_exception=True)
    client.force_login(person("admin"))
    return client


@pytest.mark.parametrize("name", LISTS)
def test_lists_take_any_value_in_their_address(client: Client, name: str) -> None:
    for parameter in LISTS[name].split():
        for value in STRANGE:
            answer = client.get(reverse(f"admin:{name}"), {parameter: value})
            assert answer.status_code == 200, (parameter, value)


def test_pages_after_any_value_are_pages_in_every_order(client: Client) -> None:
    for value in STRANGE:
        for name, order in (("syncissue", {"sort": "value"}), ("ledgerentry", {"view": "documents"})):
            answer = client.get(reverse(f"admin:sync_{name}_changelist"), {**order, "after": value})
            assert answer.status_code == 200, (name, value)


def test_pages_of_rows_that_cannot_exist_are_not_found(client: Client) -> None:
    for model in ("syncissue", "ledgerentry", "segmentcheck", "bulkoperation"):
        assert client.get(reverse(f"admin:sync_{model}_change", args=[10**25])).status_code == 404


def test_forms_take_any_value(client: Client) -> None:
    found = drift("gb01|2")
    posts: list[tuple[str, dict[str, Any]]] = []
    for value in STRANGE:
        for verb, field in (("assign", "to"), ("comment", "text"), ("waive", "reason"), ("retry", "seen")):
            posts.append((reverse("admin:sync_syncissue_act", args=[found.pk, verb]), {field: value}))
        posts.append((reverse("admin:sync_syncissue_bulk"), {"do": "assign", "to": value, "ids": [value, found.pk]}))
        posts.append((reverse("admin:sync_syncissue_bulk"), {"do": value, "ids": found.pk, "confirmed": "yes"}))
        posts.append((reverse("admin:sync_syncissue_bulk"), {"do": "assign", "to": f"team:{value}", "ids": found.pk}))
        posts.append((reverse("admin:sync_segmentcheck_ask"), {"connection": "emarsys", "segment": value}))
    for url, body in posts:
        assert client.post(url, body).status_code in (200, 302, 403, 404, 422), (url, body)
    assert not BulkOperation.objects.exists()


def test_a_check_takes_any_value_in_its_address(client: Client) -> None:
    listing()
    check = checked()
    finding(check)
    for value in STRANGE:
        for parameter in ("direction", "cause", "after"):
            answer = client.get(reverse("admin:sync_segmentcheck_change", args=[check.pk]), {parameter: value})
            assert answer.status_code == 200, (parameter, value)
