"""From the start page to a decision; every page of every role without a broken policy or a sideways scroll."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from sync.models import SyncRun
from tests.admin import desk_records, sample_runs
from tests.admin.test_security_pages import pages
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_admin_sees_a_late_flow_opens_it_and_runs_it(live_server: Any) -> None:
    sample_runs.finished(accepted=5, unchanged=300, finished_at=timezone.now() - timedelta(hours=8))
    with browser_of(live_server, "admin") as page:
        expect(page.locator(".verdict")).to_contain_text("One thing needs attention")
        page.locator(".verdict").get_by_role("link").click()
        expect(page.locator("h1")).to_contain_text("dynamics365.customer")
        page.get_by_role("button", name="Run now").click()
        expect(page.locator(".messages")).to_contain_text("The run is queued")
        expect(page.locator("#live")).to_contain_text("Waits for a worker")
    run = SyncRun.objects.latest("pk")
    assert (run.state, run.trigger) == ("queued", "manual")
    assert run.asked_by is not None
    assert run.asked_by.get_username() == "admin"


def test_marketing_goes_from_a_number_to_the_exceptions_it_counts(live_server: Any) -> None:
    for number in range(3):
        desk_records.issue("field_drift", f"gbsi|{number}")
    desk_records.issue("zero_total", "gbsi|1|1", entity="sale")
    with browser_of(live_server, "marketing") as page:
        expect(page.locator(".figure").first).to_contain_text("3")
        expect(page.locator("main")).not_to_contain_text("Invoice with a total of zero")
        page.locator(".lines").get_by_role("link", name="Field differs").click()
        expect(page).to_have_url(f"{live_server.url}/console/sync/syncissue/?team=marketing&kind=field_drift")


@pytest.mark.parametrize("role", ["marketing", "finance", "admin", "viewer"])
def test_every_page_of_the_role_keeps_the_policy_and_fits_a_phone(live_server: Any, role: str) -> None:
    addresses = [url for name, url in pages(role) if name != "jsi18n" and not name.endswith("_progress")]
    with browser_of(live_server, role, width=390) as page:
        for url in addresses:
            reply = page.goto(url)
            assert reply is not None
            assert reply.status == 200, url
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, url
