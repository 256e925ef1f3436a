"""Views of Open Data, worked out from what the account holds and written as files."""

import csv
import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from tests.emulators.emarsys.account import EXTERNAL, Account

HEADER = "item,price,order,timestamp,customer,quantity"


@pytest.fixture
def shop(account: Account) -> Account:
    account.upsert(
        {EXTERNAL: "C-1", "3": "ana@example.com", "31": 1}, {EXTERNAL: "C-2", "3": "bo@example.com", "31": 1}
    )
    for number, name, day in (("1", "Welcome again", "01"), ("2", "Spring", "10")):
        campaign = account.do("launch", name=name, at=f"2026-01-{day}T08:00:00Z")["campaign_id"]
        account.do("click", id=contact(account, "C-1"), campaign_id=campaign, at=f"2026-01-{day}T0{number}:30:00Z")
    lines = (
        "MUG,24.10,SO-1,2026-01-12T10:00:00Z,C-1,2", "CUP,0.20,SO-1,2026-01-12T10:00:00Z,C-1,1",
        "MUG,-24.10,SO-1,2026-01-13T10:00:00Z,C-1,-2", "POT,9.00,SO-2,2026-01-12,C-1,1",
        "POT,9.00,SO-3,2026-01-12T10:00:00Z,C-2,1", "POT,9.00,SO-4,2026-03-12T10:00:00Z,C-1,1",
        "POT,9.00,SO-5,2026-01-12T10:00:00Z,X-9,1",
    )  # fmt: skip
    account.upload("\n".join((HEADER, *lines)) + "\n")
    return account


def contact(account: Account, external: str) -> str:
    return account.read(external, fields=("3",))["result"][0]["id"]


def nested(account: Account, view: str) -> list[Any]:
    answer = account.control("GET", f"files/{view}.ndjson")
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def flat(account: Account, view: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(account.control("GET", f"files/{view}.csv").text)))


def test_revenue_is_owed_to_the_last_touch_before_the_purchase(shop: Account) -> None:
    """Section 8: members of the view; rows without a zone, refunds and strangers do not count; window of days."""
    [purchase] = nested(shop, "revenue_attribution")
    assert set(purchase) == {
        "customer_id", "contact_id", "event_time", "loaded_at", "order_id", "items", "treatments"
    }  # fmt: skip
    assert (purchase["order_id"], purchase["contact_id"]) == ("SO-1", int(contact(shop, "C-1")))
    assert purchase["items"][0] == {"item_id": "MUG", "price": 24.1, "quantity": 2.0}
    [treatment] = purchase["treatments"]
    campaigns = {one["id"]: one["name"] for one in shop.all("campaigns")}
    assert campaigns[str(treatment["campaign_id"])] == "Spring"
    assert (treatment["channel"], treatment["attributed_amount"], treatment["reason"]["type"]) == (
        "email",
        24.3,
        "click",
    )
    assert set(treatment) == {
        "hardware_id", "campaign_id", "channel", "id", "rti", "ac", "email", "attributed_amount", "reason"
    }  # fmt: skip


def test_attribution_may_look_at_the_first_touch_and_a_longer_window(shop: Account) -> None:
    """Section 8: 1 to 365 days, first or last touch per account; no contact for a send older than 60 days."""
    shop.switch(attribution_days=90, attribution="first")
    first, second = nested(shop, "revenue_attribution")
    campaigns = {one["id"]: one["name"] for one in shop.all("campaigns")}
    assert campaigns[str(first["treatments"][0]["campaign_id"])] == "Welcome again"
    assert (second["order_id"], second["contact_id"]) == ("SO-4", None)


def test_the_flat_file_has_one_row_for_each_treatment(shop: Account) -> None:
    """Section 8: amounts of the file add up without counting items."""
    [row] = flat(shop, "revenue_attribution")
    assert (row["order_id"], row["attributed_amount"], row["reason_type"]) == ("SO-1", "24.3", "click")
    assert row["treatment_id"]
    assert "items" not in row


def test_purchases_hold_every_sales_row_to_the_penny(shop: Account) -> None:
    """Section 8: line totals, refunds negative, the warehouse's own number of the customer, no contact_id."""
    purchases = flat(shop, "si_purchases")
    assert sum(Decimal(row["sales_amount"]) for row in purchases) == Decimal("36.20")
    assert len(purchases) == len(shop.all("sales"))
    assert "contact_id" not in purchases[0]
    assert nested(shop, "si_purchases")[0]["product_external_id"] == "MUG"


def test_buyers_have_a_turnover_net_of_refunds(shop: Account) -> None:
    """Sections 6.3, 8: `turnover`, `is_generated`."""
    found = {row["contact_external_id"]: row for row in nested(shop, "si_contacts")}
    assert (found["C-1"]["turnover"], found["C-1"]["number_of_purchases"]) == (18.2, 3)
    assert (found["X-9"]["is_generated"], found["X-9"]["contact_id"]) == (True, None)
    assert found["C-1"]["si_contact_id"] != found["C-1"]["contact_id"]


def test_mail_views_tell_sends_clicks_and_unsubscribes(shop: Account) -> None:
    """Section 8: keys of sends, `email_sent_at`, `source`."""
    shop.do("unsubscribe", id=contact(shop, "C-1"), source="list_unsubscribe")
    assert len(nested(shop, "email_sends")) == 4
    assert [row["campaign_id"] for row in nested(shop, "email_clicks")]
    [gone] = flat(shop, "email_unsubscribes")
    assert (gone["source"], gone["domain"]) == ("list_unsubscribe", "example.com")
    assert gone["email_sent_at"].startswith("2026-01-10T08:00:00")
    assert {row["name"] for row in nested(shop, "email_campaigns_v2")} >= {"Spring"}


def test_there_are_no_other_files(shop: Account) -> None:
    """The control API says 404."""
    for name in ("revenue_attribution.xlsx", "secrets.csv", "si_purchases"):
        assert shop.control("GET", f"files/{name}").status_code == 404
    other = Account(shop.base, "demo2")
    assert other.control("GET", "files/si_purchases.csv").status_code in (200, 404)
    other.session.close()
