"""What systems tell by themselves: business events by webhook, Emarsys' attribution and purchases, older sign-ins."""

import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sync.models import AttributionLink, EmarsysPurchase, Flow, InboxEvent, PendingKey
from tests.sync.conftest import Control, buckets, wait_until
from tests.systems.conftest import World, days_ago, sync

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "a-webhook-key"


@pytest.fixture
def told(world: World, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Control:
    """F&O posts its events to this console."""
    control = world("dynamics365", DYNAMICS365_WEBHOOK_KEY=KEY)
    monkeypatch.setattr("sync.tasks.inbox_event.delay", lambda event_id: None)
    address = f"{live_server.url}/hooks/dynamics365"
    events = ["SalesInvoicePostedBusinessEvent", "SalesOrderConfirmedBusinessEvent"]
    wanted = {"url": address, "events": events, "headers": {"X-Webhook-Key": KEY}}
    control("POST", "dynamics365/endpoints", wanted)
    wait_until(InboxEvent.objects.exists)  # the test message of the activation
    return control


def handled() -> None:
    from sync import inbox

    inbox.drain()


def test_an_invoice_posted_in_the_erp_is_sent_without_waiting_for_a_schedule(told: Control) -> None:
    sync("dynamics365.customer")
    sync("dynamics365.sale")
    sent = len(told.sales())
    handled()
    assert InboxEvent.objects.get().state == "ignored", "the test message asks for nothing"
    line = {"dataAreaId": "usmf", "InvoiceNumber": "SO-9", "InvoiceDate": f"{days_ago(0)[:10]}T12:00:00Z"}
    told("PUT", "dynamics365/invoice_lines/usmf%7CSO-9%7C1", {
        **line, "LineCreationSequenceNumber": 1, "ProductNumber": "BOWL-1", "InvoicedQuantity": 2, "SalesPrice": 5,
        "LineAmount": 10, "CurrencyCode": "GBP",
    })  # fmt: skip
    told("PUT", "dynamics365/invoices/usmf%7CSO-9", {
        **line, "LedgerVoucher": "V-9", "InvoiceCustomerAccountNumber": "C-2", "CurrencyCode": "GBP",
        "TotalInvoiceAmount": 10,
    })  # fmt: skip
    wait_until(lambda: InboxEvent.objects.filter(kind="SalesInvoicePostedBusinessEvent").exists())
    handled()
    assert PendingKey.objects.filter(flow__name="dynamics365.sale", key="usmf|SO-9", urgent=True).exists()
    assert buckets(sync("dynamics365.sale", keys_only=True)) == {"accepted": 1}
    assert len(told.sales()) == sent + 1


def fetch(control: Control, view: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with urllib.request.urlopen(f"{control.base}/_control/emarsys/files/{view}") as answer:
        (folder / view).write_bytes(answer.read())


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_emarsys_own_figures_are_imported_as_it_exports_them(world: World, tmp_path: Path, form: str) -> None:
    control = world("dynamics365", EMARSYS_ATTRIBUTION_FILES=str(tmp_path / "attribution"),
                    EMARSYS_PURCHASE_FILES=str(tmp_path / "purchases"))  # fmt: skip
    sync("dynamics365.customer")
    ana = control.contacts()["C-1"]["id"]
    control("POST", "emarsys/launch", {"name": "Winter sale", "ids": [ana], "at": days_ago(6)})
    control("POST", "emarsys/click", {"id": ana, "at": days_ago(5)})
    sync("dynamics365.sale")
    fetch(control, f"revenue_attribution.{form}", tmp_path / "attribution")
    fetch(control, f"si_purchases.{form}", tmp_path / "purchases")
    sync("emarsys.attribution")
    sync("emarsys.purchase")
    links = AttributionLink.objects.all()
    assert links, "the order of a customer who clicked is credited"
    assert {link.order_number for link in links} <= {row["order"] for row in control.sales()}
    assert EmarsysPurchase.objects.count() == 3
    assert sum(row.amount for row in EmarsysPurchase.objects.all()) == pytest.approx(15)
    sync("emarsys.attribution", full=True)
    assert AttributionLink.objects.count() == len(links), "imported again, they stand there once"


def test_an_account_that_still_signs_in_by_wsse_takes_the_same_flows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = world("dynamics365")
    esp = control("GET", "systems")["emarsys"]
    for name, value in {"AUTH": "wsse", "URL": esp["url_v2"], "WSSE_USER": esp["wsse_user"],
                        "WSSE_SECRET": esp["wsse_secret"], "CLIENT_ID": "", "CLIENT_SECRET": ""}.items():  # fmt: skip
        monkeypatch.setenv(f"EMARSYS_{name}", value)
    assert buckets(sync("dynamics365.customer")) == {"accepted": 5}
    assert control.requests("POST", "/oauth2/token") == []
    assert all("/api/v2/" in one["path"] for one in control.requests("PUT", "/contact"))


def test_two_accounts_are_two_flows_and_know_nothing_of_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sync import flows

    control = world("dynamics365")
    second = control("GET", "systems")["emarsys"]["accounts"]["demo2"]
    for name in ("url", "token_url", "client_id", "client_secret", "sales_url", "merchant_id", "sales_token"):
        monkeypatch.setenv(f"DE_{name.upper()}", second[name])
    monkeypatch.setenv("DE_CONNECTOR", "emarsys")
    monkeypatch.setenv("CONNECTIONS", "dynamics365,emarsys,de")
    monkeypatch.setenv("DYNAMICS365_TARGETS", "emarsys,de")
    flows.ensure()
    assert Flow.objects.filter(name="dynamics365.customer.de", target="de").exists()
    sync("dynamics365.customer.de")
    assert len(control("GET", "emarsys/contacts@demo2")) == 5
    assert control.all_contacts() == []
