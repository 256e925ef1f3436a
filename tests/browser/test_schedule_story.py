"""A schedule is set in words, previewed, corrected and stored; the flow is paused and resumed."""

import json
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask
from playwright.sync_api import expect

from sync.models import AuditEvent
from tests.admin import desk_records
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_admin_gives_a_flow_its_schedule(live_server: Any) -> None:
    flow = desk_records.flow()
    with browser_of(live_server, "admin") as page:
        page.goto(f"/console/sync/flow/{flow.pk}/change/")
        page.get_by_role("link", name="Set up").click()
        expect(page.locator("#preview li")).to_have_count(5)
        page.get_by_label("Minutes between two starts").fill("0")
        expect(page.locator("#preview")).to_contain_text("Correct the form")
        page.get_by_label("Once a day").check()
        expect(page.get_by_label("Minutes between two starts")).to_be_hidden()
        page.get_by_label("Time of day").fill("06:45")
        page.get_by_label("Time zone").select_option("Europe/Berlin")
        expect(page.locator("#preview li").first).to_contain_text("05:45 G")
        page.get_by_role("button", name="Save schedule").click()
        expect(page.locator(".messages")).to_contain_text("daily at 06:45, Europe/Berlin")
    task = PeriodicTask.objects.get()
    assert json.loads(task.kwargs) == {"flow": flow.name}
    assert (task.crontab.hour, task.crontab.minute, str(task.crontab.timezone)) == ("6", "45", "Europe/Berlin")
    assert AuditEvent.objects.get(object_type="flow").action == "change schedule"


def test_an_admin_pauses_a_flow_with_a_note_and_resumes_it(live_server: Any) -> None:
    flow = desk_records.flow()
    with browser_of(live_server, "admin", width=390) as page:
        page.goto(f"/console/sync/flow/{flow.pk}/change/")
        page.get_by_label("Why", exact=True).fill("Price import until 18:00")
        page.get_by_role("button", name="Pause this flow").click()
        expect(page.locator(".notice-warn")).to_contain_text("Price import until 18:00")
        flow.refresh_from_db()
        assert flow.paused
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".messages")).to_contain_text("goes on with its schedule")
    flow.refresh_from_db()
    assert not flow.paused
    assert list(AuditEvent.objects.filter(object_type="flow").order_by("pk").values_list("action", flat=True)) == [
        "pause flow",
        "resume flow",
    ]
