"""What an operator may trust: a plan does what it said and names what changed; a breaker stops, explains, goes on."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sync.catalogue import RunState
from sync.models import Breaker, SyncRun
from tests.browser.desk import browser_of
from tests.sync.conftest import Control, Load, _impatient, emulators, flow, load, people, rung, sync, worked

__all__ = ["_impatient", "emulators", "load", "rung"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def the_worker_comes() -> SyncRun:
    """Does what was asked for on a page."""
    return worked(SyncRun.objects.get(state=RunState.QUEUED))


def cities(control: Control) -> dict[str, str]:
    return {number.rpartition("|")[2]: contact["11"] for number, contact in control.contacts().items()}


def test_a_plan_names_what_changed_and_a_breaker_is_let_go_on_once(live_server: Any, load: Load) -> None:
    control = load(people(30))
    sync()
    for number in range(1, 6):
        control.customer(f"C-{number}", AddressCity="Leeds")
    with browser_of(live_server, "admin", width=390) as page:
        page.goto(f"/console/sync/flow/{flow().pk}/change/")
        page.get_by_role("button", name="Preview").click()
        assert the_worker_comes().kind == "plan"
        expect(page.locator("main")).to_contain_text("5 of 30 records would be touched", timeout=8_000)
        plan = page.url
        control.customer("C-3", AddressCity="York")
        page.get_by_role("button", name="Apply to 5 records").click()
        the_worker_comes()
        page.goto(plan)
        expect(page.locator(".notice-warn")).to_contain_text("1 record had changed since the plan")
        expect(page.locator("section", has_text="Not as planned")).to_contain_text("usmf|C-3")
        assert (cities(control)["C-2"], cities(control)["C-3"]) == ("Leeds", "London")

        Breaker.objects.create(flow=flow(), kind="mass_change", percent=20, minimum=5)
        for number in range(10, 20):
            control.customer(f"C-{number}", AddressCity="Bath")
        assert sync().state == RunState.FAILED
        assert "Bath" not in cities(control).values()
        page.goto("/console/")
        page.locator(".verdict").get_by_role("link", name="A breaker stopped dynamics365.customer").click()
        expect(page.locator(".notice-bad")).to_contain_text("11 of 30 linked records would be changed")
        page.get_by_role("button", name="Resume and allow this once").click()
        expect(page.locator(".messages")).to_contain_text("may do it once")
        the_worker_comes()
        page.reload()
        expect(page.locator("#live")).to_contain_text("11 accepted")
    assert list(cities(control).values()).count("Bath") == 10
