"""Requests and replies as published, replayed: members, types and nesting of the contract's own examples.

A type stands for a value that is the emulator's own; everything else has to be equal.
"""

from typing import Any

import pytest

from tests.emulators.emarsys.account import EXTERNAL, Account

OK = {"replyCode": 0, "replyText": "OK"}
ANA = {"3": "ana@example.com"}


def fits(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, type):
        return type(value) is pattern
    if isinstance(pattern, dict):
        return isinstance(value, dict) and set(pattern) == set(value) and all(fits(pattern[n], value[n]) for n in value)
    if isinstance(pattern, list):
        return isinstance(value, list) and len(pattern) == len(value) and all(map(fits, pattern, value))
    return type(pattern) is type(value) and pattern == value


@pytest.fixture
def shop(account: Account) -> Account:
    """C-100 and his address are there already."""
    account.upsert({EXTERNAL: "C-100", "3": "cy@example.com", "31": 1})
    return account


@pytest.mark.parametrize(
    ("section", "method", "path", "body", "status", "expected"),
    [
        (
            "3.2 single", "POST", "/contact", {"key_id": "3", "3": "ana@example.com", "1": "Ana", "31": 1},
            200, {**OK, "data": {"id": int}},
        ),
        (
            "3.2 batch", "POST", "/contact", {"key_id": "3", "contacts": [ANA, {"3": "cy@example.com"}]}, 200,
            {**OK, "data": {
                "ids": [int],
                "errors": {"cy@example.com": {"2009": "Contact with the external id already exists: 3"}},
            }},
        ),
        (
            "3.2 again", "POST", "/contact", {"key_id": "3", "3": "cy@example.com"}, 400,
            {"replyCode": 2009, "replyText": "Contact with the external id already exists: 3", "data": ""},
        ),
        (
            "3.3", "PUT", "/contact/?create_if_not_exists=1",
            {"key_id": EXTERNAL, "contacts": [{EXTERNAL: "C-100", "1": "Cy"}, {EXTERNAL: "C-101", "1": "Bo"}]}, 200,
            {**OK, "data": {"ids": [str, int]}},
        ),
        (
            "3.3 recorded", "PUT", "/contact/?create_if_not_exists=1", {"contacts": [ANA]}, 200,
            {**OK, "data": {"ids": [int]}},
        ),
        (
            "3.3 choice", "PUT", "/contact/?create_if_not_exists=1",
            {"key_id": EXTERNAL, "contacts": [{EXTERNAL: "C-101", "14": "Graz"}]}, 200,
            {**OK, "data": {"ids": [], "errors": {"C-101": {"2007": "Invalid choice id for field id: 14"}}}},
        ),
        (
            "3.3 key", "PUT", "/contact/?create_if_not_exists=1", {"key_id": "100", "contacts": [{"100": "x"}]}, 200,
            {**OK, "data": {"ids": [], "errors": {"<NO_KEY_ID>": {"2004": "Invalid key field id: 100"}}}},
        ),
        (
            "3.4", "POST", "/contact/getdata",
            {"keyId": EXTERNAL, "keyValues": ["C-100", "C-999"], "fields": ["3", "31"]}, 200,
            {**OK, "data": {
                "errors": [{
                    "key": "C-999", "errorCode": 2008,
                    "errorMsg": f"No contact found with the external id: {EXTERNAL}",
                }],
                "result": [{"id": str, "uid": str, "3": "cy@example.com", "31": "1"}],
            }},
        ),
        (
            "3.5", "POST", "/contact/checkids",
            {"key_id": "3", "external_ids": ["cy@example.com", "no@example.com"], "get_multiple_ids": False}, 200,
            {**OK, "data": {
                "ids": {"cy@example.com": str},
                "errors": {"no@example.com": {"2008": "No contact found with the external id: 3"}},
            }},
        ),
        (
            "3.6", "GET", "/contact/query/?return=3&limit=1000&offset=0", None, 200,
            {**OK, "data": {"errors": [], "result": [{"id": str, "3": "cy@example.com"}]}},
        ),
        (
            "3.9 wrong key", "POST", "/contactlist", {"name": "VIP", "key_id": "wrong_id", "external_ids": ["x"]}, 400,
            {"replyCode": 2004, "replyText": "Invalid key field id: wrong_id", "data": ""},
        ),
        (
            "3.9 wrong id", "POST", "/contactlist/Wrong-id/add", {}, 400,
            {"replyCode": 1, "replyText": "Action Wrong-id is invalid.", "data": ""},
        ),
        ("3.10", "POST", "/field", {"name": "ERP customer no", "application_type": "shorttext"}, 200,
         {**OK, "data": {"id": int}}),
        ("4.1", "POST", "/event", {"name": "bulk"}, 200, {**OK, "data": {"id": str, "name": "bulk"}}),
        (
            "4.2 unknown", "POST", "/event/7/trigger", {"key_id": EXTERNAL, "external_id": "C-100"}, 400,
            {"replyCode": 5001, "replyText": "Invalid event ID for customer.", "data": ""},
        ),
        (
            "5 unknown run", "GET", "/filter/runs/7", None, 404,
            {"replyCode": 10008, "replyText": str, "data": ""},
        ),
    ],
)  # fmt: skip
def test_a_published_request_gets_its_published_reply(
    shop: Account, section: str, method: str, path: str, body: Any, status: int, expected: Any
) -> None:
    """Sections 3 to 5."""
    answer = shop.call(method, path, body)
    assert answer.status_code == status, (section, answer.text)
    assert fits(expected, answer.json()), (section, answer.text)


def test_an_export_and_a_run_have_their_published_members(shop: Account) -> None:
    """Sections 3.11, 5: status payload of an export, first and last reply of a run."""
    shop.switch(export_seconds=0, run_polls=0)
    wanted = {"distribution_method": "local", "contact_fields": ["3"], "origin": "all"}
    export = shop.data("POST", "/contact/getchanges", {**wanted, "time_range": ["2020-01-01", "2099-01-01"]})
    assert fits({"id": int}, export)
    status = {"id": str, "created": str, "status": "done", "type": "changes", "file_name": str, "ftp_host": None,
              "ftp_dir": None}  # fmt: skip
    assert fits(status, shop.data("GET", f"/export/{export['id']}"))
    segment = shop.data("GET", "/filter")[0]["id"]
    run = shop.data("POST", f"/filter/{segment}/runs")
    assert fits({"run_id": str, "status": "waiting"}, run)
    result = {"contact_list_id": int, "user_count": int, "opt_in_count": int, "duration": int}
    assert fits({"run_id": run["run_id"], "status": "done", "result": result},
                shop.data("GET", f"/filter/runs/{run['run_id']}"))  # fmt: skip


def test_a_recorded_upload_and_its_headers(shop: Account) -> None:
    """Sections 2.1, 6.1: recorded replies."""
    text = "item,price,order,timestamp,customer,quantity,s_sales_channel\n"
    answer = shop.upload(text + "MUG-1,24.00,SO-1001,2026-01-15T10:00:00Z,C-100,2,web\n", Accept="text/plain")
    assert (answer.status_code, answer.content) == (200, b"Upload accepted\n")
    headers = shop.call("GET", "/settings").headers
    assert headers["Via"].startswith("kong/")
    assert headers["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate"
    for name in (
        "X-Emarsys-Request-Id", "X-Suite-Response-Time", "X-Ratelimit-Limit", "X-Ratelimit-Remaining",
        "X-Ratelimit-Reset", "X-Kong-Proxy-Latency", "X-Kong-Upstream-Latency", "Strict-Transport-Security",
    ):  # fmt: skip
        assert headers[name]
