"""Creating and updating contacts."""

import pytest

from tests.emulators.emarsys.account import EXTERNAL, TIER, Account


def test_a_created_contact_comes_back_as_an_integer_and_an_updated_one_as_a_string(account: Account) -> None:
    """Section 3.3: mixed id types in one array."""
    account.upsert({EXTERNAL: "C-1"})
    ids = account.upsert({EXTERNAL: "C-1", "1": "Ana"}, {EXTERNAL: "C-2"})["ids"]
    assert [type(one) for one in ids] == [str, int]


def test_the_path_style_flag_creates_too(account: Account) -> None:
    """Section 2.2: `/contact/create_if_not_exists=1` still works."""
    body = {"key_id": EXTERNAL, "contacts": [{EXTERNAL: "C-1"}]}
    assert [type(one) for one in account.data("PUT", "/contact/create_if_not_exists=1", body)["ids"]] == [int]


def test_a_success_without_refused_rows_has_no_errors_member(account: Account) -> None:
    """Section 3.3: a recorded upsert without `errors`, keyed by e-mail when `key_id` is left out."""
    body = {"contacts": [{"3": "ana@example.com"}]}
    assert set(account.data("PUT", "/contact/?create_if_not_exists=1", body)) == {"ids"}


def test_only_fields_present_are_written_and_blanks_blank(account: Account) -> None:
    """Section 3.3: omitted fields stay; null and "" blank a field."""
    account.upsert({EXTERNAL: "C-1", "1": "Ana", "2": "Diaz", "11": "Bath"})
    account.upsert({EXTERNAL: "C-1", "1": "Anna", "2": None, "11": ""})
    [contact] = account.read("C-1", fields=("1", "2", "11", EXTERNAL))["result"]
    assert (contact["1"], contact["2"], contact["11"], contact[EXTERNAL]) == ("Anna", None, None, "C-1")


def test_rows_are_refused_one_by_one_inside_a_200(account: Account) -> None:
    """Sections 2.1, 3.3, 10: codes keyed by the key value, `<NO_KEY_ID>` for a row without one."""
    account.upsert({"3": "two@example.com", EXTERNAL: "D-1"}, {"3": "two@example.com", EXTERNAL: "D-2"})
    data = account.upsert(
        {"3": "good@example.com", "1": "Bo"},
        {"3": "two@example.com", "1": "Which"},
        {"3": "country@example.com", "14": "United Kingdom"},
        {"3": "date@example.com", "4": "31.12.1980"},
        {"3": "field@example.com", "99999": "x"},
        {"1": "Nobody"},
        key="3",
    )
    assert len(data["ids"]) == 1
    assert {key: next(iter(codes)) for key, codes in data["errors"].items()} == {
        "two@example.com": "2010",
        "country@example.com": "2007",
        "date@example.com": "2007",
        "field@example.com": "2006",
        "<NO_KEY_ID>": "2005",
    }


def test_an_unknown_row_is_refused_without_create_if_not_exists(account: Account) -> None:
    """Section 3.3: 2008 with key field and value in the text, HTTP 200."""
    data = account.data("PUT", "/contact", {"key_id": "3", "contacts": [{"3": "x@example.com"}]})
    assert data["errors"] == {"x@example.com": {"2008": "No contact found with the external id: 3 - x@example.com"}}


def test_an_unusable_key_field_refuses_the_batch_inside_a_200(account: Account) -> None:
    """Section 3.3: `<NO_KEY_ID>` with 2004."""
    data = account.data("PUT", "/contact/?create_if_not_exists=1", {"key_id": "99999", "contacts": [{"99999": "x"}]})
    assert data == {"ids": [], "errors": {"<NO_KEY_ID>": {"2004": "Invalid key field id: 99999"}}}


def test_a_custom_field_that_is_not_indexed_is_no_key(account: Account) -> None:
    """Section 3.1: 2015 until Support indexes the field."""
    body = {"key_id": TIER, "contacts": [{TIER: "gold"}]}
    assert account.refusal("PUT", "/contact/?create_if_not_exists=1", body) == (400, 2015)
    account.control("PATCH", f"fields/{TIER}", {"indexed": True})
    assert account.data("PUT", "/contact/?create_if_not_exists=1", body)["ids"]


def test_creating_an_existing_contact_is_2009(account: Account) -> None:
    """Section 3.2: per row in a batch, the whole request as 400 when single."""
    assert isinstance(account.data("POST", "/contact", {"key_id": "3", "3": "ana@example.com"})["id"], int)
    assert account.refusal("POST", "/contact", {"key_id": "3", "3": "ana@example.com"}) == (400, 2009)
    rows = [{"3": "ana@example.com"}, {"3": "bo@example.com"}]
    data = account.data("POST", "/contact", {"key_id": "3", "contacts": rows})
    assert len(data["ids"]) == 1
    assert list(data["errors"]["ana@example.com"]) == ["2009"]


@pytest.mark.parametrize("key", ["id", "uid"])
def test_an_internal_id_is_no_key_for_creation(account: Account, key: str) -> None:
    """Sections 3.1, 3.2: `id` and `uid` as key are 2004."""
    assert account.refusal("POST", "/contact", {"key_id": key, "contacts": [{key: "1"}]}) == (400, 2004)


def test_an_internal_id_cannot_be_set_but_is_a_key_for_updates(account: Account) -> None:
    """Sections 3.1, 10: 2007 when it is a value."""
    [number] = account.upsert({EXTERNAL: "C-1", "3": "ana@example.com"})["ids"]
    assert list(account.upsert({EXTERNAL: "C-1", "id": "5"})["errors"]["C-1"]) == ["2007"]
    assert account.upsert({"id": str(number), EXTERNAL: "C-9"}, key="id")["ids"] == [str(number)]
    [contact] = account.read("C-9", fields=("3",))["result"]
    assert account.upsert({"uid": contact["uid"], "1": "Ana"}, key="uid")["ids"] == [str(number)]
    assert list(account.upsert({"id": "77"}, key="id")["errors"]["77"]) == ["2008"]


def test_the_single_form_is_the_contact_itself(account: Account) -> None:
    """Section 3.3: same body through PUT, `id` in the reply; what is wrong with it is a 400."""
    path = "/contact/?create_if_not_exists=1"
    source = account.data("POST", "/source/create", {"name": "ERP bridge"})["id"]
    created = account.data("PUT", path, {"key_id": "3", "3": "ana@example.com", "1": "Ana", "source_id": source})["id"]
    assert account.data("PUT", path, {"key_id": "3", "3": "ana@example.com"})["id"] == str(created)
    assert account.refusal("PUT", path, {"key_id": "3", "3": "ana@example.com", "14": "999"}) == (400, 2007)
    assert account.refusal("PUT", path, {"key_id": "3", "1": "Ana"}) == (400, 2005)
    assert account.refusal("PUT", "/contact", {"key_id": "3", "3": "no@example.com"}) == (400, 2008)


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("31", 1, "1"), ("31", "2", "2"), ("31", "", None), ("31", None, None), ("31", True, 2007), ("31", 3, 2007),
        ("5", 2, "2"), ("5", "Female", 2007), ("14", "184", "184"), ("45", 28, 2007), ("46", "5", "5"), ("46", 6, 2007),
        ("35", 3, "3"), ("4", "1980-02-29", "1980-02-29"), ("4", "1981-02-29", 2007), ("4", "19800229", 2007),
        ("1", ["Ana"], 2007), ("1", "Zoë 🎉", "Zoë 🎉"), ("10571", ["1", 3], 2007), ("10571", "plain", "plain"),
        ("10572", ["1", 3], ["1", "3"]), ("10572", [], 2007), ("10572", "1", 2007), ("10572", ["9"], 2007),
        ("10573", "000120", "120"), ("10573", "1" * 25, 2007), ("10573", "many", 2007), ("27", "3", 2007),
    ],
)  # fmt: skip
def test_values_are_stored_as_text_or_refused(account: Account, field: str, value: object, stored: object) -> None:
    """Sections 3.3, 3.12: choice ids, opt-in 1, 2 or blank, dates, arrays for multi-choice, numbers, emoji."""
    data = account.upsert({EXTERNAL: "C-1", field: value})
    if isinstance(stored, int):
        assert list(data["errors"]["C-1"]) == [str(stored)]
    else:
        assert account.read("C-1", fields=(field,))["result"][0][field] == stored


def test_an_opted_out_contact_can_be_written_back_to_opted_in(account: Account) -> None:
    """Section 3.12: no guard on the server's side."""
    account.upsert({EXTERNAL: "C-1", "31": 2})
    account.upsert({EXTERNAL: "C-1", "31": 1})
    assert account.read("C-1", fields=("31",))["result"][0]["31"] == "1"


def test_two_contacts_may_share_an_address(account: Account) -> None:
    """Sections 3.1, 12.5, 12.19: e-mail is not unique."""
    ids = account.upsert({EXTERNAL: "C-1", "3": "a@example.com"}, {EXTERNAL: "C-2", "3": "a@example.com"})["ids"]
    assert len(set(ids)) == 2


def test_contacts_go_onto_an_existing_list(account: Account) -> None:
    """Section 3.3: `contact_list_id`, 2020 when there is no such list."""
    number = account.data("POST", "/contactlist", {"name": "VIP"})["id"]
    [created] = account.upsert({EXTERNAL: "C-1"}, contact_list_id=str(number))["ids"]
    assert account.call("GET", f"/contactlist/{number}/contactIds").json() == {"value": [created], "next": None}
    body = {"key_id": EXTERNAL, "contacts": [{EXTERNAL: "C-1"}], "contact_list_id": "7"}
    assert account.refusal("PUT", "/contact/?create_if_not_exists=1", body) == (400, 2020)


def test_a_batch_has_at_most_a_thousand_contacts(account: Account) -> None:
    """Sections 2.3, 3.2: 400 with replyCode 1000, nothing written."""
    rows = [{EXTERNAL: f"C-{number}"} for number in range(1001)]
    body = {"key_id": EXTERNAL, "contacts": rows}
    assert account.refusal("PUT", "/contact/?create_if_not_exists=1", body) == (400, 1000)
    assert account.control("GET", "contacts").json() == []


@pytest.mark.parametrize(("method", "megabytes", "status"), [("POST", 9, 200), ("POST", 11, 413), ("PUT", 9, 413)])
def test_a_body_has_at_most_eight_or_ten_megabytes(account: Account, method: str, megabytes: int, status: int) -> None:
    """Section 2.3: 10 MB to create, 8 MB to update."""
    body = {"key_id": "3", "contacts": [{"3": "a@example.com", "10": "x" * megabytes * 1024 * 1024}]}
    assert account.call(method, "/contact", body).status_code == status


def test_what_is_no_json_is_1010(account: Account) -> None:
    """Section 10."""
    answer = account.call("PUT", "/contact", data=b"{")
    assert (answer.status_code, answer.json()["replyCode"]) == (400, 1010)


def test_a_poisoned_contact_is_refused_and_the_others_are_written(account: Account) -> None:
    """Section 13.12: 200 with errors, on demand."""
    account.fault(kind="partial", method="PUT", path="/contact", keys=["C-2"], code="2007")
    data = account.upsert({EXTERNAL: "C-1"}, {EXTERNAL: "C-2"}, {EXTERNAL: "C-3"})
    assert (len(data["ids"]), list(data["errors"])) == (2, ["C-2"])
    account.fault(kind="partial", method="PUT", path="/contact", count=2, code="2010")
    assert list(account.upsert({EXTERNAL: "C-4"}, {EXTERNAL: "C-5"}, {EXTERNAL: "C-6"})["errors"]) == ["C-4", "C-5"]
    assert len(account.control("GET", "contacts").json()) == 3


def test_there_is_no_merging(account: Account) -> None:
    """Section 3.8: no merge route exists."""
    assert account.refusal("POST", "/contact/merge", {"key_id": "3"})[0] == 404
