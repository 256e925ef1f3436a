"""Signing in and looking at the console through a real browser."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.admin.desk_records import PASSWORD, person

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
OPTIONS += ["--disable-sync", "--no-first-run"]


@contextmanager
def browser_of(live_server: Any, role: str, width: int = 1280) -> Iterator[Page]:
    """A page signed in as a person of this role; ends with a check that the security policy was never broken."""
    person(role)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_context(viewport={"width": width, "height": 900}, base_url=live_server.url).new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/console/login/")
        page.get_by_label("User name").or_(page.locator("[name=username]")).first.fill(role)
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("[name=password]").press("Enter")
        page.wait_for_url("**/console/")
        yield page
        page.goto("about:blank")  # a page that still polls would leave a request behind
        browser.close()
    assert not complaints, complaints
