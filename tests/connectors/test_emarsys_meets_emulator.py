"""The connector and the emulated account, each written from the contract alone, meet over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer

from connectors.base import Excluded, Known, Outcome, Unlimited
from connectors.emulators.server import running
from connectors.errors import ConfigurationError, UnavailableError, UnexpectedReplyError
from connectors.records import Consent, Customer, OrderEvent, OrderStatus, Product, Sale
from connectors.registry import connections

STATUS = {
    "open_orders": ("Open orders", "numeric"),
    "last_order": ("Last order", "shorttext"),
    "last_status": ("Last order status", "shorttext"),
    "last_placed_at": ("Last order placed", "date"),
}
NUMBERS = ("C-1", "C-2", "C-3")


@pytest.fixture(scope="module")
def emulators() -> Iterator[str]:
    with running() as base:
        yield base


class Account:
    """The default account of fresh emulators, and the console's connection to it."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.described = requests.get(f"{base}/_control/systems", timeout=10).json()["emarsys"]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.base}/_control/emarsys/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def api(self, path: str, body: Any) -> Any:
        """A call of somebody else's, an administrator for one."""
        own = self.described
        pair, form = (own["client_id"], own["client_secret"]), {"grant_type": "client_credentials"}
        token = requests.post(own["token_url"], auth=pair, data=form, timeout=10).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(own["url"] + path, json=body, headers=headers, timeout=10).json()
        assert answer["replyCode"] == 0, answer
        return answer["data"]

    def opened(self, **settings: str) -> Any:
        own = self.described
        usual = {
            "URL": own["url"], "TOKEN_URL": own["token_url"], "CLIENT_ID": own["client_id"],
            "CLIENT_SECRET": own["client_secret"], "SALES_URL": own["sales_url"], "MERCHANT_ID": own["merchant_id"],
            "SALES_TOKEN": own["sales_token"],
            "STATUS_FIELDS": ",".join(f"{name}={label}" for name, (label, _) in STATUS.items()),
        }  # fmt: skip
        environment = {f"ESP_{name}": value for name, value in {**usual, **settings}.items()}
        environment |= {"CONNECTIONS": "esp", "ESP_CONNECTOR": "emarsys"}
        return connections(environment)["esp"].open(Unlimited())


@pytest.fixture
def account(emulators: str) -> Account:
    """Three customers are contacts; a fourth person came by a form. No fault is left over."""
    requests.delete(f"{emulators}/_control/faults", timeout=10)
    wanted = {"dataset": None, "seed": 1, "drift": False}
    assert requests.post(f"{emulators}/_control/reset", json=wanted, timeout=30).ok
    account = Account(emulators)
    send(account.opened(), "customer", *(customer(number) for number in NUMBERS))
    account.control("POST", "subscribe", {"email": "form@example.com"})
    return account


def customer(number: str) -> Customer:
    return Customer(key=f"usmf|{number}", account=number, email=f"{number.lower()}@example.com", first_name="Ana")


def send(sink: Any, inlet: str, *records: Any) -> list[Any]:
    batch = [sink.inlets[inlet].encode(record, Known())[0] for record in records]
    return list(sink.send(inlet, batch, "key").results)


def consents(source: Any, since: str = "") -> dict[str, Any]:
    found = [source.streams["consent"].map(row).record for page in source.read("consent", since) for row in page.rows]
    return {one.key: one for one in found}


def watermark(source: Any, since: str = "") -> str:
    *_, last = source.read("consent", since)
    return str(last.watermark)


@pytest.mark.parametrize("strict", [0, 1])
def test_an_account_with_wsse_answers(account: Account, strict: int) -> None:
    account.control("PATCH", "settings/demo", {"strict_nonce": strict})
    own = account.described
    wsse = {"AUTH": "wsse", "URL": own["url_v2"], "WSSE_USER": own["wsse_user"], "CLIENT_ID": "", "CLIENT_SECRET": ""}
    sink = account.opened(**wsse, WSSE_SECRET=own["wsse_secret"])
    assert "key field externalId" in sink.check()
    assert sink.look("customer", ["usmf|C-1"])["usmf|C-1"].fields["email"] == "c-1@example.com"
    with pytest.raises(ConfigurationError, match="refused the credentials"):
        account.opened(**wsse, WSSE_SECRET="wrong").check()


def test_a_header_signed_more_than_five_minutes_off_is_refused(account: Account) -> None:
    own = account.described
    wsse = {"AUTH": "wsse", "URL": own["url_v2"], "WSSE_USER": own["wsse_user"], "WSSE_SECRET": own["wsse_secret"]}
    try:
        assert requests.post(f"{account.base}/_control/clock", json={"offset_seconds": 1200}, timeout=10).ok
        with pytest.raises(ConfigurationError, match="401"):
            account.opened(**wsse).check()
    finally:
        assert requests.post(f"{account.base}/_control/clock", json={"offset_seconds": 0}, timeout=10).ok
    assert account.opened(**wsse).check()


def test_contacts_keyed_by_e_mail(account: Account) -> None:
    sink = account.opened(KEY="email")
    (result,) = send(sink, "customer", Customer(key="usmf|C-9", account="C-9", email="form@example.com"))
    assert result.outcome is Outcome.ACCEPTED
    seen = sink.look("customer", ["usmf|C-9"])["usmf|C-9"]
    assert (seen.target_id, seen.key, seen.fields["external_id"]) == (result.target_id, "form@example.com", "C-9")


def test_an_opt_out_comes_back_as_a_change_and_goes_in_as_a_consent(account: Account) -> None:
    esp = account.opened()
    proof = {"evidence": "double opt-in of 2026-01-02"}
    yes = [Consent(key=number, customer=number, given="yes", **proof) for number in NUMBERS]
    assert [one.outcome for one in send(esp, "consent", *yes)] == [Outcome.ACCEPTED] * 3
    assert {key: one.given for key, one in consents(esp).items() if not isinstance(one, Excluded)} == dict.fromkeys(
        NUMBERS, "yes"
    )
    target = esp.look("consent", ["usmf|C-2"])["usmf|C-2"]
    assert target.fields == {"given": "yes"}
    account.control("POST", "unsubscribe", {"id": target.target_id})
    changed = consents(esp, watermark(esp))
    assert (changed["C-2"].given, changed["C-2"].at_latest) == ("no", True)
    assert abs(changed["C-2"].at - datetime.now(UTC)) < timedelta(minutes=2)
    (gone,) = send(esp, "consent", Consent(key="C-8", customer="C-8", given="no"))
    assert (gone.outcome, gone.code) == (Outcome.REJECTED, "2008")
    assert sum(isinstance(one, Excluded) for one in consents(esp).values()) == 1


@pytest.mark.parametrize("header", [0, 1])
def test_changes_are_complete_however_small_the_slices(account: Account, header: int) -> None:
    account.control("PATCH", "settings/demo", {"export_header_on_every_page": header, "export_seconds": 0})
    esp = account.opened(EXPORT_SLICE="2")
    send(esp, "consent", *(Consent(key=number, customer=number, given="no") for number in NUMBERS))
    changed = consents(esp, watermark(esp))
    assert {key: one.given for key, one in changed.items() if key in NUMBERS} == dict.fromkeys(NUMBERS, "no")


def test_order_status_stands_in_the_account_s_fields(account: Account) -> None:
    with pytest.raises(ConfigurationError, match="Open orders"):
        _ = account.opened().inlets["order_status"]
    for label, kind in STATUS.values():
        account.api("/field", {"name": label, "application_type": kind})
    esp = account.opened()
    values = {"open_orders": 2, "last_order": "SO-9", "last_status": "shipped"}
    placed = datetime(2026, 1, 15, tzinfo=UTC)
    records = [
        OrderStatus(key=f"usmf|{number}", account=number, last_placed_at=placed, **values) for number in ("C-1", "C-8")
    ]
    first, stranger = send(esp, "order_status", *records)
    assert (first.outcome, stranger.outcome, stranger.code) == (Outcome.ACCEPTED, Outcome.REJECTED, "2008")
    seen = esp.look("order_status", ["usmf|C-1"])["usmf|C-1"]
    encoded, _ = esp.inlets["order_status"].encode(records[0], Known())
    assert dict(seen.fields) == dict(esp.inlets["order_status"].expected(encoded))
    assert "usmf|C-8" not in esp.look("order_status", ["usmf|C-8"])
    assert {one.key for page in esp.scan("order_status") for one in page} >= {"C-1", "C-2"}


def dispatched(number: str) -> OrderEvent:
    return OrderEvent(key=f"usmf|SO-1|dispatched|{number}", event="dispatched", customer=f"usmf|{number}",
                      account=number, order="SO-1", happened_at=datetime.now(UTC))  # fmt: skip


@pytest.mark.parametrize("interactions", [0, 1])
def test_an_order_event_reaches_its_customer_once(account: Account, interactions: int) -> None:
    account.control("PATCH", "settings/demo", {"interactions": interactions, "realtime": interactions})
    esp = account.opened()
    events = [dispatched(number) for number in ("C-1", "C-8")]
    for _ in range(2):
        first, stranger = send(esp, "order_event", *events)
        assert (first.outcome, stranger.outcome, stranger.code) == (Outcome.ACCEPTED, Outcome.REJECTED, "2008")
    assert sum("SO-1" in str(mail) for mail in account.control("GET", "outbox")) == 1


@pytest.mark.parametrize("interactions", [0, 1])
def test_an_event_with_nothing_attached_is_an_alarm(account: Account, interactions: int) -> None:
    account.control("PATCH", "settings/demo", {"interactions": interactions, "programs_attached": 0})
    account.api("/event", {"name": "nothing"})
    with pytest.raises(ConfigurationError, match="nothing"):
        send(account.opened(EVENTS="dispatched=nothing"), "order_event", dispatched("C-1"))


ONCE = [
    {"kind": "drop_after_accept"},
    {"kind": "drop_after_accept", "reset": True},
    {"kind": "reset"},
    {"kind": "status", "code": 503},
    {"kind": "truncate"},
    {"kind": "expire_token"},
    {"kind": "throttle", "retry_after": 0},
    {"kind": "throttle", "retry_after": 0, "message": "Too Many Requests"},
]


@pytest.mark.parametrize("fault", ONCE, ids=lambda fault: "-".join(str(value) for value in fault.values()))
def test_what_goes_wrong_once_on_the_way_harms_nobody(
    account: Account, slept: list[float], fault: dict[str, Any]
) -> None:
    """A lost answer is the dangerous case: an event must not be told twice, an opt-out not be forgotten."""
    esp = account.opened()
    _ = esp.events(), esp.inlets["consent"]
    for path in ("/event/", "/contact/"):
        described = {"system": "emarsys", "method": "POST" if path == "/event/" else "PUT", "path": path, **fault}
        assert requests.post(f"{account.base}/_control/faults", json=described, timeout=10).ok
    assert send(esp, "order_event", dispatched("C-1"))[0].outcome is Outcome.ACCEPTED
    assert send(esp, "consent", Consent(key="C-1", customer="C-1", given="no"))[0].outcome is Outcome.ACCEPTED
    assert sum("SO-1" in str(mail) for mail in account.control("GET", "outbox")) == 1
    assert esp.look("consent", ["usmf|C-1"])["usmf|C-1"].fields == {"given": "no"}


@pytest.mark.parametrize(
    "fault", [{"kind": "html", "times": 0}, {"kind": "malformed"}, {"kind": "status", "code": 302}]
)
def test_what_is_no_answer_of_emarsys_is_told(account: Account, fault: dict[str, Any], slept: list[float]) -> None:
    esp = account.opened()
    _ = esp.inlets["consent"]
    described = {"system": "emarsys", "method": "PUT", "path": "/contact/", **fault}
    assert requests.post(f"{account.base}/_control/faults", json=described, timeout=10).ok
    with pytest.raises((UnexpectedReplyError, UnavailableError)) as raised:
        send(esp, "consent", Consent(key="C-1", customer="C-1", given="no"))
    assert raised.value.system == "esp"
    assert account.described["client_secret"] not in f"{raised.value!r} {raised.value.reply} {raised.value.request}"


def test_lists_are_filled_counted_and_read(account: Account) -> None:
    esp = account.opened()
    filled = esp.create_list("Recall", ["C-1", "C-2", "C-8"])
    assert (filled.changed, dict(filled.refused)) == (2, {"C-8": "2008"})
    assert esp.list_count(filled.id) == 2
    assert esp.add_to_list(filled.id, ["C-3"]).changed == 1
    ids = {one for page in esp.list_members(filled.id) for one in page}
    assert ids == {esp.look("customer", [f"usmf|{number}"])[f"usmf|{number}"].target_id for number in NUMBERS}
    assert esp.remove_from_list(filled.id, ["C-1"]).changed == 1
    esp.replace_list(filled.id, ["C-1"])
    assert esp.list_count(filled.id) == 1
    with pytest.raises(ConfigurationError, match="3005"):
        esp.create_list("Recall")
    esp.rename_list(filled.id, "Recalled")
    assert "Recalled" in {one.name for one in esp.lists()}
    esp.delete_list(filled.id)
    with pytest.raises(ConfigurationError):
        esp.list_count(filled.id)


def test_a_segment_is_counted_and_run(account: Account) -> None:
    esp = account.opened()
    send(esp, "consent", Consent(key="C-1", customer="C-1", given="yes", evidence="form"))
    segment = next(one for one in esp.segments() if one.name == "Without a loyalty tier")
    run = esp.run_segment(segment.id)
    assert esp.segment_count(segment.id) == run.size.contacts == 4
    assert run.size.opted_in == 2  # C-1, and who came by the form
    assert len([one for page in esp.list_members(run.contact_list) for one in page]) == 4


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
def test_what_was_bought_and_credited_comes_back(account: Account, kind: str) -> None:
    files = f"{account.base}/_control/emarsys/files"
    esp = account.opened(
        ATTRIBUTION_FILES=f"{files}/revenue_attribution.{kind}", PURCHASE_FILES=f"{files}/si_purchases.{kind}"
    )
    target = esp.look("customer", ["usmf|C-1"])["usmf|C-1"].target_id
    (campaign, *_) = [one for one in account.control("GET", "campaigns") if one["name"] == "Spring newsletter"]
    send(esp, "consent", Consent(key="C-1", customer="C-1", given="yes", evidence="form"))
    account.control("POST", "launch", {"campaign_id": campaign["id"]})
    account.control("POST", "click", {"id": target, "campaign_id": campaign["id"]})
    later = datetime.now(UTC) + timedelta(minutes=1)
    total = Decimal("24.00")
    bought = Sale(key="usmf|INV-1|1", document="INV-1", line="1", company="usmf", customer="usmf|C-1", account="C-1",
                  sku="MUG-1", quantity=Decimal(2), unit_price=Decimal("12.00"), amount=total, document_total=total,
                  currency="GBP", sold_at=later)  # fmt: skip
    assert send(esp, "sale", bought)[0].outcome is Outcome.ACCEPTED
    (purchase,) = read(esp, "purchase")
    assert (purchase.order, purchase.sku, purchase.quantity, purchase.amount) == ("INV-1", "MUG-1", 2, 24)
    (credit,) = read(esp, "attribution")
    assert (credit.order, credit.campaign, credit.contact, credit.amount) == ("INV-1", campaign["id"], target, 24)


def read(source: Any, stream: str) -> list[Any]:
    return [source.streams[stream].map(row).record for page in source.read(stream, "") for row in page.rows]


def test_emarsys_pulls_the_feed_and_replaces_its_catalogue(account: Account, server: HTTPServer) -> None:
    inlet = account.opened(STOCK_THRESHOLD="2").inlets["product"]
    stock = {"MUG-1": 42, "TEA": 2, "OLD": 0}
    products = [Product(key=f"usmf|{sku}", sku=sku, name=f'{sku}, "new"', category=("Home", "Kitchen"),
                        price=Decimal("12.00"), sellable=Decimal(pieces)) for sku, pieces in stock.items()]  # fmt: skip
    lines = [inlet.encode(product, Known())[0].body for product in products]
    server.expect_request("/feed.csv").respond_with_data(inlet.head + b"".join(lines), content_type="text/csv")
    for _ in range(2):
        account.control("POST", "pull_catalogue", {"url": server.url_for("/feed.csv")})
    found = {one["item"]: one for one in account.control("GET", "products")}
    assert {sku: one["available"] for sku, one in found.items()} == {"MUG-1": "true", "TEA": "false", "OLD": "false"}
    assert (found["MUG-1"]["title"], found["MUG-1"]["c_stock"]) == ('MUG-1, "new"', "42")
    assert found["MUG-1"]["category"] == "Home > Kitchen"
