"""From any page by one key to a record's story, and from there to a decision."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from sync.digests import email_digest
from sync.models import CrossReference, SyncIssue
from tests.admin import desk_records
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
EMAIL = "ann.lee@example.com"


def test_marketing_finds_a_person_by_email_and_takes_her_exception(live_server: Any) -> None:
    now = timezone.now()
    CrossReference.objects.create(
        flow=desk_records.flow(),
        source_id="gbsi|12345",
        target_id="900001",
        email_digest=email_digest(EMAIL),
        last_synced_at=now,
    )
    found = desk_records.issue("missing_in_target", "gbsi|12345")
    with browser_of(live_server, "marketing") as page:
        page.goto("/console/sync/syncrun/")
        page.keyboard.press("/")
        page.keyboard.type(EMAIL)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Found by e-mail")
        assert page.url == f"{live_server.url}/console/search/"
        expect(page.locator("main")).to_contain_text("900001")
        page.get_by_role("link", name="Missing in Emarsys", exact=True).first.click()
        page.get_by_role("button", name="Assign to me").click()
        expect(page.locator(".messages")).to_contain_text("Assigned to marketing")
    issue = SyncIssue.objects.get(pk=found.pk)
    assert issue.assignee is not None
    assert issue.assignee.get_username() == "marketing"


def test_an_unknown_id_gets_help(live_server: Any) -> None:
    with browser_of(live_server, "finance") as page:
        page.get_by_label("Search for an id").fill("does-not-exist")
        page.get_by_label("Search for an id").press("Enter")
        expect(page.locator(".empty")).to_contain_text("Nothing is known under this id")
