"""Reading, resolving, scanning and deleting contacts."""

import pytest

from tests.emulators.emarsys.account import EXTERNAL, TIER, Account


@pytest.fixture
def people(account: Account) -> Account:
    """Ana; Bo and his double with one address; Cy without any."""
    account.upsert(
        {EXTERNAL: "C-1", "3": "ana@example.com", "1": "Ana", "31": 1, "10572": ["1", "2"]},
        {EXTERNAL: "C-2", "3": "bo@example.com", TIER: "gold"},
        {EXTERNAL: "C-3", "3": "bo@example.com"},
        {EXTERNAL: "C-4", "1": "Cy"},
    )
    return account


def test_getdata_returns_found_contacts_and_names_the_others(people: Account) -> None:
    """Section 3.4: `id` and `uid` always, values as strings, arrays or null, errors as a list."""
    data = people.read("C-1", "C-9", fields=("3", "31", "2", "10572"))
    [contact] = data["result"]
    assert contact.pop("id").isdecimal()
    assert contact.pop("uid")
    assert contact == {"3": "ana@example.com", "31": "1", "2": None, "10572": ["1", "2"]}
    assert [(one["key"], one["errorCode"]) for one in data["errors"]] == [("C-9", 2008)]


def test_getdata_says_false_when_nothing_was_found(people: Account) -> None:
    """Section 3.4: `result` is false, not an empty array."""
    assert people.read("C-8", "C-9")["result"] is False


def test_getdata_reports_an_ambiguous_key(people: Account) -> None:
    """Section 3.4: 2010 for that key."""
    data = people.read("bo@example.com", "ana@example.com", key="3", fields=("1",))
    assert [one["errorCode"] for one in data["errors"]] == [2010]
    assert len(data["result"]) == 1


def test_getdata_is_keyed_by_the_internal_id_unless_told_otherwise(people: Account) -> None:
    """Section 3.4: default key `id`; empty `fields` are all fields."""
    [found] = people.read("C-1", fields=("1",))["result"]
    data = people.data("POST", "/contact/getdata", {"keyValues": [found["id"]], "fields": []})
    assert data["result"][0][EXTERNAL] == "C-1"
    assert len(data["result"][0]) > 50
    assert people.read(found["uid"], key="uid", fields=("1",))["result"] == [found]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"keyId": "3"}, 10001),
        ({"keyId": "3", "keyValues": "ana@example.com"}, 10001),
        ({"keyId": "3", "keyValues": ["a"], "fields": "3"}, 10001),
        ({"keyId": "email", "keyValues": ["a"]}, 10001),
        ({"keyId": "3", "keyValues": ["a"] * 1001}, 10001),
        ({"keyId": TIER, "keyValues": ["gold"]}, 2015),
        ({"keyId": "99999", "keyValues": ["a"]}, 2004),
    ],
)
def test_getdata_refuses_what_it_cannot_read(people: Account, body: dict[str, object], code: int) -> None:
    """Sections 3.1, 3.4: 10001 for parameters, 2015 for a field without an index."""
    assert people.refusal("POST", "/contact/getdata", body) == (400, code)


def test_checkids_resolves_keys_to_ids(people: Account) -> None:
    """Section 3.5: 2008 unknown, 2010 ambiguous; `errors` is an array when empty."""
    keys = ["ana@example.com", "bo@example.com", "no@example.com"]
    data = people.data("POST", "/contact/checkids", {"key_id": "3", "external_ids": keys})
    assert list(data["ids"]) == ["ana@example.com"]
    assert {key: next(iter(codes)) for key, codes in data["errors"].items()} == {keys[1]: "2010", keys[2]: "2008"}
    assert people.data("POST", "/contact/checkids", {"key_id": "3", "external_ids": keys[:1]})["errors"] == []


def test_checkids_lists_all_ids_of_an_ambiguous_key_when_asked(people: Account) -> None:
    """Section 3.5: `get_multiple_ids`."""
    body = {"key_id": "3", "external_ids": ["bo@example.com"], "get_multiple_ids": True}
    assert len(people.data("POST", "/contact/checkids", body)["ids"]["bo@example.com"]) == 2


def test_checkids_refuses_too_many_keys_and_no_array(people: Account) -> None:
    """Section 3.5: 2002 over the limit, 2003 not an array."""
    assert people.refusal("POST", "/contact/checkids", {"external_ids": ["a"] * 1001}) == (400, 2002)
    assert people.refusal("POST", "/contact/checkids", {"external_ids": "a"}) == (400, 2003)


def test_query_pages_through_all_contacts(people: Account) -> None:
    """Sections 2.2, 3.6: slash and path style, string ids, `limit` and `offset`."""
    first = people.data("GET", "/contact/query/?return=3&limit=3&offset=0")
    rest = people.data("GET", "/contact/query/return=3&limit=3&offset=3")
    assert first["errors"] == []
    assert [one["3"] for one in first["result"] + rest["result"]] == [
        "ana@example.com",
        "bo@example.com",
        "bo@example.com",
        None,
    ]
    assert all(isinstance(one["id"], str) for one in first["result"])


def test_query_filters_and_finds_duplicates(people: Account) -> None:
    """Section 3.6: every match; an empty filter value matches a blank field; `excludeempty` skips blanks."""
    assert [
        one[EXTERNAL] for one in people.data("GET", f"/contact/query/?return={EXTERNAL}&3=bo%40example.com")["result"]
    ] == [
        "C-2",
        "C-3",
    ]
    assert [one["1"] for one in people.data("GET", "/contact/query/?return=1&3=")["result"]] == ["Cy"]
    assert len(people.data("GET", "/contact/query/?return=3&excludeempty=true")["result"]) == 3


def test_query_refuses_fields_without_an_index_and_bad_limits(people: Account) -> None:
    """Section 3.6: 2015, 2016; section 10: 2014 without a field to return."""
    assert people.refusal("GET", f"/contact/query/?return=3&{TIER}=gold") == (400, 2015)
    assert people.refusal("GET", "/contact/query/?return=3&limit=10001") == (400, 2016)
    assert people.refusal("GET", "/contact/query/?return=3&limit=0") == (400, 2016)
    assert people.refusal("GET", "/contact/query/") == (400, 2014)


def test_the_old_single_look_up_still_works(people: Account) -> None:
    """Section 3.6: `GET /contact/3=…`, 2008 and 2010 as 400."""
    assert people.data("GET", "/contact/3=ana@example.com")["id"].isdecimal()
    assert people.refusal("GET", "/contact/3=no@example.com") == (400, 2008)
    assert people.refusal("GET", "/contact/3=bo@example.com") == (400, 2010)


def test_delete_takes_what_is_unmistakable(people: Account) -> None:
    """Section 3.7: unknown and ambiguous keys are reported, nothing of them is deleted."""
    body = {"key_id": "3", "3": ["ana@example.com", "bo@example.com", "no@example.com"]}
    errors = people.data("POST", "/contact/delete", body)["errors"]
    assert {key: next(iter(codes)) for key, codes in errors.items()} == {
        "bo@example.com": "2010",
        "no@example.com": "2008",
    }
    assert people.read("C-1")["result"] is False
    assert len(people.control("GET", "contacts").json()) == 3


@pytest.mark.parametrize("status", [200, 400, 404])
def test_deleting_one_unknown_contact_answers_as_the_account_does(people: Account, status: int) -> None:
    """Section 3.7: 2008 is seen as 200, 400 and 404."""
    people.switch(delete_unknown_status=status)
    assert people.refusal("POST", "/contact/delete", {"key_id": "3", "3": "no@example.com"}) == (status, 2008)


def test_an_edit_from_outside_is_found_under_every_key(people: Account) -> None:
    """DESIGN section 10: the control API edits the same records."""
    [found] = people.read("C-1", fields=("3",))["result"]
    people.control("PATCH", f"contacts/{found['id']}", {"3": "new@example.com", EXTERNAL: "C-100", "14": 65})
    assert people.read("C-1")["result"] is False
    assert people.read("new@example.com", key="3", fields=("14",))["result"][0]["14"] == "65"
    people.control("PUT", "contacts/500000000", {EXTERNAL: "C-500", "3": "new@example.com"})
    assert people.read("new@example.com", key="3")["errors"][0]["errorCode"] == 2010
    people.control("DELETE", f"contacts/{found['id']}")
    assert people.read("new@example.com", key="3", fields=(EXTERNAL,))["result"][0][EXTERNAL] == "C-500"
    assert people.upsert({EXTERNAL: "C-501"})["ids"] == [500000001]


def test_an_edit_from_outside_names_fields_the_account_has(people: Account) -> None:
    """DESIGN section 10: what cannot be stored is refused in words."""
    assert people.control("PUT", "contacts/500000000", {"99999": "x"}).status_code == 400
    assert people.control("PUT", "contacts/abc", {"3": "x@example.com"}).status_code == 400


def test_a_write_may_show_later_than_it_is_accepted(people: Account) -> None:
    """Not documented, and so a switch: until then readers see what was there before."""
    people.switch(visible_seconds=60)
    [changed, new] = people.upsert({EXTERNAL: "C-1", "1": "Anna"}, {EXTERNAL: "C-5", "3": "eve@example.com"})["ids"]
    assert [one["1"] for one in people.read("C-1", fields=("1",))["result"]] == ["Ana"]
    assert people.read("C-5", str(new), fields=("1",))["result"] is False
    asked = {"key_id": EXTERNAL, "external_ids": ["C-1", "C-5"]}
    assert people.data("POST", "/contact/checkids", asked)["ids"] == {"C-1": changed}
    query = f"/contact/query/?return={EXTERNAL}"
    assert len(people.data("GET", query)["result"]) == 4
    people.later(61)
    assert [one["1"] for one in people.read("C-1", fields=("1",))["result"]] == ["Anna"]
    assert people.data("POST", "/contact/checkids", asked)["ids"] == {"C-1": changed, "C-5": str(new)}
    assert len(people.data("GET", query)["result"]) == 5
