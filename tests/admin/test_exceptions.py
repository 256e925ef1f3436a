"""The desks' exceptions over HTTP: who sees which, what is masked, and that only a POST changes anything."""

import json
import zlib
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sync import bulk, reading
from sync.models import AuditEvent, BulkOperation, Flow, PendingKey, SyncIssue, SyncRun
from tests.admin.desk_records import CANARY, delivery, drift, issue, line, packed, person, unknown_outcome

pytestmark = pytest.mark.django_db
ROLES = ("marketing", "finance", "admin", "viewer")


def signed_in(role: str, name: str = "") -> Client:
    client = Client(headers={"accept": "text/html"})
    client.force_login(person(role, name))
    return client


def listed(**query: str) -> str:
    return reverse("admin:sync_syncissue_changelist", query=query)


def page(of: SyncIssue) -> str:
    return reverse("admin:sync_syncissue_change", args=[of.pk])


def act(of: SyncIssue, verb: str) -> str:
    return reverse("admin:sync_syncissue_act", args=[of.pk, verb])


def text(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, (url, answer.status_code)
    return answer.content.decode()


SEES = {
    "marketing": ("marketing",),
    "finance": ("finance",),
    "admin": ("marketing", "finance", "operations"),
    "viewer": ("marketing", "finance", "operations"),
}
WORKS = {**SEES, "viewer": ()}


def one_of_each_team() -> dict[str, SyncIssue]:
    return {
        "marketing": drift(),
        "finance": issue("zero_total", "gb01|536365", entity="sale"),
        "operations": issue("run_unavailable", ""),
    }


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_its_teams_exceptions_and_a_direct_address_opens_no_other(role: str) -> None:
    client, issues = signed_in(role), one_of_each_team()
    shown = text(client, listed())
    for team, found in issues.items():
        visible = team in SEES[role]
        assert (page(found) in shown) is visible
        assert client.get(page(found)).status_code == (200 if visible else 404)
        progress = reverse("admin:sync_syncissue_progress", args=[found.pk])
        assert client.get(progress).status_code == (200 if visible else 404)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", ["retry", "assign", "comment", "waive", "reopen"])
def test_each_role_acts_on_its_own_teams_exceptions_only(role: str, verb: str) -> None:
    client, issues = signed_in(role), one_of_each_team()
    for team, found in issues.items():
        answer = client.post(act(found, verb), {"to": "me", "text": "hello", "reason": "because"})
        expected = 302 if team in WORKS[role] else (403 if team in SEES[role] else 404)
        assert answer.status_code == expected, (team, verb)
    acted = {int(pk) for pk in AuditEvent.objects.filter(object_type="syncissue").values_list("object_id", flat=True)}
    assert acted <= {found.pk for team, found in issues.items() if team in WORKS[role]}


@pytest.mark.parametrize("role", ROLES)
def test_a_get_changes_nothing_on_any_address_of_an_exception(role: str) -> None:
    client = signed_in(role)
    found = unknown_outcome()
    one_of_each_team()
    before = list(SyncIssue.objects.order_by("pk").values())
    urls = [listed(), listed(team="marketing"), page(found), reverse("admin:sync_syncissue_bulk")]
    urls += [reverse("admin:sync_syncissue_read", args=[found.pk])]
    urls += [act(found, verb) for verb in ("retry", "assign", "comment", "waive", "reopen")]
    urls += [reverse("admin:sync_syncissue_settle", args=[found.pk, word]) for word in ("arrived", "again")]
    for url in urls:
        assert client.get(url).status_code in (200, 403, 404, 405), url
    assert list(SyncIssue.objects.order_by("pk").values()) == before
    assert not PendingKey.objects.exists()
    assert not BulkOperation.objects.exists()


def test_a_stranger_is_sent_to_sign_in() -> None:
    found = drift()
    for url in (listed(), page(found), reverse("admin:sync_syncissue_progress", args=[found.pk])):
        answer = Client().get(url)
        assert answer.status_code == 302
        assert "login" in answer["Location"]


@pytest.mark.parametrize("role", ["finance", "admin", "viewer"])
def test_contact_data_is_absent_from_every_page_of_a_role_without_the_right(role: str) -> None:
    sent = delivery(
        request=packed({"key_id": "796", "contacts": [{"1": "Canary", "3": CANARY, "796": "gb01|12346"}]}),
        reply=packed({"data": {"errors": {"gb01|12346": {"2010": f"Conflict with {CANARY}"}}}}),
    )
    found = drift(team="finance", delivery=sent)
    found.comments.create(text=f"I wrote to {CANARY}")
    client = signed_in(role)
    progress = reverse("admin:sync_syncissue_progress", args=[found.pk])
    for url in (listed(), page(found), progress, listed(record="gb01|12346", state="all")):
        shown = text(client, url)
        assert "canary" not in shown.lower(), url
    assert "Different" in text(client, page(found))


def test_marketing_sees_the_contact_data_of_its_own_exceptions() -> None:
    found = drift()
    shown = text(signed_in("marketing"), page(found))
    assert CANARY in shown
    assert "old-canary@example.com" in shown


def lines_of(*records: str) -> bytes:
    """A delivery's request as the pipeline keeps it: a record a line."""
    return zlib.compress("\n".join(records).encode())


def test_only_this_records_part_of_a_request_and_its_reply_is_shown() -> None:
    others = [json.dumps({"10569": f"9{n}", "3": f"other{n}@example.com"}) for n in range(5)]
    mine = json.dumps({"10569": "12346", "3": "ada@example.com"})
    reply = {"replyCode": 0, "data": {"errors": {"12346": {"2007": "Invalid choice"}, "91": {"2007": "Other error"}}}}
    found = drift(delivery=delivery(request=lines_of(*others, mine), reply=packed(reply)))
    shown = text(signed_in("marketing"), page(found))
    assert "ada@example.com" in shown
    assert "Invalid choice" in shown
    assert "other3@example.com" not in shown
    assert "Other error" not in shown
    assert "5 others of this request are not shown" in shown
    masked = text(signed_in("viewer"), page(found))
    assert "ada@example.com" not in masked
    assert "12346" in masked


def test_a_sales_line_is_shown_as_its_cells() -> None:
    request = lines_of("85123A,15.3,1001,2011-01-01T12:00:00Z,17850,6,gb01|1001|1", "22,1,1002,x,17851,1,gb01|1002|1")
    found = issue("refused_by_target", "gb01|1001|1", entity="sale", delivery=delivery("sale", request=request))
    shown = text(signed_in("finance"), page(found))
    assert "85123A" in shown
    assert "17851" not in shown


def test_markup_in_any_value_is_inert() -> None:
    evil = '"><img src=x onerror=alert(1)>{{7*7}}'
    found = issue(field="city", erp_value=evil, target_value="Leeds", message=evil, source_id="gb01|<b>1")
    found.comments.create(text=evil)
    client = signed_in("marketing")
    for url in (listed(), page(found)):
        shown = text(client, url)
        assert "<img src=x" not in shown
        assert "<b>1" not in shown
        assert "{{7*7}}" in shown


def test_a_retry_from_the_page_is_stored_and_the_page_follows_it() -> None:
    found, client = drift(), signed_in("marketing")
    answer = client.post(act(found, "retry"), {"seen": "open:marketing:"}, follow=True)
    assert b'id="progress"' in answer.content
    progress = reverse("admin:sync_syncissue_progress", args=[found.pk])
    assert client.get(progress).json()["stage"] == "queued"
    SyncIssue.objects.update(state="resolved", resolution="Read back: both sides agree.", resolved_at=timezone.now())
    assert client.get(progress).json() == {
        "state": "resolved",
        "stage": "resolved",
        "done": True,
        "text": "Read back: both sides agree.",
    }


def test_who_retries_a_record_of_a_paused_flow_is_told_that_it_waits() -> None:
    found, client = drift(), signed_in("marketing")
    Flow.objects.update(paused_at=timezone.now(), paused_note="Emarsys is being cleaned up")
    answer = client.post(act(found, "retry"), {"seen": "open:marketing:"}, follow=True).content.decode()
    assert "dynamics365.customer is paused (Emarsys is being cleaned up)" in answer
    assert "until somebody resumes it" in answer
    assert not SyncRun.objects.exists()
    told = client.get(reverse("admin:sync_syncissue_progress", args=[found.pk])).json()
    assert "paused" in told["text"]
    assert PendingKey.objects.get().key == found.source_id


def test_who_retries_many_records_is_told_which_flows_are_paused() -> None:
    found, client = drift(), signed_in("marketing")
    Flow.objects.update(paused_at=timezone.now(), paused_note="Emarsys is being cleaned up")
    url = reverse("admin:sync_syncissue_bulk")
    asked = client.post(url, {"do": "retry", "ids": [found.pk]}).content.decode()
    assert "dynamics365.customer is paused (Emarsys is being cleaned up)" in asked
    client.post(url, {"do": "retry", "ids": [found.pk], "confirmed": "yes"})
    operation = BulkOperation.objects.get()
    bulk.run(operation.pk)
    shown = client.get(reverse("admin:sync_bulkoperation_change", args=[operation.pk])).content.decode()
    assert "dynamics365.customer is paused (Emarsys is being cleaned up)" in shown
    assert not SyncRun.objects.exists()
    assert "paused" not in client.post(url, {"do": "assign_me", "ids": [found.pk]}).content.decode()


def test_who_comes_second_reads_who_was_first_and_nothing_happens() -> None:
    found = drift()
    signed_in("marketing", "anna").post(act(found, "assign"), {"to": "me", "seen": "open:marketing:"})
    answer = signed_in("marketing", "ben").post(
        act(found, "waive"), {"reason": "Fine", "seen": "open:marketing:"}, follow=True
    )
    assert "Changed by anna meanwhile" in answer.content.decode()
    found.refresh_from_db()
    assert found.state == "open"
    assert found.assignee.get_username() == "anna"


def test_assigning_to_a_colleague_of_another_team_is_refused() -> None:
    found, stranger = drift(), person("finance", "fay")
    answer = signed_in("marketing").post(act(found, "assign"), {"to": str(stranger.pk)}, follow=True)
    assert "Choose somebody who works on" in answer.content.decode()
    assert SyncIssue.objects.get().assignee is None


def test_handing_to_another_team_takes_it_off_the_own_desk() -> None:
    found, client = drift(), signed_in("marketing")
    answer = client.post(act(found, "assign"), {"to": "team:finance"}, follow=True)
    assert answer.status_code == 200
    assert client.get(page(found)).status_code == 404
    assert signed_in("finance").get(page(found)).status_code == 200


def test_the_lines_of_an_unknown_outcome_are_confirmed_only_after_a_page_that_names_the_money() -> None:
    found, client = unknown_outcome(), signed_in("finance")
    url = reverse("admin:sync_syncissue_settle", args=[found.pk, "again"])
    assert "£45.90" in text(client, url)
    without_reason = client.post(url, {"reason": ""})
    assert "Give a reason" in without_reason.content.decode()
    assert SyncIssue.objects.get().state == "open"
    client.post(url, {"reason": "Not in Data Sources"})
    assert SyncIssue.objects.get().state == "resolved"
    assert PendingKey.objects.count() == 3


def test_a_counted_card_links_to_exactly_the_lines_it_counts() -> None:
    for number in range(1, 4):
        line(number, "1001", state="excluded", rule="no_customer", customer="", amount=Decimal(10))
    line(1, "1002"), line(1, "1003", credit=True, amount=Decimal(-5)), line(2, "1003", credit=True, original="x")
    cards = {
        "excluded_no_customer": ["gb01|1001|1", "gb01|1001|2", "gb01|1001|3"],
        "credit_without_original": ["gb01|1003|1"],
    }
    client = signed_in("finance")
    for kind, keys in cards.items():
        card = issue(kind, "", entity="sale", records=len(keys))
        linked = client.get(page(card)).context["counted"]
        found = client.get(linked).context
        assert sorted(one.source_id for one in found["rows"]) == keys
        assert found["sums"][0]["n"] == card.records


def test_the_list_costs_as_many_queries_for_fifty_rows_as_for_one(django_assert_max_num_queries: Any) -> None:
    client = signed_in("marketing")
    for n in range(60):
        drift(f"gb01|{n}", assignee=person("marketing"))
    with django_assert_max_num_queries(30):
        text(client, listed(team="marketing"))


def test_paging_by_newest_and_by_value_shows_every_exception_once() -> None:
    client = signed_in("marketing")
    for n in range(120):
        drift(f"gb01|{n}", money=Decimal(n % 7) if n % 3 else None)
    for sort in ("newest", "value"):
        url, seen = listed(team="marketing", sort=sort), []
        while url:
            context = client.get(url).context
            seen += [row.issue.pk for row in context["rows"]]
            url = listed() + context["next"] if context["next"] else ""
        assert len(seen) == len(set(seen)) == 120


def test_unknown_parameters_and_values_are_ignored() -> None:
    drift()
    query = {"team": "board", "kind": "nonsense", "state": "x", "age": "y", "assignee": "1;2", "run": "a", "after": "~"}
    assert len(signed_in("admin").get(listed(**query)).context["rows"]) == 1


def test_a_bulk_retry_first_says_what_it_leaves_alone_and_starts_when_confirmed() -> None:
    client = signed_in("marketing")
    good, bad = drift("gb01|1"), drift("gb01|2", state="retrying")
    url = reverse("admin:sync_syncissue_bulk")
    asked = client.post(url, {"do": "retry", "ids": [good.pk, bad.pk]})
    figures = asked.context["figures"]
    assert (figures["total"], figures["possible"], figures["skipped"]) == (2, 1, 1)
    assert not BulkOperation.objects.exists()
    answer = client.post(url, {"do": "retry", "ids": [good.pk, bad.pk], "confirmed": "yes"})
    operation = BulkOperation.objects.get()
    assert answer["Location"] == reverse("admin:sync_bulkoperation_change", args=[operation.pk])


def test_everything_that_matches_takes_the_filter_along() -> None:
    drift("gb01|1"), issue("orphan", "", target_id="1")
    url = reverse("admin:sync_syncissue_bulk", query={"kind": "orphan"})
    signed_in("marketing").post(url, {"do": "assign_me", "scope": "filter", "confirmed": "yes"})
    operation = BulkOperation.objects.get()
    assert (operation.total, operation.query["filter"]) == (1, {"kind": "orphan"})


def test_a_viewer_can_start_nothing_in_bulk_and_finance_nothing_of_marketing() -> None:
    found = drift()
    url = reverse("admin:sync_syncissue_bulk")
    asked = {"do": "retry", "ids": [found.pk], "confirmed": "yes"}
    assert signed_in("viewer").post(url, asked).status_code == 403
    assert signed_in("finance").post(url, asked).status_code == 422
    assert not BulkOperation.objects.exists()


def test_an_operation_belongs_to_who_asked_and_is_watched_by_administrators() -> None:
    drift()
    client = signed_in("marketing")
    client.post(reverse("admin:sync_syncissue_bulk"), {"do": "retry", "scope": "filter", "confirmed": "yes"})
    operation = BulkOperation.objects.get()
    change, cancel = (reverse(f"admin:sync_bulkoperation_{name}", args=[operation.pk]) for name in ("change", "cancel"))
    assert [signed_in(role).get(change).status_code for role in ROLES] == [200, 404, 200, 200]
    assert signed_in("viewer").post(cancel).status_code == 403
    assert client.get(cancel).status_code == 405
    client.post(cancel)
    assert BulkOperation.objects.get().state == "cancelled"


def test_reading_both_systems_now_shows_what_they_say_and_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = [{"field": "city", "erp": "Leeds", "target": "York", "same": False}]
    monkeypatch.setattr(reading, "both", lambda *_: {"fields": fields, "read_at": timezone.now()})
    found, client = drift(), signed_in("marketing")
    url = reverse("admin:sync_syncissue_read", args=[found.pk])
    assert "York" in client.post(url).content.decode()
    found.refresh_from_db()
    assert "city" not in str(found.details)
    assert signed_in("viewer").post(url).status_code == 403


def test_an_operation_page_lists_what_was_left_alone() -> None:
    drift("gb01|1"), drift("gb01|2", state="retrying")
    user = person("marketing")
    operation = bulk.ask("retry", {"teams": ["marketing"], "filter": {}}, user)
    bulk.run(operation.pk)
    shown = text(signed_in("marketing"), reverse("admin:sync_bulkoperation_change", args=[operation.pk]))
    assert "A retry is under way." in shown
