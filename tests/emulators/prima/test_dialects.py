"""Another site, other names: everything the contract assumes can be called something else (prima.md 7, 8)."""

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.emulators.prima.site import Site


@pytest.fixture
def other(site: Site) -> Site:
    """The test environment speaks the other site's language; the live one stays as it was."""
    answer = site.control("POST", "prima/dialect", {"environment": "wsadevtest", "dialect": "other"})
    assert answer.json()["name"] == "other"
    return Site(site.root, "wsadevtest")


def ok(root: ElementTree.Element) -> ElementTree.Element:
    assert root.get("RequestStatus") == "OK", root.attrib
    return root[0]


def test_each_environment_has_its_own_names(site: Site, other: Site) -> None:
    """prima.md 1 fact 3"""
    described = site.control("GET", "systems").json()["prima"]["environments"]
    assert [(name, found["dialect"]) for name, found in described.items()] == [
        ("wsalive", "assumed"),
        ("wsadevtest", "other"),
    ]
    assert site.page("CustomerChanges")[1]
    assert other.refusal("CustomerChanges") == "Unknown request type CustomerChanges"


def test_customers_come_with_other_names_one_deeper(other: Site) -> None:
    """prima.md 7: every name and format must be replaceable"""
    root = other.ask("GetAccounts", AmendedFrom="2024-03-01T00:00:00", BatchSize="1")
    assert root.tag == "OMReply"
    data = ok(root)
    assert (data.get("HasMore"), data.get("NextBookmark", "")[:1]) == ("Y", "K")
    (account,) = data.findall("Accounts/Account")
    assert (account.get("AccountNo"), account.get("AccountState"), account.get("AmendedAt")) == (
        "C0001",
        "A",
        "2024-03-01T05:58:10",
    )
    assert account.get("Born") == "1980-02-29"
    assert account.find("Name").attrib == {"Salutation": "", "First": "Ann", "Last": "O'Neill"}
    assert account.find("Preferences").get("EmailOK") == "Y"
    following = ok(other.ask("GetAccounts", BatchSize="1", Bookmark=data.get("NextBookmark")))
    assert following.find("Accounts/Account").get("AccountNo") == "C0002"


def test_orders_have_unit_prices_and_codes_for_states(other: Site) -> None:
    """prima.md 7.4: price_basis, status table"""
    order = ok(other.ask("GetSalesDocuments")).find("Documents/SalesDocument")
    assert (order.get("DocumentNo"), order.get("Progress"), order.get("Trade")) == ("201001", "PSH", "N")
    lines = order.findall("Lines/Line")
    assert [(line.get("Style"), line.get("Each"), line.get("Value"), line.get("Progress")) for line in lines] == [
        ("3998", "129.00", "119.00", "SHP"),
        ("3998", "129.00", "129.00", "NEW"),
    ]
    assert order.find("Charges/Extra").attrib == {"Code": "STD", "Value": "4.95"}
    assert ok(other.ask("OrderStatus", OrderNumber="201001")).get("OrderStatus") == "PSH"


def test_credits_are_negative_there(other: Site) -> None:
    """prima.md 7.5: credit_sign negative"""
    refund = ok(other.ask("GetRefundDocuments")).find("Documents/RefundDocument")
    assert (refund.get("RefundKind"), refund.get("Total")) == ("R", "-119.00")
    line = refund.find("Lines/Line")
    assert (line.get("Pieces"), line.get("Value")) == ("-1", "-119.00")


def test_shipments_and_stock_have_their_names_too(other: Site) -> None:
    """prima.md 7.6, 7.7"""
    shipment = ok(other.ask("GetShipments")).find("Shipments/Shipment")
    assert (shipment.get("TrackingNo"), shipment.find("Parcels/Item").get("Pieces")) == ("15501234567890", "1")
    articles = ok(other.ask("GetInventory", Depot="MAIN")).findall("Inventory/Article")
    assert {article.get("Depot") for article in articles} == {"MAIN"}
    assert {article.get("Style"): article.get("Sellable") for article in articles}["0042"] == "0"


def test_consent_is_written_in_the_sites_own_words(site: Site, other: Site) -> None:
    """prima.md 7.3"""
    inside = '<Preferences EmailOK="N" AskedAt="2024-07-02T09:00:00" AskedBy="EMARSYS"/>'
    data = ok(other.ask("SetAccountPreferences", inside, MessageId="m1", AccountNo="C0001"))
    assert data.get("AccountNo") == "C0001"
    stored = site.control("GET", "prima/wsadevtest.customers/C0001").json()
    assert (stored["ReceiveEmail"], stored["ConsentDate"], stored["ConsentSource"]) == (
        "No",
        "2024-07-02T08:00:00Z",
        "EMARSYS",
    )
    assert site.control("GET", "prima/customers/C0001").json()["ReceiveEmail"] == "Yes"


def test_a_site_nobody_has_thought_of_is_described_in_a_request_or_a_file(site: Site, tmp_path: Path) -> None:
    """prima.md 8: a mapping file per site"""
    own = {"name": "own", "root": "R", "zone": "Europe/Dublin", "moment": "%d.%m.%y %H:%M", "price_basis": "line",
           "requests": {"OrderChanges": "Bons"}, "elements": {"Order": "Bon"},
           "attributes": {"Order": {"OrderNumber": "Nr"}}, "tables": {"OrderStatus": {"Open": "offen"}}}  # fmt: skip
    site.control("POST", "prima/dialect", {"dialect": own})
    bons = ok(site.ask("Bons")).findall("Bon")
    assert [(bon.get("Nr"), bon.get("OrderStatus")) for bon in bons][1] == ("201002", "offen")
    assert bons[0].get("LastChanged") == "01.03.24 05:40"
    assert bons[1][0].get("Price") == "20.00"
    file = site.control("GET", f"prima/files/{site.drop('orders')[1]['name']}").text
    assert [row["Price"] for row in csv.DictReader(io.StringIO(file), delimiter="|")][0:2] == ["119.00", "129.00"]
    path = tmp_path / "site.yaml"
    path.write_text("name: filed\nrequests: {OrderChanges: Commandes}\n")
    site.set(dialect=str(path))
    assert ok(site.ask("Commandes")).findall("Order")


@pytest.mark.parametrize(
    "dialect", ["nowhere", {"shoe": 1}, {"requests": {"Everything": "Alles"}}, {"zone": "Nowhere/At all"}]
)
def test_a_dialect_that_makes_no_sense_is_refused(site: Site, dialect: object) -> None:
    answer = site.control("POST", "prima/dialect", {"dialect": dialect})
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert site.page("CustomerChanges")[1]
