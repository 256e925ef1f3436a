"""Marketing checks a segment before sending."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sync.models import SegmentCheck, SegmentFinding
from tests.admin.desk_records import drift
from tests.admin.test_segment_pages import listing
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_marketing_asks_for_a_check_and_goes_from_a_wrong_person_to_the_exception(live_server: Any) -> None:
    listing()
    found = drift("gb01|1")
    with browser_of(live_server, "marketing") as page:
        page.goto("/console/")
        page.get_by_role("link", name="Segments").click()
        page.get_by_role("row", name="UK gold").get_by_role("button", name="Check now").click()
        expect(page.locator("#check-progress")).to_contain_text("Waiting for a worker")
        check = SegmentCheck.objects.get(segment_id="1")
        SegmentFinding.objects.create(
            check_run=check, direction="missing", source_id="gb01|1", cause="field_drift", message="email", issue=found
        )
        SegmentCheck.objects.filter(pk=check.pk).update(state="completed", members=9, expected=10, missing=1)
        expect(page.locator(".verdict h2")).to_have_text("Wait", timeout=10_000)
        page.get_by_role("link", name="Open the exception").click()
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("#progress-text")).to_be_visible()
    found.refresh_from_db()
    assert found.state == "retrying"
    assert SegmentCheck.objects.get(segment_id="1").asked_by.get_username() == "marketing"
