"""A shop system that is no Dynamics stands in for it: only the connection's settings differ."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from connectors.errors import ConfigurationError, UnexpectedReplyError
from tests.connectors.conftest import Open
from tests.connectors.finance.shop_server import ShopServer

TEXT, INT, DECIMAL, DAY, MOMENT = (f"Edm.{kind}" for kind in ("String", "Int64", "Decimal", "Date", "DateTimeOffset"))

SETTINGS = {
    "URL": "{server}/odata/v4/shop.svc",
    "DATA_PATH": "",
    "AUTH": "none",
    "COMPANY_FIELD": "",
    "CROSS_COMPANY": "no",
    "ENUM_NAMESPACE": "",
    "TIER_FIELD": "",
    "BIRTH_DATE_FIELD": "",
    "CUSTOMERS_SET": "clients",
    "CUSTOMERS_COLUMNS": "CustomerAccount=client_no,PrimaryContactEmail=mail,PersonFirstName=first,PersonLastName=last,"
    "AddressCountryRegionId=country,OnHoldStatus=blocked,PartyNumber=,PartyType=,OrganizationName=,LanguageId=,"
    "PrimaryContactPhone=,AddressStreet=,AddressCity=,AddressZipCode=,AddressCountryRegionISOCode=",
    "INVOICES_SET": "bills",
    "INVOICES_COLUMNS": "InvoiceNumber=bill_no,InvoiceDate=billed_on,InvoiceCustomerAccountNumber=client_no,"
    "TotalInvoiceAmount=total,CurrencyCode=currency,LedgerVoucher=,SalesOrderNumber=",
    "INVOICE_LINES_SET": "bill_lines",
    "INVOICE_LINES_COLUMNS": "InvoiceNumber=bill_no,InvoiceDate=billed_on,LineCreationSequenceNumber=line_no,"
    "ProductNumber=sku,InvoicedQuantity=pieces,LineAmount=amount,ProductName=,SalesPrice=,CurrencyCode=",
    "ORDERS_SET": "orders",
    "ORDERS_COLUMNS": "SalesOrderNumber=order_no,OrderingCustomerAccountNumber=client_no,SalesOrderStatus=state,"
    "OrderCreationDateTime=placed_at,CurrencyCode=currency,OrderTotalAmount=,OrderTotalTaxAmount=,"
    "OrderTotalDiscountAmount=,OrderTotalChargesAmount=,AreTotalsCalculated=,IsSalesProcessingStopped=,"
    "SalesOrderProcessingStatus=,SalesOrderOriginCode=,DeliveryModeCode=,ShippingCarrierId=",
    "ORDER_LINES_SET": "order_lines",
    "ORDER_LINES_COLUMNS": "SalesOrderNumber=order_no,InventoryLotId=line_no,ItemNumber=sku,LineAmount=amount,"
    "OrderedSalesQuantity=pieces,SalesOrderLineStatus=state,LineDescription=,SalesPrice=,SalesPriceQuantity=,"
    "LineDiscountAmount=,CurrencyCode=",
    "VOIDED_ORDERS_SET": "",
    "PRODUCTS_SET": "articles",
    "PRODUCTS_COLUMNS": "ItemNumber=sku,ProductName=title,SalesPrice=price,SearchName=,ProductGroupId=,"
    "ProductLifecycleStateId=,SalesPriceQuantity=,CurrencyCode=,IsSalesStopped=",
    "ON_HAND_SET": "stock",
    "ON_HAND_COLUMNS": "ItemNumber=sku,InventoryWarehouseId=place,AvailableOnHandQuantity=free,ProductColorId=,"
    "ProductConfigurationId=,ProductSizeId=,ProductStyleId=,ProductVersionId=,InventorySiteId=,InventoryStatusId=,"
    "OnHandQuantity=,ReservedOnHandQuantity=,OrderedQuantity=",
}


@pytest.fixture
def shop(server: HTTPServer) -> ShopServer:
    clients = [{"client_no": number, "mail": f"c{number}@example.com" if number % 2 else None, "first": "Ana",
                "last": "O'Neil", "country": None, "blocked": "All" if number == 5 else "No"}
               for number in range(1, 11)]  # fmt: skip
    bills = [{"bill_no": f"B{number}", "billed_on": f"2026-01-{number + 10}", "client_no": 1, "total": "5.50",
              "currency": "EUR"} for number in range(7)]  # fmt: skip
    bill_lines = [{"bill_no": f"B{number}", "billed_on": f"2026-01-{number + 10}", "line_no": line, "sku": "MUG",
                   "pieces": "1.0", "amount": "2.75"} for number in range(7) for line in (1, 2)]  # fmt: skip
    orders = [{"order_no": f"O{number}", "client_no": number, "state": "Delivered" if number == 3 else "Invoiced",
               "placed_at": f"2026-01-{number + 10}T08:00:00Z", "currency": "EUR"} for number in range(7)]  # fmt: skip
    order_lines = [{"order_no": f"O{number}", "line_no": 10 * number + line, "sku": "MUG", "pieces": "2",
                    "state": state, "amount": "4.5"}
                   for number in range(7) for line, state in ((1, "Canceled"), (2, "Delivered"))]  # fmt: skip
    return ShopServer(
        server,
        {
            "clients": ({"client_no": INT, "mail": TEXT, "first": TEXT, "last": TEXT, "country": TEXT, "blocked": TEXT},
                        "client_no", clients),
            "bills": ({"bill_no": TEXT, "billed_on": DAY, "client_no": INT, "total": DECIMAL, "currency": TEXT},
                      "bill_no", bills),
            "bill_lines": ({"bill_no": TEXT, "billed_on": DAY, "line_no": INT, "sku": TEXT, "pieces": DECIMAL,
                            "amount": DECIMAL}, "line_no", bill_lines),
            "orders": ({"order_no": TEXT, "client_no": INT, "state": TEXT, "placed_at": MOMENT, "currency": TEXT},
                       "order_no", orders),
            "order_lines": ({"order_no": TEXT, "line_no": INT, "sku": TEXT, "pieces": DECIMAL, "amount": DECIMAL,
                             "state": TEXT}, "line_no", order_lines),
            "articles": ({"sku": TEXT, "title": TEXT, "price": DECIMAL}, "sku",
                         [{"sku": sku, "title": sku.title(), "price": "2.75"} for sku in ("CUP", "JUG", "MUG", "PAN")]),
            "stock": ({"sku": TEXT, "place": TEXT, "free": DECIMAL}, "place",
                      [{"sku": sku, "place": place, "free": "3"} for sku in ("CUP", "MUG") for place in ("A", "B")]),
        },
    )  # fmt: skip


@pytest.fixture
def source(shop: ShopServer, finance: Open) -> Iterator[Any]:
    with time_machine.travel("2026-01-20T08:00:00Z", tick=True):
        yield finance(**SETTINGS)


def records(source: Any, stream: str, since: str = "", resume: str = "") -> dict[str, Any]:
    rows = [row for page in source.read(stream, since, resume) for row in page.rows]
    return {source.streams[stream].key(row): source.streams[stream].map(row).record for row in rows}


def test_customers_are_read_though_pages_are_small_links_relative_and_nothing_is_counted(source: Any) -> None:
    found = records(source, "customer")
    assert list(found) == [str(number) for number in range(1, 11)]
    assert (found["1"].email, found["2"].email, found["1"].last_name) == ("c1@example.com", "", "O'Neil")
    assert [key for key, record in found.items() if record.on_hold] == ["5"]
    told, lacking = source.check().split(" Not offered there: ")
    assert told == "Answers; customers, which it does not count."
    assert [part.partition(" ")[0] for part in lacking.split("; ")] == ["contact", "order_event", "return"]


@pytest.mark.parametrize("stream", ["customer", "sale", "order", "product", "stock"])
def test_every_page_can_be_resumed_and_the_sweep_lists_the_same_keys(
    source: Any, shop: ShopServer, stream: str
) -> None:
    everything = list(records(source, stream))
    assert sorted(key for page in source.keys(stream) for key in page) == sorted(everything)
    pages = list(source.read(stream, ""))
    key = source.streams[stream].key
    for reached, page in enumerate(pages[:-1]):
        rest = [key(row) for part in pages[reached + 1 :] for row in part.rows]
        assert list(records(source, stream, "", page.resume)) == rest
    assert sorted(records_fetched(source, stream, everything)) == sorted(everything)
    assert not any("company" in request.query_string.decode() for request in shop.asked)


def records_fetched(source: Any, stream: str, keys: list[str]) -> list[str]:
    return [source.streams[stream].key(row) for page in source.fetch(stream, keys) for row in page.rows]


def test_invoices_are_joined_and_their_window_is_asked_for_in_days(source: Any, shop: ShopServer) -> None:
    found = records(source, "sale")
    assert len(found) == 14
    assert (found["B0|1"].amount, found["B0|1"].document_total) == (pytest.approx(2.75), pytest.approx(5.5))
    asked = len(shop.asked)
    assert len(records(source, "sale", "2026-01-15")) == 14
    assert shop.asked[asked].args["$filter"].startswith("billed_on ge 2026-01-08")


def test_orders_have_their_status_from_their_lines(source: Any, shop: ShopServer) -> None:
    found = records(source, "order")
    assert {(order.status, order.partly_cancelled, len(order.lines)) for order in found.values()} == {
        ("shipped", True, 2)
    }
    assert found["O3"].customer == "3"
    asked = len(shop.asked)
    assert list(records(source, "order", "2026-01-22")) == ["O3", "O5", "O6"]  # a week's overlap, and the open one
    assert "state eq 'Delivered'" in shop.asked[asked].args["$filter"]


def test_products_tell_what_may_be_promised(source: Any) -> None:
    assert {key: record.sellable for key, record in records(source, "product").items()} == {
        "CUP": 6, "JUG": None, "MUG": 6, "PAN": None,
    }  # fmt: skip


def test_a_column_that_the_service_lacks_is_named_before_anything_is_read(shop: ShopServer, finance: Open) -> None:
    settings = {**SETTINGS, "CUSTOMERS_COLUMNS": "CustomerAccount=customer_id"}
    with pytest.raises(ConfigurationError, match="clients has no column customer_id"):
        list(finance(**settings).read("customer", ""))
    assert shop.asked == []
    with pytest.raises(ConfigurationError, match="CUSTOMERS_COLUMNS leaves out CustomerAccount"):
        list(finance(**{**SETTINGS, "CUSTOMERS_COLUMNS": "CustomerAccount="}).read("customer", ""))


def test_a_service_without_metadata_is_taken_at_the_settings_word(shop: ShopServer, finance: Open) -> None:
    shop.describes_itself = False
    typed = {
        **SETTINGS,
        "CUSTOMERS_COLUMNS": SETTINGS["CUSTOMERS_COLUMNS"].replace("=client_no", "=client_no:Edm.Int64"),
    }
    source = finance(**typed)
    assert list(records(source, "customer")) == [str(number) for number in range(1, 11)]
    assert records_fetched(source, "customer", ["3", "4"]) == ["3", "4"]
    assert len(records(source, "product")) == 4
    with pytest.raises(UnexpectedReplyError) as raised:  # the types are needed
        records(finance(**SETTINGS), "customer")
    assert raised.value.reply == "A literal of type Edm.Int64 was expected, not '3'."


def test_a_key_from_outside_adds_nothing_to_a_filter(source: Any, shop: ShopServer) -> None:
    with pytest.raises(UnexpectedReplyError):
        records_fetched(source, "customer", ["1 or client_no gt 0"])
    assert shop.asked[-1].args["$filter"] == "client_no eq '1 or client_no gt 0'"
