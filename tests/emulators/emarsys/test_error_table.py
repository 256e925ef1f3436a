"""Rows of the error table that no other test reaches, and those that only a server's own trouble brings about.

Not reachable by anything a client sends: 400 with 3001, 3007, 5006, 5007 and 10004, whose meaning the contract does
not tell, and the 500s, 502 and 503. Faults bring them.
"""

from typing import Any

import pytest

from tests.emulators.emarsys.account import EXTERNAL, TIER, Account


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/contactlist/word/count", None, (400, 1)),
        ("GET", "/filter/word/contacts/count", None, (400, 1)),
        ("POST", "/source/create", {}, (400, 1006)),
        ("GET", "/field/99999/choice", None, (400, 1007)),
        ("PUT", "/filter", {"name": "x"}, (400, 1008)),
        ("DELETE", "/event", None, (400, 1009)),
        ("POST", "/contact/checkids", {"external_ids": ["x"] * 1001}, (400, 2002)),
        ("POST", "/contact/checkids", {"external_ids": "x"}, (400, 2003)),
        ("POST", "/contact", {"key_id": "uid", "uid": "x"}, (400, 2004)),
        ("GET", "/contact/query/?return=3&99999=x", None, (400, 2006)),
        ("DELETE", "/field/3", None, (400, 2006)),
        ("GET", "/contact/3=no@example.com", None, (400, 2008)),
        ("GET", "/contact/3=bo@example.com", None, (400, 2010)),
        ("PUT", "/contact/?create_if_not_exists=1", {"3": "x@example.com", "source_id": "7"}, (400, 2013)),
        ("GET", "/contact/query/?return=99999", None, (400, 2014)),
        ("GET", f"/contact/query/?return=3&{TIER}=gold", None, (400, 2015)),
        ("GET", "/contact/query/?return=3&limit=0", None, (400, 2016)),
        ("GET", "/contact/query/?return=3&limit=10001", None, (400, 2016)),
        ("POST", "/contactlist", {"name": "x", "key_id": "99999", "external_ids": []}, (400, 2004)),
        ("POST", "/contactlist", {"name": "x", "external_ids": [str(n) for n in range(10_001)]}, (400, 3002)),
        ("POST", "/contactlist", {"name": "x", "external_ids": "y"}, (400, 3003)),
        ("POST", "/contactlist", {"name": " "}, (400, 3004)),
        ("GET", "/contactlist/7/count", None, (404, 3006)),
        ("GET", "/field/choices", None, (400, 10001)),
        ("GET", "/contact", None, (400, 10001)),
        ("PUT", "/filter", {"name": "x", "baseContactListId": "7", "contactCriteria": {}}, (400, 1008)),
        ("GET", "/filter/7/contacts/count", None, (404, 10002)),
        ("GET", "/filter/runs/7", None, (404, 10008)),
        ("GET", "/filter/single_runs/7-8", None, (404, 10008)),
        ("POST", "/contact/last_change", {}, (404, 1)),
        ("POST", "/contact/merge", {}, (404, 1)),
    ],
)
def test_a_request_is_refused_with_its_status_and_code(
    account: Account, method: str, path: str, body: Any, expected: tuple[int, int]
) -> None:
    """Section 10."""
    account.upsert({EXTERNAL: "C-2", "3": "bo@example.com"}, {EXTERNAL: "C-3", "3": "bo@example.com"})
    assert account.refusal(method, path, body) == expected


@pytest.mark.parametrize("path", ["/contact", "/contact/getdata", "/event", "/contactlist", "/contact/getchanges"])
def test_what_is_no_json_object_is_1010(account: Account, path: str) -> None:
    """Section 10."""
    for body in (b"{", b"[1]", b"\xff"):
        answer = account.call("POST", path, data=body)
        assert (answer.status_code, answer.json()["replyCode"]) == (400, 1010)


SERVER = [
    (500, 1), (500, 1003), (500, 2011), (500, 3001), (500, 3005), (500, 4007), (500, 15006), (400, 3001), (400, 3007),
    (400, 5006), (400, 5007), (400, 10004),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code"), SERVER)
def test_trouble_of_the_server_itself_is_brought_by_a_fault(account: Account, status: int, code: int) -> None:
    """Sections 10, 13.12."""
    body = {"replyCode": code, "replyText": "Internal error", "data": ""}
    account.fault(kind="status", path="/settings", code=status, body=body)
    assert account.refusal("GET", "/settings") == (status, code)
    assert account.call("GET", "/settings").status_code == 200


@pytest.mark.parametrize("status", [502, 503])
def test_a_gateway_may_be_in_the_way(account: Account, status: int) -> None:
    """Section 10: repeatedly failing query, resource overloaded."""
    account.fault(kind="status", path="/settings", code=status, body="busy")
    assert account.call("GET", "/settings").status_code == status


def test_getdata_spoke_otherwise_in_2016(account: Account) -> None:
    """Section 3.4: error codes as text, no `result` when nothing was found."""
    account.upsert({EXTERNAL: "C-1"})
    account.switch(old_getdata=1)
    data = account.read("C-9")
    assert "result" not in data
    assert [one["errorCode"] for one in data["errors"]] == ["2008"]
    assert len(account.read("C-1")["result"]) == 1


def test_texts_have_lengths(account: Account) -> None:
    """Section 3.10: 60 characters for short texts, 255 for long ones."""
    account.upsert({EXTERNAL: "C-1", "1": "x" * 60, "10": "y" * 255})
    assert list(account.upsert({EXTERNAL: "C-2", "1": "x" * 61})["errors"]["C-2"]) == ["2007"]
    assert list(account.upsert({EXTERNAL: "C-2", "10": "y" * 256})["errors"]["C-2"]) == ["2007"]
    assert len(account.all("contacts")) == 1


def test_a_deleted_contact_is_on_no_list(account: Account) -> None:
    """Section 3.7: irreversible, with everything that hung on it."""
    account.upsert({EXTERNAL: "C-1"}, {EXTERNAL: "C-2"})
    body = {"name": "VIP", "key_id": EXTERNAL, "external_ids": ["C-1", "C-2"]}
    number = account.data("POST", "/contactlist", body)["id"]
    account.data("POST", "/contact/delete", {"key_id": EXTERNAL, EXTERNAL: "C-1"})
    assert account.data("GET", f"/contactlist/{number}/count") == 1


def test_consolidating_two_contacts_takes_the_documented_calls(account: Account) -> None:
    """Section 3.8: merged values to the survivor, the loser's lists, the loser opted out and its number blanked."""
    account.upsert({EXTERNAL: "C-1", "3": "ana@example.com", "31": 1}, {EXTERNAL: "C-OLD", "3": "ana@example.com"})
    listed = account.data("POST", "/contactlist", {"name": "VIP", "key_id": EXTERNAL, "external_ids": ["C-OLD"]})["id"]
    both = {"key_id": "3", "external_ids": ["ana@example.com"], "get_multiple_ids": True}
    ids = account.data("POST", "/contact/checkids", both)["ids"]["ana@example.com"]
    survivor = account.read("C-1", fields=("3",))["result"][0]["id"]
    [loser] = [one for one in ids if one != survivor]
    account.upsert({EXTERNAL: "C-1", "1": "Ana"})
    account.data("POST", f"/contactlist/{listed}/add", {"key_id": "id", "external_ids": [survivor]})
    account.data("PUT", "/contact", {"key_id": "id", "contacts": [{"id": loser, "31": 2, EXTERNAL: ""}]})
    assert account.read("C-OLD")["result"] is False
    assert account.data("GET", f"/contactlist/{listed}/contacts/{survivor}") is True
    [kept] = account.read(loser, key="id", fields=("31", EXTERNAL))["result"]
    assert (kept["31"], kept[EXTERNAL]) == ("2", None)
