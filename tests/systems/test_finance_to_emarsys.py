"""Dynamics 365 Finance → Emarsys: customers, invoices, dispatches, order status, the product feed."""

import base64
import csv
import io
from typing import Any

import pytest

from sync.models import CrossReference, ProductFeed
from tests.sync.conftest import buckets, open_issues
from tests.systems.conftest import World, emarsys_api, sync

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dispatch_is_told_once_to_a_customer_who_is_there(world: World) -> None:
    control = world("dynamics365")
    assert buckets(sync("dynamics365.order_event"))["held"] >= 1
    assert {kind for kind, _, _ in open_issues()} == {"held_for_parent"}
    assert control("GET", "emarsys/triggers") == []

    sync("dynamics365.customer")
    sync("dynamics365.order_event", keys_only=True)
    told = control("GET", "emarsys/triggers")
    assert any("15501234567890" in str(one) for one in told), "with its tracking number"
    before = len(told)
    sync("dynamics365.order_event")
    sync("dynamics365.order_event", full=True)
    assert len(control("GET", "emarsys/triggers")) == before
    assert open_issues() == set()


def test_a_customers_contact_shows_its_orders(world: World) -> None:
    control = world("dynamics365")
    for name in ("openOrders", "lastOrder", "lastOrderStatus", "lastOrderPlacedAt"):
        emarsys_api(control, "POST", "field", {"name": name, "application_type": "shorttext"})
    sync("dynamics365.customer")
    assert buckets(sync("dynamics365.order_status")) == {"accepted": 2}
    fields = {one["name"]: str(one["id"]) for one in control("GET", "emarsys/fields")}
    bo = control.contacts()["C-2"]
    assert (bo[fields["openOrders"]], bo[fields["lastOrder"]]) == ("1", "SO-2")
    ana = control.contacts()["C-1"]
    assert ana[fields["openOrders"]] == "0"
    assert buckets(sync("dynamics365.order_status")) == {"unchanged": 2}


def test_the_feed_that_emarsys_pulls_says_what_can_be_sold(world: World, live_server: Any) -> None:
    control = world("dynamics365", EMARSYS_FEED_PASSWORD="feed-password")
    sync("dynamics365.product")
    assert ProductFeed.objects.get().items == 2
    address = live_server.url.replace("http://", "http://feed:feed-password@")
    control("POST", "emarsys/pull_catalogue", {"url": f"{address}/feeds/dynamics365.product.csv"})
    articles = {one["item"]: one for one in control("GET", "emarsys/products")}
    assert articles["MUG-1"]["available"] == "true"
    assert articles["BOWL-1"]["available"] == "false", "all of it is reserved"
    assert ProductFeed.objects.get().fetched_at is not None


def test_a_sale_and_its_credit_note_arrive_once(world: World) -> None:
    control = world("dynamics365")
    sync("dynamics365.customer")
    sync("dynamics365.sale")
    sync("dynamics365.sale")
    rows = control.sales()
    assert sorted((row["item"], row["customer"]) for row in rows) == [
        ("MUG-1", "C-1"), ("MUG-1", "C-1"), ("POST", "C-1")
    ]  # fmt: skip
    assert sum(float(row["price"]) for row in rows) == pytest.approx(15.00)


def test_the_sweep_finds_a_customer_that_vanished(world: World) -> None:
    control = world("dynamics365")
    sync("dynamics365.customer")
    control("DELETE", "dynamics365/customers/usmf%7CC-5")
    sync("dynamics365.customer", kind="sweep")
    assert open_issues() == {("gone_from_source", "usmf|C-5", "")}
    assert "C-5" in control.contacts(), "absence deletes nothing"
    assert CrossReference.objects.get(source_id="usmf|C-5").state == "active"


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"feed:{password}".encode()).decode()}
