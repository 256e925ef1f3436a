"""Contact lists and combined segments, to the end of their tables."""

from typing import Any

import pytest

from tests.emulators.emarsys.account import EXTERNAL, Account


@pytest.fixture
def shop(account: Account) -> Account:
    account.upsert(*({EXTERNAL: f"C-{n}", "14": 184 if n % 2 else 65, "31": 1 + n % 3 % 2} for n in range(6)))
    account.switch(segment_202=0)
    return account


def listed(account: Account, name: str = "VIP", *numbers: str) -> str:
    body = {"name": name, "key_id": EXTERNAL, "external_ids": list(numbers)}
    return str(account.data("POST", "/contactlist", body)["id"])


def segment(account: Account, name: str, field: str, value: Any, **more: Any) -> str:
    criteria = {"type": "criteria", "field": field, "operator": "equals", "value": value}
    return account.data("PUT", "/filter", {"name": name, "contactCriteria": criteria, **more})["id"]


def test_a_list_is_created_with_errors_by_key_or_without_the_member(shop: Account) -> None:
    """Section 3.9: `errors` is a map, an empty array, or absent when no ids were sent."""
    assert set(shop.data("POST", "/contactlist", {"name": "Bare"})) == {"id"}
    body = {"name": "Good", "key_id": EXTERNAL, "external_ids": ["C-1"]}
    assert shop.data("POST", "/contactlist", body)["errors"] == []
    body = {"name": "Partly", "key_id": EXTERNAL, "external_ids": ["C-1", "C-9"]}
    assert list(shop.data("POST", "/contactlist", body)["errors"]["C-9"]) == ["2008"]
    shown = shop.data("GET", "/contactlist")
    assert set(shown[0]) == {"id", "name", "created", "type"}
    assert isinstance(shown[0]["id"], str)


def test_a_list_is_replaced_renamed_and_deleted(shop: Account) -> None:
    """Section 3.9: replace, rename, deletelist; contacts stay."""
    number = listed(shop, "VIP", "C-0", "C-1")
    body = {"key_id": EXTERNAL, "external_ids": ["C-2"]}
    assert shop.data("POST", f"/contactlist/{number}/replace", body) == {"inserted_contacts": 1, "errors": []}
    assert shop.data("GET", f"/contactlist/{number}/count") == 1
    assert shop.data("POST", f"/contactlist/{number}/rename", {"name": "Old VIP"}) == {
        "id": int(number),
        "name": "Old VIP",
    }
    listed(shop, "Other")
    assert shop.refusal("POST", f"/contactlist/{number}/rename", {"name": "Other"}) == (400, 3005)
    assert shop.refusal("POST", f"/contactlist/{number}/rename", {}) == (400, 3004)
    shop.data("POST", f"/contactlist/{number}/deletelist")
    assert shop.refusal("GET", f"/contactlist/{number}/count") == (404, 3006)
    assert len(shop.all("contacts")) == 6


def test_a_list_that_is_in_use_stays(shop: Account) -> None:
    """Section 3.9: 3008."""
    number = listed(shop, "VIP", "C-0", "C-1")
    drawn = segment(shop, "VIPs in GB", "country", "184", baseContactListId=number)
    assert shop.refusal("POST", f"/contactlist/{number}/deletelist") == (400, 3008)
    assert shop.data("GET", f"/filter/{drawn}/contacts/count") == 1
    body = {"name": "x", "baseContactListId": "7", "contactCriteria": {"type": "criteria"}}
    assert shop.refusal("PUT", "/filter", body) == (400, 10005)


def test_ids_are_paged_without_an_envelope(shop: Account) -> None:
    """Section 3.9: `$skiptoken`, `$top` up to 100,000; `next` is null at the end."""
    number = listed(shop, "VIP", "C-0", "C-1", "C-2")
    path, seen = f"/contactlist/{number}/contactIds?$skiptoken=0&$top=2", []
    while path:
        page = shop.call("GET", path).json()
        assert set(page) == {"value", "next"}
        seen += page["value"]
        path = page["next"]
    assert len(seen) == 3
    assert all(isinstance(one, int) for one in seen)
    for wrong in ("$top=0", "$top=100001", "$skiptoken=-1", "$top=many"):
        assert shop.refusal("GET", f"/contactlist/{number}/contactIds?{wrong}") == (400, 10001)


def test_membership_is_asked_for_one_contact(shop: Account) -> None:
    """Section 3.9; section 10: 2012."""
    number = listed(shop, "VIP", "C-0")
    inside, outside = (shop.read(name, fields=("3",))["result"][0]["id"] for name in ("C-0", "C-1"))
    assert shop.data("GET", f"/contactlist/{number}/contacts/{inside}") is True
    assert shop.data("GET", f"/contactlist/{number}/contacts/{outside}") is False
    assert shop.refusal("GET", f"/contactlist/{number}/contacts/word") == (400, 2012)


def definition(*include: str, exclude: tuple[str, ...] = (), relation: str = "OR") -> dict[str, Any]:
    made: dict[str, Any] = {"include": {"relation": relation, "segment_ids": list(include)}}
    if exclude:
        made["exclude"] = {"relation": "OR", "segment_ids": list(exclude)}
    return made


def test_segments_are_combined_and_counted(shop: Account) -> None:
    """Section 5: include, exclude, AND, OR; combined ones are counted and listed like the others."""
    gb, de, out = (
        segment(shop, name, field, value)
        for name, field, value in (("GB", "country", 184), ("DE", "country", 65), ("Out", "optin", "false"))
    )
    both = shop.data("POST", "/combinedsegments", {"name": "All", "definition": definition(gb, de, exclude=(out,))})
    assert both["definition"]["include"]["segment_ids"] == [gb, de]
    expected = 6 - shop.data("GET", f"/filter/{out}/contacts/count")
    assert shop.data("GET", f"/filter/{both['id']}/contacts/count") == expected
    none = shop.data("POST", "/combinedsegments", {"name": "None", "definition": definition(gb, de, relation="AND")})
    assert shop.data("GET", f"/filter/{none['id']}/contacts/count") == 0
    assert shop.data("GET", "/combinedsegments") == [
        {"id": both["id"], "name": "All"},
        {"id": none["id"], "name": "None"},
    ]
    assert {one["type"] for one in shop.data("GET", "/filter")} == {"standard", "combined"}
    changed = shop.data("POST", f"/combinedsegments/{none['id']}", {"name": "GB", "definition": definition(gb)})
    assert shop.data("GET", f"/combinedsegments/{none['id']}") == changed
    assert shop.data("GET", f"/filter/{none['id']}/contacts/count") == 3
    assert shop.refusal("GET", f"/filter/{gb}/delete") == (400, 10009)


def test_combined_segments_are_refused_by_name_and_definition(shop: Account) -> None:
    """Sections 5, 10: 13001 to 13005."""
    gb = segment(shop, "GB", "country", 184)
    shop.data("POST", "/combinedsegments", {"name": "Mine", "definition": definition(gb)})
    assert shop.refusal("GET", "/combinedsegments/7") == (404, 13001)
    assert shop.refusal("GET", f"/combinedsegments/{gb}") == (404, 13001)
    assert shop.refusal("POST", "/combinedsegments/7", {"name": "x"}) == (400, 13001)
    broken = shop.call("POST", "/combinedsegments", data=b"{")
    assert (broken.status_code, broken.json()["replyCode"]) == (400, 13002)
    assert shop.refusal("POST", "/combinedsegments", {"definition": definition(gb)}) == (400, 13003)
    assert shop.refusal("POST", "/combinedsegments", {"name": "Mine", "definition": definition(gb)}) == (400, 13004)
    for wrong in ({}, {"exclude": {}}, definition("7"), definition(gb, relation="XOR"), definition(), "all"):
        assert shop.refusal("POST", "/combinedsegments", {"name": "New", "definition": wrong}) == (400, 13005)


def test_a_run_may_end_in_an_error_and_a_count_need_not_wait(shop: Account) -> None:
    """Section 5: status `error`; section 14.12: a count without 202."""
    shop.switch(segment_202=1, count_202=0, run_polls=0)
    gb = segment(shop, "GB", "country", 184)
    assert shop.data("GET", f"/filter/{gb}/contacts/count") == 3
    shop.control("PATCH", f"segments/{gb}", {"fails": True})
    run = shop.data("POST", f"/filter/{gb}/runs")["run_id"]
    assert shop.data("GET", f"/filter/runs/{run}")["status"] == "error"
