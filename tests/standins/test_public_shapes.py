"""The forms of two public OData v4 services, as odata.org shows them: TripPin's people, and Northwind's customers,
orders and details (with a currency, which Northwind lacks and money needs). Packed with gzip, below an address with
a slash at its end, without $metadata."""

import gzip
import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.connectors.conftest import opened

USUAL = {"AUTH": "none", "DATA_PATH": "", "CROSS_COMPANY": "no", "COMPANY_FIELD": "", "ENUM_NAMESPACE": "",
         "TIER_FIELD": "", "BIRTH_DATE_FIELD": "", "PAGE_SIZE": "2"}  # fmt: skip
ABSENT = "PartyNumber=,PartyType=,LanguageId=,AddressCountryRegionISOCode=,OnHoldStatus="
TRIPPIN = {
    "CUSTOMERS_SET": "People",
    "CUSTOMERS_COLUMNS": "CustomerAccount=UserName,PersonFirstName=FirstName,PersonLastName=LastName,"
    "PrimaryContactEmail=Emails,OrganizationName=,PrimaryContactPhone=,AddressStreet=,AddressCity=,AddressZipCode=,"
    f"AddressCountryRegionId=,{ABSENT}",
}
NORTHWIND = {
    "CUSTOMERS_SET": "Customers",
    "CUSTOMERS_COLUMNS": "CustomerAccount=CustomerID,OrganizationName=CompanyName,PersonFirstName=,PersonLastName=,"
    "PrimaryContactEmail=,PrimaryContactPhone=Phone,AddressStreet=Address,AddressCity=City,AddressZipCode=PostalCode,"
    f"AddressCountryRegionId=Country,{ABSENT}",
    "INVOICES_SET": "Orders",
    "INVOICES_COLUMNS": "InvoiceNumber=OrderID:Edm.Int32,InvoiceDate=OrderDate,InvoiceCustomerAccountNumber=CustomerID,"
    "TotalInvoiceAmount=Freight,LedgerVoucher=,SalesOrderNumber=,CurrencyCode=Currency",
    "INVOICE_LINES_SET": "Order_Details",
    "INVOICE_LINES_COLUMNS": "InvoiceNumber=OrderID:Edm.Int32,InvoiceDate=,LineCreationSequenceNumber=ProductID,"
    "ProductNumber=ProductID,ProductName=,InvoicedQuantity=Quantity,SalesPrice=UnitPrice,LineAmount=UnitPrice,"
    "CurrencyCode=",
}


class Service:
    """Rows of each set, two a page with a relative link to the next; `gt`, `ge`, `le` and `eq` of its key."""

    def __init__(self, server: HTTPServer, sets: dict[str, tuple[str, list[dict[str, Any]]]]) -> None:
        self.sets, self.asked = sets, list[str]()
        server.expect_request(re.compile("/V4/svc/.*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix("/V4/svc/")
        if name not in self.sets:
            return Response("", 404)
        self.asked.append(request.args.get("$filter", ""))
        key, rows = self.sets[name]
        rows = [row for row in rows if fits(row, request.args.get("$filter", ""))]
        page: dict[str, Any] = {"@odata.context": f"http://x/V4/svc/$metadata#{name}", "value": rows[:2]}
        if len(rows) > 2:
            page["@odata.nextLink"] = f"{name}?$skiptoken={rows[1][key]!r}"
        packed = gzip.compress(json.dumps(page).encode())
        return Response(packed, content_type="application/json;odata.metadata=minimal;odata.streaming=true;"
                        "IEEE754Compatible=false;charset=utf-8", headers={"Content-Encoding": "gzip"})  # fmt: skip


def fits(row: dict[str, Any], condition: str) -> bool:
    """The condition in Python's words: it has names, comparisons, brackets, `and` and `or` only."""
    words = re.sub(r"\beq\b", "==", re.sub(r"\bgt\b", ">", re.sub(r"\bge\b", ">=", re.sub(r"\ble\b", "<=", condition))))
    words = re.sub(r"(\d{4}-\d{2}-\d{2}T[\d:]+Z)", r"'\1'", words)
    return not condition or bool(eval(words, {"__builtins__": {}}, row))


@pytest.fixture
def trippin(server: HTTPServer) -> Service:
    names = ("keithpinckney", "marshallgaray", "ronaldmundy", "russellwhyte", "scottketchum")
    people = [{
        "@odata.id": f"http://x/V4/svc/People('{name}')", "@odata.etag": 'W/"08D1694BD49A0F11"',
        "@odata.editLink": f"http://x/V4/svc/People('{name}')", "UserName": name, "FirstName": name[:5].title(),
        "LastName": name[5:].title(), "Emails": [f"{name}@example.com"], "Gender": "Male",
        "AddressInfo": [{"Address": "187 Suffolk Ln.", "City": {"CountryRegion": "United States", "Name": "Boise"}}],
        "Concurrency": 635404796846280400,
    } for name in names]  # fmt: skip
    return Service(server, {"People": ("UserName", people)})


@pytest.fixture
def northwind(server: HTTPServer) -> Service:
    customers = [{"CustomerID": key, "CompanyName": f"{key} Futterkiste", "ContactName": "Maria Anders",
                  "Address": "Obere Str. 57", "City": "Berlin", "Region": None, "PostalCode": "12209",
                  "Country": "Germany", "Phone": "030-0074321", "Fax": None}
                 for key in ("ALFKI", "ANATR", "ANTON", "AROUT", "BERGS")]  # fmt: skip
    orders = [{"OrderID": 10248 + at, "CustomerID": "ALFKI" if at % 2 else None, "ShippedDate": None,
               "OrderDate": f"1996-07-{4 + at:02}T00:00:00Z", "Freight": 32.38, "Currency": "USD"}
              for at in range(5)]  # fmt: skip
    details = [{"OrderID": 10248 + at, "ProductID": product, "UnitPrice": 14.0, "Quantity": 12, "Discount": 0}
               for at in range(5) for product in (11, 42, 72)]  # fmt: skip
    return Service(server, {"Customers": ("CustomerID", customers), "Orders": ("OrderID", orders),
                            "Order_Details": ("OrderID", details)})  # fmt: skip


def opened_at(server: HTTPServer, settings: dict[str, str]) -> Any:
    return opened("dynamics365.finance", server, {**USUAL, "URL": "{server}/V4/svc/", **settings})


def records(source: Any, stream: str, since: str = "") -> dict[str, Any]:
    rows = [row for page in source.read(stream, since) for row in page.rows]
    return {source.streams[stream].key(row): source.streams[stream].map(row).record for row in rows}


def test_people_of_trippin_are_read_though_their_addresses_are_lists(server: HTTPServer, trippin: Service) -> None:
    found = records(opened_at(server, TRIPPIN), "customer")
    assert list(found) == ["keithpinckney", "marshallgaray", "ronaldmundy", "russellwhyte", "scottketchum"]
    assert (found["russellwhyte"].first_name, found["russellwhyte"].email) == ("Russe", "")


def test_customers_of_northwind_are_organisations_with_an_address(server: HTTPServer, northwind: Service) -> None:
    found = records(opened_at(server, NORTHWIND), "customer")
    assert list(found) == ["ALFKI", "ANATR", "ANTON", "AROUT", "BERGS"]
    assert (found["ALFKI"].organisation, found["ALFKI"].country, found["ALFKI"].city) == (
        "ALFKI Futterkiste", "DE", "Berlin"
    )  # fmt: skip


def test_lines_without_a_date_have_their_headers(server: HTTPServer, northwind: Service) -> None:
    source = opened_at(server, NORTHWIND)
    pages = list(source.read("sale", ""))
    key = source.streams["sale"].key
    everything = [key(row) for page in pages for row in page.rows]
    assert everything == [f"{number}|{product}" for number in range(10248, 10253) for product in (11, 42, 72)]
    found = source.streams["sale"].map(pages[1].rows[0]).record
    assert (found.document, found.customer, found.sold_at.date().isoformat()) == ("10249", "ALFKI", "1996-07-05")
    assert (found.quantity, found.unit_price, pages[-1].watermark) == (12, 14, "1996-07-08")
    for reached, page in enumerate(pages[:-1]):
        rest = [key(row) for later in pages[reached + 1 :] for row in later.rows]
        assert [key(row) for part in source.read("sale", "", page.resume) for row in part.rows] == rest
    assert [one for page in source.keys("sale") for one in page] == everything
    assert [key(row) for page in source.fetch("sale", ["10250", "10251|42"]) for row in page.rows] == [
        "10250|11", "10250|42", "10250|72", "10251|42"
    ]  # fmt: skip


def test_lines_without_a_date_are_asked_for_by_the_headers_of_a_window(server: HTTPServer, northwind: Service) -> None:
    source = opened_at(server, {**NORTHWIND, "LOOKBACK_DAYS": "1"})
    northwind.asked.clear()
    assert {key.partition("|")[0] for key in records(source, "sale", "1996-07-08")} == {"10251", "10252"}
    assert northwind.asked[0] == "OrderDate ge 1996-07-07T00:00:00Z"
