"""Fields and choices."""

import pytest

from tests.emulators.emarsys.account import EXTERNAL, Account


def test_system_fields_have_the_ids_of_the_contract(account: Account) -> None:
    """Section 3.10: id, name, application_type, string_id."""
    fields = {one["string_id"]: one for one in account.data("GET", "/field")}
    known = {"first_name": "1", "email": "3", "country": "14", "optin": "31", "salutation": "46", "mobile": "37"}
    assert {name: fields[name]["id"] for name in known} == known
    assert set(fields["email"]) == {"id", "name", "application_type", "string_id"}
    assert (fields["externalId"]["id"], fields["externalId"]["application_type"]) == (EXTERNAL, "shorttext")
    assert account.data("GET", "/field/translate/en") == account.data("GET", "/field")


def test_ids_of_fields_are_numbers_in_some_replies(account: Account) -> None:
    """Section 3.10: a string in the documentation, an integer in some replies."""
    account.switch(integer_field_ids=1)
    assert {type(one["id"]) for one in account.data("GET", "/field")} == {int}


def test_choices_have_the_ids_of_the_contract(account: Account) -> None:
    """Section 3.10: country GB 184, DE 65; gender; registration language."""
    countries = {one["id"]: one["choice"] for one in account.data("GET", "/field/14/choice")}
    assert (countries["184"], countries["65"], len(countries)) == ("United Kingdom", "Germany", 200)
    assert [one["choice"] for one in account.data("GET", "/field/35/choice/translate/en")] == [
        "English",
        "German",
        "French",
    ]
    assert [one["id"] for one in account.data("GET", "/field/choices?fields=5,14&language=en")] == ["5", "14"]


def test_a_custom_field_can_be_created_and_written_but_is_no_key(account: Account) -> None:
    """Sections 3.1, 3.10: not indexed until Support does it."""
    number = str(account.data("POST", "/field", {"name": "ERP customer no", "application_type": "shorttext"})["id"])
    fields = {one["id"]: one for one in account.data("GET", "/field")}
    assert fields[number]["string_id"] == "erp_customer_no"
    account.upsert({EXTERNAL: "C-1", number: "4711"})
    assert account.read("C-1", fields=(number,))["result"][0][number] == "4711"
    assert account.refusal("POST", "/contact/getdata", {"keyId": number, "keyValues": ["4711"]}) == (400, 2015)
    account.data("DELETE", f"/field/{number}")
    assert number not in {one["id"] for one in account.data("GET", "/field")}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "", "application_type": "shorttext"}, 9001),
        ({"name": "externalId", "application_type": "shorttext"}, 9002),
        ({"name": "uid", "application_type": "shorttext"}, 9003),
        ({"name": "Size", "application_type": "singlechoice"}, 9006),
    ],
)
def test_a_field_is_refused_for_its_name_or_type(account: Account, body: dict[str, str], code: int) -> None:
    """Section 3.10: 9001 invalid, 9002 exists, 9003 reserved, 9006 choice types."""
    assert account.refusal("POST", "/field", body) == (400, code)


def test_fields_have_quotas(account: Account) -> None:
    """Section 3.10: 21 long texts; then 9004 with HTTP 500."""
    for number in range(21):
        account.data("POST", "/field", {"name": f"Note {number}", "application_type": "longtext"})
    assert account.refusal("POST", "/field", {"name": "One more", "application_type": "longtext"}) == (500, 9004)


def test_lists_can_be_filled_emptied_and_paged(account: Account) -> None:
    """Section 3.9: per-key errors, a bare count, `contactIds` without an envelope."""
    ids = account.upsert(*({EXTERNAL: f"C-{number}"} for number in range(5)))["ids"]
    number = account.data("POST", "/contactlist", {"name": "VIP"})["id"]
    body = {"key_id": EXTERNAL, "external_ids": ["C-0", "C-1", "C-2", "C-9"]}
    added = account.data("POST", f"/contactlist/{number}/add", body)
    assert (added["inserted_contacts"], list(added["errors"])) == (3, ["C-9"])
    page = account.call("GET", f"/contactlist/{number}/contactIds?$skiptoken=0&$top=2").json()
    assert page == {"value": ids[:2], "next": f"/contactlist/{number}/contactIds?$skiptoken=2&$top=2"}
    assert account.call("GET", page["next"]).json() == {"value": ids[2:3], "next": None}
    body["external_ids"] = ["C-1"]
    assert account.data("POST", f"/contactlist/{number}/delete", body) == {"deleted_contacts": 1, "errors": []}
    assert account.data("GET", f"/contactlist/{number}/count") == 2
    assert [one["name"] for one in account.data("GET", "/contactlist")] == ["VIP"]


def test_lists_are_refused_by_number_and_name(account: Account) -> None:
    """Section 3.9: 1 for a word, 3006 unknown, 3003 not an array, 3005 name exists."""
    account.data("POST", "/contactlist", {"name": "VIP"})
    assert account.refusal("POST", "/contactlist", {"name": "VIP"}) == (400, 3005)
    assert account.refusal("POST", "/contactlist/Wrong-id/add", {}) == (400, 1)
    assert account.refusal("GET", "/contactlist/7/count") == (404, 3006)


def test_the_old_listing_of_a_contact_list_still_works(account: Account) -> None:
    """Section 3.9: string ids with limit and offset; membership of one contact."""
    ids = [str(one) for one in account.upsert({EXTERNAL: "C-1"}, {EXTERNAL: "C-2"})["ids"]]
    body = {"name": "VIP", "key_id": EXTERNAL, "external_ids": ["C-1", "C-2"]}
    number = account.data("POST", "/contactlist", body)["id"]
    assert account.data("GET", f"/contactlist/{number}/?limit=1&offset=1") == ids[1:]
    assert account.data("GET", f"/contactlist/{number}/contacts/{ids[0]}") is True


def test_sources_can_be_created_listed_and_deleted(account: Account) -> None:
    """Section 3.13; section 10: 2013 for an unknown one."""
    number = account.data("POST", "/source/create", {"name": "ERP bridge"})["id"]
    assert account.data("GET", "/source") == [{"id": number, "name": "ERP bridge"}]
    account.data("DELETE", f"/source/{number}")
    assert account.refusal("DELETE", f"/source/{number}") == (400, 2013)
