"""Types that F&O does not have and other OData services do; each was found with a service that somebody else wrote."""

import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.connectors.conftest import opened
from tests.standins import shop


def source_of(server: HTTPServer, **settings: str) -> Any:
    return opened("dynamics365.finance", server, {**shop.SETTINGS, "URL": "{server}/shop", **settings})


@pytest.mark.parametrize(("blocked", "held"), [(True, True), (False, False), (None, False)])
def test_a_boolean_says_whether_a_customer_is_on_hold(server: HTTPServer, blocked: bool | None, held: bool) -> None:
    """F&O has words there (contract 4.1)."""
    source = source_of(server)
    row = json.dumps({"CustomerAccount": 7, "OnHoldStatus": blocked}).encode()
    assert source.streams["customer"].map(row).record.on_hold is held


@pytest.mark.parametrize(
    ("kind", "literal"),
    [("Edm.String", "'2026-01-13'"), ("Edm.Date", "2026-01-13"), ("Edm.DateTimeOffset", "2026-01-13T00:00:00Z")],
)
def test_a_window_is_written_in_the_type_of_its_column(server: HTTPServer, kind: str, literal: str) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        if request.path.endswith("$metadata"):
            return Response(shop.edmx().replace('"billed_on" Type="Edm.Date"', f'"billed_on" Type="{kind}"'))
        asked.append(request.args["$filter"])
        return Response('{"value":[]}', content_type="application/json")

    server.expect_request(re.compile("/shop/.*")).respond_with_handler(answer)
    list(source_of(server).read("sale", "2026-01-20"))
    assert asked == [f"billed_on ge {literal}"] * 2


def test_a_set_that_is_not_named_is_said_to_be_missing(server: HTTPServer) -> None:
    server.expect_request("/shop/$metadata").respond_with_data(shop.edmx())
    server.expect_request("/shop/clients").respond_with_json({"@odata.count": 0, "value": []})
    told = source_of(server, PRODUCTS_SET="").check()
    assert "product (erp: PRODUCTS_SET names no entity set." in told
