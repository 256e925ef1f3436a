"""Signing in, the look that stays as chosen, a new password, signing out."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.admin.desk_records import PASSWORD, person
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_person_signs_in_chooses_a_new_password_and_signs_out(live_server: Any) -> None:
    with browser_of(live_server, "viewer") as page:
        page.locator("details.who summary").click()
        page.get_by_role("link", name="Change password").click()
        page.locator("[name=old_password]").fill(PASSWORD)
        page.locator("[name=new_password1]").fill("correct-horse-9-battery")
        page.locator("[name=new_password2]").fill("correct-horse-9-battery")
        page.get_by_role("button", name="Change password").click()
        expect(page.locator("h1")).to_have_text("Password changed")
        page.locator("details.who summary").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("h1")).to_have_text("You are signed out")
        page.goto("/console/")
        expect(page).to_have_url(f"{live_server.url}/console/login/?next=/console/")
    assert User.objects.get(username="viewer").check_password("correct-horse-9-battery")


def test_a_wrong_password_is_told_and_the_right_one_leads_where_the_person_wanted(live_server: Any) -> None:
    with browser_of(live_server, "finance") as page:
        page.context.clear_cookies()
        page.goto("/console/sync/syncrun/")
        page.get_by_label("User name").fill("finance")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("Please enter the correct username and password")
        page.get_by_label("User name").fill("finance")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("h1")).to_have_text("Runs")


def test_light_and_dark_follow_the_system_until_the_person_chooses(live_server: Any) -> None:
    with browser_of(live_server, "viewer") as page:
        page.emulate_media(color_scheme="dark")
        page.reload()
        root = page.locator("html")
        expect(root).to_have_attribute("data-theme", "dark")
        page.get_by_role("button", name="Switch between light and dark").click()
        expect(root).to_have_attribute("data-theme", "light")
        page.goto("/console/sync/syncrun/")
        expect(root).to_have_attribute("data-theme", "light")


def test_on_a_phone_the_sidebar_opens_and_closes(live_server: Any) -> None:
    person("admin")
    with browser_of(live_server, "admin", width=390) as page:
        expect(page.get_by_role("link", name="Audit log")).to_be_hidden()
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Audit log").click()
        expect(page.locator("h1")).to_have_text("Audit log")
        expect(page.get_by_role("link", name="Audit log")).to_be_hidden()
