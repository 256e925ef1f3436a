"""Finance follows a figure down to the document, and takes the lines along."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import expect

from sync import ledger
from sync.models import AuditEvent
from tests.admin.desk_records import flow, line
from tests.browser.desk import browser_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_finance_opens_a_difference_its_document_and_exports_the_lines(live_server: Any) -> None:
    line(1, "1001", amount=Decimal(100))
    line(1, "1002", amount=Decimal(40), state="held")
    line(1, "1003", amount=Decimal(7), state="excluded", rule="no_customer", customer="")
    ledger.recompute(flow("sale"), [date(2010, 12, 1)])
    with browser_of(live_server, "finance", width=1440) as page:
        page.goto("/console/")
        page.get_by_role("link", name="Control totals").click()
        expect(page.locator("tbody .because")).to_contain_text(["£7.00 excluded by a rule, £40.00 held for a contact"])
        page.locator("tbody tr").first.get_by_role("link", name="£40.00").click()
        expect(page.locator(".stat-value").nth(2)).to_have_text("£40.00")
        page.get_by_role("link", name="1002").click()
        expect(page.locator("h1")).to_contain_text("Invoice 1002")
        page.go_back()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export CSV").click()
        assert download.value.suggested_filename == "ledger-lines.csv"
        assert "1002" in download.value.path().read_text(encoding="utf-8-sig")
    event = AuditEvent.objects.get(action="export")
    assert (event.after["rows"], event.after["filter"]["state"]) == (1, "held")


def test_a_period_is_chosen_by_its_days(live_server: Any) -> None:
    for number, day in enumerate([date(2011, 10, 1), date(2011, 11, 5), date(2011, 12, 9)]):
        line(1, f"20{number}", day=day)
        ledger.recompute(flow("sale"), [day])
    with browser_of(live_server, "viewer") as page:
        page.goto("/console/sync/controltotal/")
        expect(page.locator("tbody th")).to_have_count(3)
        page.get_by_label("From").fill("2011-11-01")
        page.get_by_label("To").fill("2011-11-30")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("tbody th")).to_contain_text(["5 Nov 2011", "November 2011"])
        expect(page.get_by_role("button", name="Export CSV")).to_have_count(0)
