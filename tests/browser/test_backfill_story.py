"""A list too long for a form's field is pasted all the same."""

from typing import Any

import pytest
from playwright.sync_api import expect

from sync.models import Backfill
from tests.browser.desk import browser_of
from tests.sync.conftest import Load, emulators, flow, load, people

__all__ = ["emulators", "load"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_three_megabytes_of_ids_are_pasted_and_stay_on_the_page_until_all_is_right(
    load: Load, live_server: Any
) -> None:
    load(people(1))
    ids = "\n".join(f"usmf|{number:0100}" for number in range(30_000))
    with browser_of(live_server, "admin") as page:
        page.goto(f"/console/sync/flow/{flow().pk}/backfill/")
        page.locator("#id_ids").evaluate("(field, text) => { field.value = text; }", ids)
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("alert")).to_contain_text("nothing was sent", timeout=60_000)
        expect(page.get_by_text("Colleagues will ask why: write it down.")).to_be_visible(timeout=60_000)
        assert page.locator("#id_ids").input_value().splitlines() == ids.splitlines()
        page.get_by_label("Why").fill("city was empty")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("heading", name="30,000 unknown ids")).to_be_visible(timeout=60_000)
    assert Backfill.objects.get().number == 30_000
