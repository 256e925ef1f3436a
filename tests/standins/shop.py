"""A small shop as another vendor's OData service would hold it, and the settings that make it a Finance connection.

Set and column names are the shop's own. Some numbers of documents hold what an address or a literal must escape.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple
from uuid import NAMESPACE_DNS, uuid5

TEXT, INT, DECIMAL, FLAG = "Edm.String", "Edm.Int64", "Edm.Decimal", "Edm.Boolean"
DAY, MOMENT, GUID = "Edm.Date", "Edm.DateTimeOffset", "Edm.Guid"
DOCUMENTS = ["B 1/7", "B&2", "B+4", "B#5", "B?7", "Bé8", *(f"C{number:03}" for number in range(32))]
CLIENTS, PAGE = 30, 7


class Set(NamedTuple):
    keys: tuple[str, ...]
    columns: dict[str, str]
    rows: list[dict[str, Any]]


def sets(more: Sequence[str] = ()) -> dict[str, Set]:
    """What is served; `more` are numbers of documents that not every service can be asked for."""
    documents = [*DOCUMENTS, *more]
    return {
        "clients": Set(
            ("client_no",),
            {"client_no": INT, "mail": TEXT, "first": TEXT, "last": TEXT, "country": TEXT, "blocked": FLAG},
            [_client(number) for number in range(1, CLIENTS + 1)],
        ),
        "bills": Set(
            ("bill_no",),
            {"bill_no": TEXT, "billed_on": DAY, "client_no": INT, "total": DECIMAL, "currency": TEXT, "order_no": TEXT},
            [{"bill_no": name, "billed_on": _day(at), "client_no": at % CLIENTS + 1, "total": 5.5, "currency": "EUR",
              "order_no": name if at % 5 else None} for at, name in enumerate(documents)],
        ),
        "bill_lines": Set(
            ("bill_no", "line_no"),
            {"bill_no": TEXT, "line_no": INT, "billed_on": DAY, "sku": TEXT, "title": TEXT, "pieces": DECIMAL,
             "price": DECIMAL, "amount": DECIMAL},
            [{"bill_no": name, "line_no": line, "billed_on": _day(at), "sku": "MUG", "title": 'Mug, 8" "Ärger"',
              "pieces": 1, "price": 2.75, "amount": 2.75} for at, name in enumerate(documents) for line in (9, 10)],
        ),
        "orders": Set(
            ("order_no",),
            {"order_no": TEXT, "client_no": INT, "state": TEXT, "placed_at": MOMENT, "currency": TEXT,
             "total": DECIMAL},
            [{"order_no": name, "client_no": at % CLIENTS + 1, "state": "Backorder" if at == 3 else "Invoiced",
              "placed_at": f"{_day(at)}T08:00:00.123Z", "currency": "EUR", "total": 9}
             for at, name in enumerate(documents)],
        ),
        "order_lines": Set(
            ("line_id",),
            {"line_id": GUID, "order_no": TEXT, "sku": TEXT, "pieces": DECIMAL, "amount": DECIMAL, "state": TEXT},
            [{"line_id": str(uuid5(NAMESPACE_DNS, name + state)), "order_no": name, "sku": "MUG", "pieces": 2,
              "amount": 4.5, "state": state} for name in documents for state in ("Canceled", "Invoiced")],
        ),
    }  # fmt: skip


def _client(number: int) -> dict[str, Any]:
    first, last = next(islice(cycle((("Ana", "O'Neil"), ("Bo", "Müller"), ("李", "小龍"))), number, None))
    mail = f"c{number}@example.com" if number % 3 else None
    country = "DE" if number % 4 else None
    return {"client_no": number, "mail": mail, "first": first, "last": last, "country": country, "blocked": number == 5}


def _day(at: int) -> str:
    return f"2026-01-{at % 28 + 1:02}"


SETTINGS = {
    "AUTH": "none",
    "DATA_PATH": "",
    "CROSS_COMPANY": "no",
    "COMPANY_FIELD": "",
    "ENUM_NAMESPACE": "",
    "TIER_FIELD": "",
    "BIRTH_DATE_FIELD": "",
    "PAGE_SIZE": str(PAGE),
    "CUSTOMERS_SET": "clients",
    "CUSTOMERS_COLUMNS": "CustomerAccount=client_no,PrimaryContactEmail=mail,PersonFirstName=first,PersonLastName=last,"
    "AddressCountryRegionId=country,OnHoldStatus=blocked,"
    "OrganizationName=,LanguageId=,PrimaryContactPhone=,AddressStreet=,AddressCity=,AddressZipCode=",
    "INVOICES_SET": "bills",
    "INVOICES_COLUMNS": "InvoiceNumber=bill_no,InvoiceDate=billed_on,InvoiceCustomerAccountNumber=client_no,"
    "TotalInvoiceAmount=total,CurrencyCode=currency,SalesOrderNumber=order_no",
    "INVOICE_LINES_SET": "bill_lines",
    "INVOICE_LINES_COLUMNS": "InvoiceNumber=bill_no,InvoiceDate=billed_on,LineCreationSequenceNumber=line_no,"
    "ProductNumber=sku,ProductName=title,InvoicedQuantity=pieces,SalesPrice=price,LineAmount=amount",
    "ORDERS_SET": "orders",
    "ORDERS_COLUMNS": "SalesOrderNumber=order_no,OrderingCustomerAccountNumber=client_no,SalesOrderStatus=state,"
    "OrderCreationDateTime=placed_at,CurrencyCode=currency,OrderTotalAmount=total,"
    "AreTotalsCalculated=,OrderTotalTaxAmount=,OrderTotalDiscountAmount=,OrderTotalChargesAmount=",
    "ORDER_LINES_SET": "order_lines",
    "ORDER_LINES_COLUMNS": "SalesOrderNumber=order_no,InventoryLotId=line_id,ItemNumber=sku,LineAmount=amount,"
    "OrderedSalesQuantity=pieces,SalesOrderLineStatus=state,"
    "LineDiscountAmount=,SalesPrice=,SalesPriceQuantity=",
    "VOIDED_ORDERS_SET": "",
}
"""Columns that the shop lacks need a word only where something wrong would be told without them."""


def edmx() -> str:
    """The shop's `$metadata`, for servers that are given theirs."""
    types = "".join(
        f'<EntityType Name="{name}Type"><Key>{"".join(_ref(key) for key in one.keys)}</Key>'
        + "".join(f'<Property Name="{column}" Type="{kind}"/>' for column, kind in one.columns.items())
        + "</EntityType>"
        for name, one in sets().items()
    )
    named = "".join(f'<EntitySet Name="{name}" EntityType="shop.{name}Type"/>' for name in sets())
    return (
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="shop" xmlns="http://docs.oasis-open.org/odata/ns/edm">{types}'
        f'<EntityContainer Name="C">{named}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    )


def _ref(key: str) -> str:
    return f'<PropertyRef Name="{key}"/>'
