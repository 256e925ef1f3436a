"""A run is watched while it works, and stopped."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sync.models import AuditEvent, SyncRun
from tests.admin import sample_runs
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_admin_watches_a_run_move_and_cancels_it(live_server: Any) -> None:
    run = sample_runs.running(read=500, accepted=500, total=2000)
    with browser_of(live_server, "admin") as page:
        page.goto("/console/sync/syncrun/")
        page.get_by_role("link", name="dynamics365.customer").click()
        expect(page.locator("#live")).to_contain_text("500 accepted")
        SyncRun.objects.filter(pk=run.pk).update(read=1500, accepted=1400, rejected=100)
        expect(page.locator("#live")).to_contain_text("1,400 accepted", timeout=8_000)
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "75")
        page.get_by_role("button", name="Cancel run").click()
        expect(page.locator("#live")).to_contain_text("Cancelling")
        SyncRun.objects.filter(pk=run.pk).update(state="cancelled", read=1500, message="Cancelled by admin.")
        expect(page.locator("#live")).to_contain_text("Stopped by a person", timeout=8_000)
        expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)
    run.refresh_from_db()
    assert run.cancel_requested
    assert AuditEvent.objects.filter(object_type="syncrun", object_id=str(run.pk)).count() == 1


def test_a_bucket_opens_its_records_and_a_record_its_story(live_server: Any) -> None:
    run = sample_runs.finished(accepted=3, rejected=2)
    with browser_of(live_server, "viewer") as page:
        page.goto(f"/console/sync/syncrun/{run.pk}/change/")
        page.locator(".buckets").get_by_role("link", name="2 rejected").click()
        expect(page.locator("tbody tr")).to_have_count(2)
        page.get_by_role("link", name="Its story").first.click()
        expect(page.locator("h1")).to_have_text("gbsi|rejected-0")
