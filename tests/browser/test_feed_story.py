"""A feed that shrank is decided by a person; a flow is switched on and its keys compared."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from sync.models import AuditEvent, Flow, SyncRun
from sync.models.flow import NOT_WANTED_YET
from tests.admin import arrived, desk_records
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.runs.ring_for", lambda run_id: None)


@pytest.mark.parametrize("width", [1440, 390])
def test_an_admin_goes_from_the_exception_to_the_version_and_publishes_it(live_server: Any, width: int) -> None:
    arrived.feed()
    refused = arrived.feed("refused", message="11 of 21 articles are missing (52 %)")
    issue = desk_records.issue("feed_shrunk", "", entity="product", field="feed", money=None, records=11)
    with browser_of(live_server, "admin", width=width) as page:
        page.goto(f"/console/sync/syncissue/{issue.pk}/change/")
        page.get_by_role("link", name="Open the feed’s versions").click()
        row = page.get_by_role("row", name="11 of 21 articles are missing")
        row.get_by_role("button", name="Publish this version").click()
        expect(page).to_have_url(f"{live_server.url}/console/sync/productfeed/")  # the browser asks for the reason
        assert not AuditEvent.objects.filter(action="publish feed").exists()
        row.get_by_label(f"Why version {refused.pk} may go out").fill("Season is over")
        row.get_by_label(f"Why version {refused.pk} may go out").press("Enter")
        expect(page.locator(".messages")).to_contain_text(f"Version {refused.pk} is published")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert AuditEvent.objects.get(action="publish feed").reason == "Season is over"


def test_marketing_sees_the_refused_version_and_cannot_publish_it(live_server: Any) -> None:
    arrived.feed("refused", message="11 of 21 articles are missing (52 %)")
    with browser_of(live_server, "marketing") as page:
        page.get_by_role("link", name="Product feed").click()
        expect(page.locator("#result_list")).to_contain_text("11 of 21 articles are missing")
        expect(page.get_by_role("button", name="Publish this version")).to_have_count(0)


def test_an_admin_switches_a_flow_on_and_compares_keys(live_server: Any) -> None:
    flow = desk_records.flow()
    Flow.objects.filter(pk=flow.pk).update(paused_at=timezone.now(), paused_note=NOT_WANTED_YET)
    with browser_of(live_server, "admin") as page:
        page.goto(f"/console/sync/flow/{flow.pk}/change/")
        expect(page.locator(".notice")).to_contain_text("Not switched on yet.")
        expect(page.get_by_role("button", name="Run now")).to_have_count(0)
        page.get_by_role("button", name="Switch on").click()
        expect(page.locator(".messages")).to_contain_text("is switched on")
        page.get_by_role("button", name="Compare keys").click()
        expect(page.locator("h1")).to_contain_text("Key sweep")
    assert SyncRun.objects.get().kind == "sweep"


def test_messages_and_orders_are_found_on_a_phone_in_the_dark(live_server: Any) -> None:
    arrived.everything("A message with rather long text, and a_word_that_has_no_blank_" + "x" * 80)
    with browser_of(live_server, "viewer", width=390) as page:
        page.emulate_media(color_scheme="dark")
        for url in ("inboxevent", "productfeed", "attributionlink", "emarsyspurchase"):
            page.goto(f"/console/sync/{url}/")
            expect(page.locator("#result_list tbody tr").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, url
        page.locator("#searchbar").fill("SO-404")
        page.locator("#searchbar").press("Enter")
        expect(page.locator(".empty")).to_contain_text("Nothing was found for “SO-404”.")
