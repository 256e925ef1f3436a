"""Marketing's and finance's day: each story ends in a decision that is stored."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sync import bulk
from sync.models import AuditEvent, BulkOperation, LedgerEntry, PendingKey, SyncIssue
from tests.admin.desk_records import drift, issue, person, unknown_outcome
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_marketing_finds_a_difference_takes_it_and_retries_it(live_server: Any) -> None:
    found = drift()
    issue("orphan", "", target_id="4711")
    with browser_of(live_server, "marketing") as page:
        page.goto("/console/sync/syncissue/?team=marketing")
        page.locator(".kind", has_text="Field differs").click()
        page.get_by_role("link", name="Field differs", exact=True).last.click()
        expect(page.locator(".differs")).to_contain_text("canary+42@example.com")
        page.get_by_role("button", name="Assign to me").click()
        expect(page.locator(".messages")).to_contain_text("Assigned to marketing")
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("#progress-text")).to_have_text("Waiting for a worker.")
        proof = {"state": "resolved", "resolution": "Read back: both sides agree."}
        SyncIssue.objects.filter(pk=found.pk).update(**proof)
        expect(page.locator(".notice-good")).to_contain_text("Read back: both sides agree.", timeout=10_000)
    assert PendingKey.objects.get().key == found.source_id
    assert list(AuditEvent.objects.filter(object_type="syncissue").values_list("action", flat=True)) == [
        "retry",
        "assign",
    ]


def test_marketing_waives_with_a_reason_and_comments(live_server: Any) -> None:
    found = drift()
    with browser_of(live_server, "marketing", width=390) as page:
        page.goto(f"/console/sync/syncissue/{found.pk}/change/")
        page.get_by_placeholder("Write a comment").fill("The shop changed it by hand.")
        page.get_by_role("button", name="Comment").click()
        expect(page.locator(".timeline")).to_contain_text("The shop changed it by hand.")
        page.get_by_label("Waive: live with it").fill("Wanted by the customer")
        page.get_by_role("button", name="Waive").click()
        expect(page.locator("h1")).to_contain_text("Waived")
    found.refresh_from_db()
    assert (found.state, found.comments.get().text) == ("waived", "The shop changed it by hand.")


def test_a_selection_is_retried_after_the_page_that_says_what_is_left_alone(live_server: Any) -> None:
    for number in range(3):
        drift(f"gb01|{number}")
    drift("gb01|9", state="retrying")
    with browser_of(live_server, "marketing") as page:
        page.goto("/console/sync/syncissue/?team=marketing")
        page.get_by_label("Select every row of this page").check()
        expect(page.locator("#selected")).to_have_text("4 selected")
        page.get_by_role("button", name="Retry").click()
        expect(page.locator(".content")).to_contain_text("A retry is under way.")
        page.get_by_role("button", name="Retry 3").click()
        expect(page.locator("#operation-text")).to_contain_text("Waiting for a worker")
        bulk.run(BulkOperation.objects.get().pk)
        expect(page.locator("h1")).to_contain_text("Done", timeout=10_000)
        expect(page.locator(".content")).to_contain_text("Left alone: 1")
    assert SyncIssue.objects.filter(state="retrying").count() == 4
    assert PendingKey.objects.count() == 3


def test_everything_that_matches_goes_to_a_colleague(live_server: Any) -> None:
    person("marketing", "anna")
    for number in range(60):
        drift(f"gb01|{number}")
    with browser_of(live_server, "marketing") as page:
        page.goto("/console/sync/syncissue/?team=marketing&kind=field_drift")
        page.get_by_label("Everything that matches (60)").check()
        page.locator("#bulk-to").select_option(label="anna")
        page.get_by_role("button", name="Assign", exact=True).click()
        page.get_by_role("button", name="Assign 60").click()
        expect(page.locator("#operation-text")).to_contain_text("of 60")
        bulk.run(BulkOperation.objects.get().pk)
    assert SyncIssue.objects.filter(assignee__username="anna").count() == 60


def test_finance_says_that_lost_lines_did_not_arrive(live_server: Any) -> None:
    found = unknown_outcome()
    with browser_of(live_server, "finance") as page:
        page.goto("/console/sync/syncissue/?team=finance")
        page.get_by_role("link", name="Sent, answer lost", exact=True).last.click()
        expect(page.get_by_role("button", name="Retry")).to_have_count(0)
        page.get_by_role("link", name="Not there: send once").click()
        expect(page.locator(".notice-warn")).to_contain_text("£45.90")
        page.get_by_label("What did you look at?").fill("Data Sources, 1 December: not there")
        page.get_by_role("button", name="Send once").click()
        expect(page.locator("h1")).to_contain_text("Resolved")
    assert set(LedgerEntry.objects.values_list("state", flat=True)) == {"rejected"}
    assert PendingKey.objects.count() == 3
    found.refresh_from_db()
    assert "not there" in found.resolution


def test_a_viewer_reads_masked_and_finds_nothing_to_press(live_server: Any) -> None:
    found = drift()
    with browser_of(live_server, "viewer") as page:
        page.goto(f"/console/sync/syncissue/{found.pk}/change/")
        expect(page.locator(".diff")).to_contain_text("Different")
        assert "canary" not in page.content()
        assert page.locator(".content form").count() == 0
