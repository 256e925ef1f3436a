"""`$batch`: many requests in one, changesets all or nothing (dynamics365.md 2.6)."""

import json
import re
from typing import Any

import pytest
import requests

from tests.emulators.client import Environment
from tests.emulators.finance.receiver import receiving

ADA = "CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')"
BOB = ADA.replace("C-1", "C-2")


def operation(method: str, url: str, body: Any = None, content_id: str = "", **headers: str) -> str:
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    lines += [f"Content-ID: {content_id}"] if content_id else []
    inner = [f"{method} {url} HTTP/1.1", "Accept: application/json"]
    inner += ["Content-Type: application/json; type=entry"] if body is not None else []
    inner += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", *inner, "", "" if body is None else json.dumps(body)])


def changeset(*operations: str) -> str:
    parts = "".join(f"--changeset_1\r\n{part}\r\n" for part in operations)
    return f"Content-Type: multipart/mixed; boundary=changeset_1\r\n\r\n{parts}--changeset_1--\r\n"


def send(company: Environment, *parts: str, **headers: str) -> requests.Response:
    body = "".join(f"--batch_1\r\n{part}\r\n" for part in parts) + "--batch_1--\r\n"
    headers = {"Content-Type": 'multipart/mixed; boundary="batch_1"', **headers}
    return company.call("POST", "$batch", data=body.encode(), headers=headers)


def statuses(answer: requests.Response) -> list[int]:
    return [int(status) for status in re.findall(r"HTTP/1\.1 (\d+)", answer.text)]


def test_reads_are_answered_in_order_whatever_form_their_addresses_have(company: Environment) -> None:
    """2.6: absolute and relative addresses"""
    answer = send(
        company,
        operation("GET", f"{company.base}/data/CustomersV3?$top=1&$select=CustomerAccount"),
        operation("GET", "/data/SalesOrderHeadersV2/$count?cross-company=true"),
        operation("GET", f"{BOB}?$select=PrimaryContactEmail"),
        operation("GET", "CustomersV3?$filter=PersonLastName eq 'Baker'&$select=CustomerAccount"),
    )
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert statuses(answer) == [200] * 4
    boundary = answer.headers["Content-Type"].partition("boundary=")[2]
    bodies = [part.rpartition("\r\n\r\n")[2].strip() for part in answer.text.split(f"--{boundary}")[1:-1]]
    assert json.loads(bodies[0])["value"][0]["CustomerAccount"] == "C-1"
    assert bodies[1] == "7"
    assert json.loads(bodies[2])["PrimaryContactEmail"] == "bob@example.com"
    assert json.loads(bodies[3])["value"][0]["CustomerAccount"] == "C-2"


def test_a_changeset_creates_and_changes_and_later_parts_can_point_at_the_new_row(company: Environment) -> None:
    """2.6: 201 and 204 inside one reply"""
    order = {"SalesOrderNumber": "N-1", "OrderingCustomerAccountNumber": "C-1"}
    answer = send(
        company,
        changeset(
            operation("POST", "SalesOrderHeadersV2", order, "1"),
            operation("PATCH", "$1", {"Email": "n@example.com"}, "2"),
            operation("PATCH", ADA, {"KnownAs": "Lady"}, "3", If_Match="*"),
        ),
    )
    assert statuses(answer) == [201, 204, 204]
    assert [f"Content-ID: {number}" in answer.text for number in (1, 2, 3)] == [True] * 3
    made = company.get("SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='N-1')").json()
    assert (made["Email"], company.get(ADA).json()["KnownAs"]) == ("n@example.com", "Lady")


@pytest.mark.parametrize(
    "last", [("PATCH", BOB, {"Shoe": 1}), ("DELETE", ADA.replace("C-1", "X"), None), ("POST", "CDSParties", {})]
)
def test_a_changeset_that_fails_leaves_nothing_behind(company: Environment, last: tuple[str, str, Any]) -> None:
    """2.6: atomic; tags, voided orders and events included"""
    with receiving() as receiver:
        events = ["CustomersV3", "SalesInvoicePostedBusinessEvent"]
        company.control("POST", "dynamics365/endpoints", {"url": receiver.url, "events": events})
        receiver.wait_for_test()
        before = company.get(ADA).json()
        answer = send(
            company,
            changeset(
                operation("PATCH", ADA, {"KnownAs": "Nobody"}),
                operation("DELETE", "SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='SO-3')"),
                operation(*last),
            ),
        )
        assert len(statuses(answer)) == 1
        assert statuses(answer)[0] in (400, 404)
        assert company.get(ADA).json() == before
        assert len(company.rows("SalesOrderLines", filter="SalesOrderNumber eq 'SO-3'")) == 2
        assert company.rows("VoidedSalesOrderHeaders") == company.rows("VoidedSalesOrderLines") == []
        company.call("PATCH", BOB, json={"KnownAs": "Bobby"})
        [only] = receiver.wait(1)
        assert only["InputParameters"][0]["value"]["Attributes"] == [{"key": "mserp_knownas", "value": "Bobby"}]


def test_a_stale_tag_in_a_changeset_is_412(company: Environment) -> None:
    """2.6"""
    stale = company.get(ADA).json()["@odata.etag"]
    company.call("PATCH", ADA, json={"KnownAs": "A"})
    answer = send(company, changeset(operation("PATCH", ADA, {"KnownAs": "B"}, If_Match=stale)))
    assert (statuses(answer), company.get(ADA).json()["KnownAs"]) == ([412], "A")


def test_the_first_failure_ends_the_batch_unless_told_to_go_on(company: Environment) -> None:
    """2.6, OData 4.0: odata.continue-on-error"""
    parts = [operation("GET", "Nothing"), operation("GET", BOB)]
    assert statuses(send(company, *parts)) == [404]
    assert statuses(send(company, *parts, Prefer="odata.continue-on-error")) == [404, 200]


def test_what_is_no_batch_is_refused(company: Environment) -> None:
    """2.6: no reads in changesets, at most 5,000 operations"""
    assert "cannot hold a GET" in send(company, changeset(operation("GET", ADA))).text
    many = operation("GET", ADA)
    assert send(company, *[many] * 5_001).status_code == 400
    for body, kind in (("{}", "application/json"), ("x", "multipart/mixed"), ("x", "multipart/mixed; boundary=b")):
        answer = company.call("POST", "$batch", data=body, headers={"Content-Type": kind})
        assert answer.status_code == 400
        assert "innererror" in answer.json()["error"]
    assert "no request line" in send(company, "Content-Type: application/http\r\n\r\nhello").text
    assert "names no earlier" in send(company, operation("PATCH", "$9", {})).text
