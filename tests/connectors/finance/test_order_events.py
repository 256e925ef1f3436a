"""What happened to orders: confirmations, cancellations, parcels (contract 4.7, 5) over HTTP."""

from typing import Any

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from connectors.base import Page
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, order, order_line, parcel

HEADERS, LINES, PARCELS = "SalesOrderHeadersV2", "SalesOrderLines", "PackingSlipTrackingInformation"
NOW = "2026-01-20T08:00:00Z"


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    headers = [
        order("SO-1", SalesOrderProcessingStatus="Confirmed"),
        order("SO-2", SalesOrderProcessingStatus="Active"),
        order("SO-3", SalesOrderStatus="Canceled"),
        order("SO-4", day="2025-12-01", SalesOrderProcessingStatus="Delivered"),
    ]
    lines = [
        order_line("SO-1", "L-1"),
        order_line("SO-2", "L-2", SalesOrderLineStatus="Delivered"),
        order_line("SO-2", "L-3"),
        order_line("SO-3", "L-4", SalesOrderLineStatus="Canceled"),
        order_line("SO-4", "L-5", SalesOrderLineStatus="Invoiced"),
    ]
    parcels = [parcel("SO-2"), parcel("SO-2", tracking="1Z2"), parcel("SO-4", "PS-2", "1Z3"),
               parcel("SO-4", "PS-0", "1Z0", day="2025-12-02")]  # fmt: skip
    return ODataServer(server, {HEADERS: headers, LINES: lines, PARCELS: parcels})


def read(source: Any, since: str = "", resume: str = "") -> list[Page]:
    with time_machine.travel(NOW, tick=True):
        return list(source.read("order_event", since, resume))


def events(source: Any, pages: list[Page]) -> dict[str, str]:
    stream = source.streams["order_event"]
    return {stream.key(row): stream.map(row).record.event for page in pages for row in page.rows}


RECENT = {
    "usmf|SO-1|confirmed": "confirmed",
    "usmf|SO-3|cancelled": "cancelled",
    "usmf|SO-2|dispatch|PS-1|1Z1": "part_dispatched",
    "usmf|SO-2|dispatch|PS-1|1Z2": "part_dispatched",
    "usmf|SO-4|dispatch|PS-2|1Z3": "dispatched",
}


def test_each_parcel_confirmation_and_cancellation_is_one_event(system: ODataServer, finance: Open) -> None:
    source = finance()
    assert events(source, read(source)) == RECENT


def test_what_happened_before_the_first_window_is_told_to_nobody(system: ODataServer, finance: Open) -> None:
    source = finance(LOOKBACK_DAYS="2")
    assert events(source, read(source)) == {}
    assert read(source)[-1].watermark == "2026-01-20T08:00:00Z"


def test_a_parcel_added_later_with_an_old_date_is_in_the_overlap(system: ODataServer, finance: Open) -> None:
    source = finance()
    watermark = read(source)[-1].watermark
    system.sets[PARCELS].append(parcel("SO-1", "PS-9", "1Z9", day="2026-01-14"))
    assert set(events(source, read(source, str(watermark)))) - set(RECENT) == {"usmf|SO-1|dispatch|PS-9|1Z9"}


def test_an_event_keeps_its_key_when_the_rest_of_the_order_goes_out(system: ODataServer, finance: Open) -> None:
    source = finance()
    before = events(source, read(source))
    system.sets[LINES][2]["SalesOrderLineStatus"] = "Delivered"
    after = events(source, read(source))
    assert list(after) == list(before)
    assert after["usmf|SO-2|dispatch|PS-1|1Z1"] == "dispatched"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_read_goes_on_after_the_page_it_reached(system: ODataServer, finance: Open, size: int) -> None:
    source = finance(PAGE_SIZE=str(size))
    pages = read(source)
    assert events(source, pages) == RECENT
    for reached, page in enumerate(pages[:-1]):
        assert events(source, read(source, resume=page.resume)) == events(source, pages[reached + 1 :])


def test_parcels_orders_are_asked_for_25_a_request(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS] = [order(f"SO-{number}", day="2025-11-01") for number in range(60)]
    system.sets[LINES] = []
    system.sets[PARCELS] = [parcel(f"SO-{number}", tracking=f"{number}-{part}") for number in range(60)
                            for part in range(2)]  # fmt: skip
    source = finance()
    assert len(events(source, read(source))) == 120
    asked = [request.args["$filter"].count("SalesOrderNumber eq") for request in system.asked
             if request.path.endswith(HEADERS)]  # fmt: skip
    assert asked == [0, 25, 25, 10]


def test_the_one_who_ordered_is_told_not_the_one_who_pays(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS][0] |= {"OrderingCustomerAccountNumber": "C-7", "InvoiceCustomerAccountNumber": "C-8"}
    source = finance()
    (page,) = source.fetch("order_event", ["usmf|SO-1|confirmed"])
    assert source.streams["order_event"].map(page.rows[0]).record.customer == "usmf|C-7"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (
            ["usmf|SO-2|dispatch|PS-1|1Z2", "usmf|SO-3|cancelled"],
            ["usmf|SO-2|dispatch|PS-1|1Z2", "usmf|SO-3|cancelled"],
        ),
        (["usmf|SO-2"], ["usmf|SO-2|dispatch|PS-1|1Z1", "usmf|SO-2|dispatch|PS-1|1Z2"]),
        (["usmf|SO-1|cancelled", "usmf|SO-99"], []),
    ],
)
def test_events_are_fetched_by_their_own_key_and_by_their_order_s(
    system: ODataServer, finance: Open, asked: list[str], found: list[str]
) -> None:
    source = finance()
    assert sorted(events(source, list(source.fetch("order_event", asked)))) == found


def test_a_number_that_looks_like_an_event_is_found(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS].append(order("A|dispatch|B", SalesOrderProcessingStatus="Confirmed"))
    source = finance()
    assert list(events(source, list(source.fetch("order_event", ["usmf|A|dispatch|B|confirmed"])))) == [
        "usmf|A|dispatch|B|confirmed"
    ]
