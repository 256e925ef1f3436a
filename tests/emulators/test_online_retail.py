"""The demo company: the published file, unchanged, with generated people (docs/demo-data.md)."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest

from connectors.emulators.dataset import Customer
from connectors.emulators.datasets.online_retail import FILE, OnlineRetail
from connectors.emulators.server import running
from tests.emulators.client import Environment


@pytest.fixture(scope="module")
def demo() -> Iterator[Environment]:
    with running(dataset="online_retail", seed=1) as root:
        yield Environment(root).sign_in()


@pytest.fixture(scope="module")
def retail() -> OnlineRetail:
    return OnlineRetail(1)


@pytest.fixture(scope="module")
def people(retail: OnlineRetail) -> list[Customer]:
    return list(retail.customers())


def test_the_file_is_the_published_one() -> None:
    expected = "182a1ca1f6d33a0c8af59db5ebbfdc7f9c6620e970a46ce15c2abb06d83de9b5"
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == expected


def test_nobody_can_be_reached_at_a_generated_address(people: list[Customer]) -> None:
    assert {person.email.rsplit("@", 1)[1] for person in people} == {"example.com", "example.org", "example.net"}
    assert len({person.email for person in people}) == len(people) == 4_372
    assert all(person.email.isascii() for person in people)


def test_people_follow_from_the_seed(retail: OnlineRetail, people: list[Customer]) -> None:
    assert people == list(retail.customers())
    second = OnlineRetail(2)
    second.posted = retail.posted  # the same file, read once
    other = list(second.customers())
    assert [person.customer_id for person in other] == [person.customer_id for person in people]
    assert sum(one.email == two.email for one, two in zip(people, other, strict=True)) < 100


def test_countries_stay_in_the_retailers_own_words(demo: Environment, people: list[Customer]) -> None:
    """docs/demo-data.md: the latest invoice's; 4 Unspecified, 1 European Community"""
    counts = Counter(row["AddressCountryRegionId"] for row in demo.rows("CustomersV3"))
    assert (counts["Unspecified"], counts["European Community"], counts["EIRE"], counts["RSA"]) == (4, 1, 3, 1)
    two = {person.customer_id: person.country for person in people}
    assert (two["12370"], two["12431"]) == ("Cyprus", "Australia")
    assert any("'" in person.last_name for person in people)
    assert any(not person.last_name.isascii() for person in people)


def test_every_invoice_is_there_with_its_lines_in_file_order(demo: Environment) -> None:
    """docs/demo-data.md"""
    sizes = demo.control("GET", "systems").json()["dynamics365"]["collections"]
    assert (sizes["customers"], sizes["invoices"], sizes["invoice_lines"]) == (4_372, 25_900, 541_909)
    rows = demo.rows("SalesInvoiceV2Lines", filter="dataAreaId eq 'ukrt' and InvoiceNumber eq '536365'")
    assert [row["LineCreationSequenceNumber"] for row in rows] == list(range(1, 8))
    first = rows[0]
    assert (first["ProductNumber"], first["InvoicedQuantity"], first["SalesPrice"]) == ("85123A", 6, 2.55)
    assert (first["LineAmount"], first["InvoiceDate"]) == (15.3, "2010-12-01T12:00:00Z")


def test_money_adds_up_to_the_published_sums(demo: Environment) -> None:
    """docs/demo-data.md: £1,447,682.12 without a customer, £8,300,065.814 with one"""
    sums, counts = Counter(), Counter()
    answer = demo.control("GET", "dynamics365/invoices").content
    for row in json.loads(answer, parse_float=Decimal):
        owned = row["InvoiceCustomerAccountNumber"] != ""
        sums[owned] += Decimal(row["TotalInvoiceAmount"])
        counts[owned] += 1
    assert (counts[False], counts[True]) == (3_710, 22_190)
    assert (sums[False], sums[True]) == (Decimal("1447682.12"), Decimal("8300065.814"))


def test_amounts_travel_without_float_noise(demo: Environment) -> None:
    """docs/demo-data.md: at most three places, those of the finest price"""
    window = "InvoiceDate ge 2011-05-01T00:00:00Z and InvoiceDate lt 2011-05-08T00:00:00Z"
    text = demo.get("SalesInvoiceV2Lines", filter=window, select="LineAmount", orderby="dataAreaId,InvoiceDate").text
    amounts = [part.split("}")[0] for part in text.split('"LineAmount":')[1:]]
    assert len(amounts) > 1_000
    assert max(len(amount.partition(".")[2]) for amount in amounts) <= 3


def test_codes_that_differ_only_by_case_stay_apart(demo: Environment) -> None:
    """docs/demo-data.md"""
    for code in ("84031A", "84031a"):
        condition = f"InvoiceNumber eq '573585' and ProductNumber eq '{code}'"
        assert {row["ProductNumber"] for row in demo.rows("SalesInvoiceV2Lines", filter=condition)} == {code}
