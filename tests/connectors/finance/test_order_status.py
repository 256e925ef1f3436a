"""A customer's orders in a few fields, read in the order of who ordered them (contract 4.3, 4.5) over HTTP."""

from typing import Any

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from connectors.base import Page
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, order

HEADERS, VOIDED = "SalesOrderHeadersV2", "VoidedSalesOrderHeaders"


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    headers = [
        order("SO-1", "2026-01-10", OrderingCustomerAccountNumber="C-2", SalesOrderStatus="Invoiced"),
        order("SO-2", "2026-01-12", OrderingCustomerAccountNumber="C-1"),
        order("SO-3", "2026-01-11", OrderingCustomerAccountNumber="C-2"),
        order("SO-4", "2025-01-01", OrderingCustomerAccountNumber="C-3", SalesOrderStatus="Invoiced"),
        order("SO-5", "2025-01-01", OrderingCustomerAccountNumber="C-4", SalesOrderStatus="Backorder"),
    ]
    return ODataServer(server, {HEADERS: headers, VOIDED: [order("SO-6", OrderingCustomerAccountNumber="C-5")]})


def read(source: Any, resume: str = "") -> list[Page]:
    with time_machine.travel("2026-01-20T08:00:00Z", tick=True):
        return list(source.read("order_status", "", resume))


def told(source: Any, pages: list[Page]) -> dict[str, tuple[int, str, str]]:
    stream = source.streams["order_status"]
    records = [stream.map(row).record for page in pages for row in page.rows]
    return {record.key: (record.open_orders, record.last_order, record.last_status) for record in records}


def test_each_customer_has_the_last_order_and_those_open_at_any_age(system: ODataServer, finance: Open) -> None:
    source = finance()
    assert told(source, read(source)) == {
        "usmf|C-1": (1, "SO-2", "open"),
        "usmf|C-2": (1, "SO-3", "open"),
        "usmf|C-4": (1, "SO-5", "open"),
        "usmf|C-5": (0, "", ""),  # all of whose orders were deleted
    }
    assert system.asked[0].args["$orderby"] == "dataAreaId,OrderingCustomerAccountNumber,SalesOrderNumber"


@pytest.mark.parametrize("size", [1, 2])
def test_a_customer_s_orders_are_never_torn_apart_by_a_page(system: ODataServer, finance: Open, size: int) -> None:
    whole = finance()
    everything = told(whole, read(whole))
    source = finance(PAGE_SIZE=str(size))
    pages = read(source)
    assert told(source, pages) == everything
    for reached, page in enumerate(pages[:-1]):
        assert told(source, read(source, page.resume)) == told(source, pages[reached + 1 :])


def test_customers_are_fetched_by_key_as_they_were_read(system: ODataServer, finance: Open) -> None:
    source = finance()
    rows = [row for page in read(source) for row in page.rows]
    with time_machine.travel("2026-01-20T08:00:00Z", tick=True):
        found = [
            row for page in source.fetch("order_status", ["usmf|C-2", "usmf|C-5", "usmf|C-9"]) for row in page.rows
        ]
        keys = [key for page in source.keys("order_status") for key in page]
    assert found == [rows[1], rows[3]]
    assert keys == ["usmf|C-1", "usmf|C-2", "usmf|C-4", "usmf|C-5"]
