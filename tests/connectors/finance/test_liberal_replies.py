"""Replies of OData v4 and 4.01 in any dress: names of annotations, counts as text, nulls, other casing of companies."""

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.dynamics365.finance.documents import Key
from connectors.dynamics365.finance.joining import Part, joined
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, customer, json_response, order, order_line

ROW = customer("C-1")


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    return ODataServer(server, {"CustomersV3": []})


@pytest.mark.parametrize(
    ("members", "total"),
    [
        ({"@odata.count": 1}, 1),
        ({"@odata.count": "1"}, 1),
        ({"@count": 1}, 1),
        ({"@count": "1", "@context": "$metadata#C"}, 1),
        ({"@odata.count": None, "@odata.nextLink": None}, None),
        ({"@odata.count": "many"}, None),
        ({}, None),
    ],
)
def test_a_count_is_read_where_there_is_one(
    system: ODataServer, finance: Open, members: dict[str, Any], total: int | None
) -> None:
    system.before = lambda request: json_response({**members, "value": [ROW]})
    (page,) = finance().read("customer", "")
    assert (page.total, page.watermark) == (total, "")


@pytest.mark.parametrize("link", ["@odata.nextLink", "@nextLink"])
def test_a_link_says_that_there_is_more(system: ODataServer, finance: Open, link: str) -> None:
    def answer(request: Any) -> Response:
        if "CustomerAccount gt 'C-1'" in request.args.get("$filter", ""):
            return json_response({"value": [customer("C-2")]})
        return json_response({"value": [ROW], link: "CustomersV3?$skiptoken=x"})

    system.before = answer
    assert sum(len(page.rows) for page in finance().read("customer", "")) == 2


@pytest.mark.parametrize(
    "row",
    [
        {"@odata.etag": "a", **ROW},
        {"@etag": "a", **ROW},
        {**ROW, "@id": "x", "Name@type": "String"},
        {"dataAreaId": "usmf", "@odata.type": "#x", **ROW},
        {**ROW, "Orders@odata.navigationLink": "x"},
    ],
)
def test_annotations_are_no_part_of_a_row(system: ODataServer, finance: Open, row: dict[str, Any]) -> None:
    system.before = lambda request: json_response({"value": [row]})
    (page,) = finance().read("customer", "")
    assert json.loads(page.rows[0]) == ROW


def test_a_value_that_begins_like_an_annotation_is_kept(system: ODataServer, finance: Open) -> None:
    row = {**ROW, "PersonFirstName": "@odata.etag", "PersonLastName": '"@x'}
    system.before = lambda request: json_response({"value": [row]})
    (page,) = finance().read("customer", "")
    assert json.loads(page.rows[0]) == row


def test_lines_find_their_order_in_either_case_of_the_company(system: ODataServer, finance: Open) -> None:
    system.sets |= {"SalesOrderHeadersV2": [order("SO-1", company="USMF")],
                    "SalesOrderLines": [order_line("SO-1", company="USMF")]}  # fmt: skip
    source = finance(VOIDED_ORDERS_SET="")
    (page,) = source.fetch("order", ["usmf|SO-1"])
    assert len(source.streams["order"].map(page.rows[0]).record.lines) == 1


def test_headers_without_lines_are_not_held_back() -> None:
    """A set without a single line must not pile up its headers in memory."""
    taken = []

    def headers() -> Any:
        for number in range(1000):
            taken.append(number)
            yield Part(Key("usmf", str(number)), [b"1"])

    for given_out, document in enumerate(joined(headers(), iter(())), 1):
        assert document.lines == []
        assert len(taken) <= given_out + 1
    assert len(taken) == 1000
