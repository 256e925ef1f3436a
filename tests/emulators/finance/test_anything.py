"""Whatever a client sends, the environment answers: it never fails (dynamics365.md 2.6, 8)."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.emulators.client import Environment
from tests.emulators.finance.test_inventory_visibility import Visibility

WORDS = st.sampled_from([
    "--batch_1\r\n", "--batch_1--", "--changeset_1\r\n", "Content-Type: application/http\r\n\r\n",
    "Content-Type: multipart/mixed; boundary=changeset_1\r\n\r\n", "GET CustomersV3 HTTP/1.1\r\n\r\n",
    "PATCH $1 HTTP/1.1\r\n\r\n{}", "POST SalesOrderLines HTTP/1.1\r\n\r\n", "\r\n", "GET  HTTP/1.1",
    "Content-ID: 1\r\n",
    "DELETE SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='SO-1') HTTP/1.1\r\n\r\n",
])  # fmt: skip
OPTIONS = st.sampled_from(["$filter", "$orderby", "$expand", "$select", "$top", "$skip", "$count", "cross-company"])
VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "SalesOrderLines",
            "SalesOrderLines(",
            "SalesOrderLines($select=)",
            "a/b",
            "99999999999999999999",
            "true",
            "-1",
        ]
    ),
)
SETS = st.sampled_from(
    ["SalesOrderHeadersV2", "SalesOrderLines", "CDSParties", "WarehousesOnHandV2", "ReturnOrderLines"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
slowly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slowly
@given(parts=st.lists(st.one_of(WORDS, st.text(max_size=20)), max_size=12))
def test_no_batch_makes_it_fail(company: Environment, parts: list[str]) -> None:
    """2.6"""
    headers = {"Content-Type": "multipart/mixed; boundary=batch_1"}
    answer = company.call("POST", "$batch", data="".join(parts).encode("utf-8", "replace"), headers=headers)
    assert answer.status_code in (200, 400)


@slowly
@example(name="SalesOrderLines", query={"$skip": "9" * 20, "$orderby": "ItemNumber desc"})
@example(name="SalesOrderLines", query={"$skip": "9" * 20})
@example(name="CustomersV3", query={"$skip": "9" * 20, "$filter": "CustomerAccount ne 'X'", "$top": "9" * 20})
@example(name="CustomersV3", query={"$top": "²"})
@example(name="CustomersV3", query={"$filter": "CustomerAccount add 1 eq 2"})
@example(name="SalesOrderLines", query={"$filter": "LineNumber eq 1 and InventoryLotId gt 'x'"})
@example(name="SalesOrderLines", query={"$filter": "SalesOrderNumber eq 'SO-1' and LineCreationSequenceNumber gt 1.5"})
@given(name=SETS, query=st.dictionaries(OPTIONS, VALUES, max_size=3))
def test_no_query_makes_it_fail(company: Environment, name: str, query: dict[str, str]) -> None:
    """2.1 and 2.4"""
    assert company.call("GET", name, params=query).status_code in (200, 400)


@slowly
@given(name=SETS, values=st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=3))
def test_no_key_makes_it_fail(company: Environment, name: str, values: list[str]) -> None:
    """2.1"""
    key = ",".join(f"dataAreaId='{value}'" if at == 0 else value for at, value in enumerate(values))
    answer = company.call("GET", f"{name}({key.replace('/', '').replace('?', '').replace('#', '')})")
    assert answer.status_code in (200, 400, 404)


@pytest.mark.parametrize("path", [
    "SalesOrderHeadersV2", "SalesOrderLines", "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
    "ExportToPackage", "../api/connector/ack/x", "PackingSlipTrackingInformation",
])  # fmt: skip
@slowly
@given(body=JSON, spoilt=st.booleans())
def test_no_body_makes_it_fail(company: Environment, path: str, body: object, spoilt: bool) -> None:
    """2.6 and 2.8"""
    text = json.dumps(body)[: -1 if spoilt else None]
    url = f"{company.base}/data/{path}".replace("/data/..", "")
    answer = company.session.post(url, data=text.encode(), timeout=10)
    assert answer.status_code in (200, 201, 400, 404), answer.text


FIELDS = ("organizationId", "productId", "siteId", "locationId", "dimensions", "values")


@slowly
@given(
    call=st.sampled_from(["indexquery", "exactquery"]),
    filters=st.dictionaries(st.sampled_from(FIELDS), JSON),
    group=JSON,
    form=JSON,
)
def test_no_inventory_query_makes_it_fail(
    company: Environment, call: str, filters: object, group: object, form: object
) -> None:
    """4.9"""
    tokens = f"{company.root}/securityservice/token"
    assert company.session.post(tokens, json=form, headers={"Api-Version": "1.0"}, timeout=10).status_code == 400
    answer = Visibility(company).ask(call, {"filters": filters, "groupByValues": group})
    assert answer.status_code in (200, 400)
