"""Sales orders of Dynamics 365 Finance: documents, windows, deleted ones (contract 2.8, 4.3–4.5) over HTTP."""

import json
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from connectors.base import Page
from connectors.dynamics365.finance.mapping import orders
from connectors.dynamics365.finance.mapping.orders import OrderHeader, OrderLineColumns, state_of
from connectors.errors import ConfigurationError
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, order, order_line

HEADERS, LINES = "SalesOrderHeadersV2", "SalesOrderLines"
VOIDED, VOIDED_LINES = "VoidedSalesOrderHeaders", "VoidedSalesOrderLines"
NOW = "2026-02-01T08:00:00Z"


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    headers = [order(f"SO-{number:03}", f"2026-01-{number:02}", SalesOrderStatus="Invoiced") for number in range(1, 11)]
    lines = [order_line(f"SO-{number:03}", f"L-{number:03}-{lot}", SalesOrderLineStatus="Invoiced")
             for number in range(1, 11) for lot in range(number % 3 + 1)]  # fmt: skip
    return ODataServer(server, {HEADERS: headers, LINES: lines, VOIDED: [], VOIDED_LINES: []})


def records(source: Any, pages: list[Page]) -> dict[str, Any]:
    return {source.streams["order"].key(row): source.streams["order"].map(row).record
            for page in pages for row in page.rows}  # fmt: skip


def read(source: Any, since: str = "", resume: str = "") -> list[Page]:
    with time_machine.travel(NOW, tick=True):
        return list(source.read("order", since, resume))


def set_order(system: ODataServer, number: str, **values: Any) -> None:
    (row,) = [row for row in system.sets[HEADERS] if row["SalesOrderNumber"] == number]
    row.update(values)


def test_each_order_comes_with_all_its_lines(system: ODataServer, finance: Open) -> None:
    source = finance()
    found = records(source, read(source))
    assert {key: len(record.lines) for key, record in found.items()} == {
        f"usmf|SO-{number:03}": number % 3 + 1 for number in range(1, 11)
    }
    assert {record.status for record in found.values()} == {"invoiced"}


@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_read_goes_on_after_the_order_it_reached(system: ODataServer, finance: Open, size: int) -> None:
    system.sets[VOIDED] = [order(f"SO-9{number}") for number in range(5)]
    system.sets[VOIDED_LINES] = [order_line("SO-90"), order_line("SO-93")]
    source = finance(PAGE_SIZE=str(size))
    pages = read(source)
    everything = list(records(source, pages))
    assert everything == [f"usmf|SO-{number:03}" for number in range(1, 11)] + [f"usmf|SO-9{n}" for n in range(5)]
    for reached, page in enumerate(pages[:-1]):
        rest = read(source, resume=page.resume)
        assert list(records(source, rest)) == list(records(source, pages[reached + 1 :]))
        assert rest[-1].watermark == pages[-1].watermark == "2026-01-10T09:30:00Z"


def test_the_next_window_begins_at_the_oldest_open_order(system: ODataServer, finance: Open) -> None:
    set_order(system, "SO-004", SalesOrderStatus="Delivered")
    source = finance(LOOKBACK_DAYS="0")
    pages = read(source)
    assert pages[-1].watermark == "2026-01-04"
    set_order(system, "SO-004", SalesOrderStatus="Canceled")  # what was open and is no longer is seen once more
    again = read(source, "2026-01-04")
    assert list(records(source, again)) == [f"usmf|SO-{number:03}" for number in range(4, 11)]
    assert again[-1].watermark == "2026-01-10T09:30:00Z"


def test_an_order_open_for_too_long_does_not_keep_the_window_open(system: ODataServer, finance: Open) -> None:
    set_order(system, "SO-002", SalesOrderStatus="Backorder")
    source = finance(LOOKBACK_DAYS="0", OPEN_DAYS="5")
    assert read(source)[-1].watermark == "2026-01-10T09:30:00Z"
    asked_before = len(system.asked)
    assert list(records(source, read(source, "2026-01-10"))) == ["usmf|SO-002", "usmf|SO-010"]
    assert system.asked[asked_before].args["$filter"] == (
        "(OrderCreationDateTime ge 2026-01-10T00:00:00Z"
        " or SalesOrderStatus eq Microsoft.Dynamics.DataEntities.SalesStatus'Backorder'"
        " or SalesOrderStatus eq Microsoft.Dynamics.DataEntities.SalesStatus'Delivered')"
    )


def test_a_window_overlaps_the_one_before(system: ODataServer, finance: Open) -> None:
    source = finance(LOOKBACK_DAYS="2")
    found = records(source, read(source, "2026-01-10T09:30:00Z"))
    assert list(found) == ["usmf|SO-008", "usmf|SO-009", "usmf|SO-010"]


def test_a_date_of_the_future_does_not_move_the_window(system: ODataServer, finance: Open) -> None:
    set_order(system, "SO-010", OrderCreationDateTime="2062-01-10T09:30:00Z")
    assert (read(finance())[-1].watermark or "")[:10] == "2026-02-01"


def test_a_window_of_many_orders_asks_for_their_lines_as_one_range(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS] = [order(f"SO-{number:03}") for number in range(100)]
    system.sets[LINES] = [order_line(f"SO-{number:03}", f"L-{number}") for number in range(-5, 105)]
    source = finance()
    assert len(records(source, read(source, "2026-01-10"))) == 100
    lines = [request.args["$filter"] for request in system.asked if request.path == f"/data/{LINES}"]
    assert len(lines) == 1
    assert "SalesOrderNumber ge 'SO-000' and SalesOrderNumber le 'SO-099'" in lines[0]


def test_a_sparse_window_asks_for_lines_by_number(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS] = [order(f"SO-{number:05}") for number in range(0, 30_000, 1_000)]
    system.sets[LINES] = [order_line(f"SO-{number:05}", f"L-{number}") for number in range(0, 29_001, 10)]
    source = finance(PAGE_SIZE="50")
    found = records(source, read(source, "2026-01-10"))
    assert all(len(record.lines) == 1 for record in found.values())
    asked = [request.args["$filter"] for request in system.asked if request.path == f"/data/{LINES}"]
    assert [condition.count("SalesOrderNumber eq") for condition in asked] == [0, 25, 5]


def test_a_deleted_order_is_told_of_as_cancelled(system: ODataServer, finance: Open) -> None:
    system.sets[VOIDED] = [order("SO-090")]
    system.sets[VOIDED_LINES] = [order_line("SO-090")]
    source = finance()
    for pages in (read(source, "2026-01-10"), list(source.fetch("order", ["usmf|SO-090"]))):
        record = records(source, pages)["usmf|SO-090"]
        assert (record.deleted, record.status, len(record.lines)) == (True, "cancelled", 1)


def test_a_tenant_may_keep_no_history_of_deleted_orders(system: ODataServer, finance: Open) -> None:
    del system.sets[VOIDED], system.sets[VOIDED_LINES]
    source = finance(VOIDED_ORDERS_SET="")
    assert len(records(source, read(source))) == 10
    assert [key for page in source.keys("order") for key in page] == list(records(source, read(source)))


def test_orders_are_fetched_by_number_25_a_request(system: ODataServer, finance: Open) -> None:
    keys = [f"usmf|SO-{number:03}" for number in range(1, 31)]
    source = finance(VOIDED_ORDERS_SET="")
    assert list(records(source, list(source.fetch("order", keys)))) == keys[:10]
    headers = [request.args["$filter"] for request in system.asked if request.path.endswith(HEADERS)]
    assert [condition.count("SalesOrderNumber eq") for condition in headers] == [25, 5]


def test_every_order_is_listed_for_the_sweep(system: ODataServer, finance: Open) -> None:
    system.sets[VOIDED] = [order("SO-090")]
    found = [key for page in finance(PAGE_SIZE="3").keys("order") for key in page]
    assert found == [*(f"usmf|SO-{number:03}" for number in range(1, 11)), "usmf|SO-090"]


def test_companies_follow_one_another(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS] += [order("SO-001", company="demf"), order("SO-777", company="usrt")]
    system.sets[LINES] += [order_line("SO-001", "D-1", company="demf"), order_line("SO-777", "R-1", company="usrt")]
    source = finance(PAGE_SIZE="4")
    found = records(source, read(source))
    assert (len(found), [line.line for line in found["demf|SO-001"].lines]) == (12, ["D-1"])
    alone = finance(COMPANIES="usrt")
    assert list(records(alone, read(alone))) == ["usrt|SO-777"]


def test_enum_literals_are_qualified_as_the_metadata_says(system: ODataServer, finance: Open) -> None:
    text = ("dataAreaId", "SalesOrderNumber", "OrderingCustomerAccountNumber")
    names = {**dict.fromkeys(text, "Edm.String"),
             "OrderCreationDateTime": "Edm.DateTimeOffset", "SalesOrderStatus": "Contoso.Custom.Status"}  # fmt: skip
    names |= dict.fromkeys(orders.TOTALS, "Edm.Decimal")
    properties = "".join(f'<Property Name="{name}" Type="{kind}"/>' for name, kind in names.items())
    of_line = ("dataAreaId", "SalesOrderNumber", "InventoryLotId", "CurrencyCode", *orders.LINE_MAPPED, *orders.PRICES)
    lines = "".join(f'<Property Name="{name}"/>' for name in of_line)
    system.metadata = f"""<Edmx><Schema><EntityType Name="H">{properties}</EntityType><EntityType Name="L">{lines}
        </EntityType><EntitySet Name="{HEADERS}" EntityType="X.H"/><EntitySet Name="{LINES}" EntityType="X.L"/>
        </Schema></Edmx>""".encode()
    list(finance(VOIDED_ORDERS_SET="", OPEN_STATUSES="Invoiced").read("order", "2062-01-01"))
    assert "SalesOrderStatus eq Contoso.Custom.Status'Invoiced'" in system.asked[0].args["$filter"]
    with pytest.raises(ConfigurationError, match="has no entity set VoidedSalesOrderHeaders"):
        list(finance().read("order", ""))


@given(statuses=st.lists(st.sampled_from(["Backorder", "Delivered", "Invoiced", "Canceled", "None"]), max_size=6))
def test_an_order_is_cancelled_when_all_of_its_lines_are_and_in_part_when_some_are(statuses: list[str]) -> None:
    lines = [OrderLineColumns(SalesOrderLineStatus=status) for status in statuses]
    state = state_of(OrderHeader(SalesOrderStatus="Backorder"), lines)
    cancelled = statuses.count("Canceled")
    assert (state.status == "cancelled") == (bool(statuses) and cancelled == len(statuses))
    assert state.partly_cancelled == (0 < cancelled < len(statuses))


def test_rows_hold_no_annotation_that_changes_without_the_order(system: ODataServer, finance: Open) -> None:
    row = json.loads(read(finance())[0].rows[0])
    assert not any("@" in name for part in (row["header"], *row["lines"]) for name in part)
