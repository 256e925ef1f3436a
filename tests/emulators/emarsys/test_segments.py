"""Segments: definitions, counts, members, runs."""

from typing import Any

import pytest

from tests.emulators.emarsys.account import EXTERNAL, TIER, Account


@pytest.fixture
def shoppers(account: Account) -> Account:
    account.upsert(
        {EXTERNAL: "C-1", "3": "ana@example.com", "14": 184, TIER: "gold", "31": 1, "4": "1980-01-02", "10573": 90},
        {EXTERNAL: "C-2", "3": "bo@example.com", "14": 184, TIER: "silver", "31": 2},
        {EXTERNAL: "C-3", "14": 65, TIER: "platinum", "10573": 120},
        {EXTERNAL: "C-4", "3": "cy@example.org", "31": 1},
    )
    account.switch(segment_202=0)
    return account


def criterion(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    node = {"type": "criteria", "field": field, "operator": operator}
    return node if value is None else {**node, "value": value}


def created(account: Account, criteria: dict[str, Any], name: str = "Mine") -> str:
    body = {"name": name, "description": "", "baseContactListId": "0", "contactCriteria": criteria}
    return account.data("PUT", "/filter", body)["id"]


def members(account: Account, criteria: dict[str, Any]) -> set[str]:
    """The customer numbers in a new segment with these criteria."""
    ids = account.data("GET", f"/filter/{created(account, criteria)}/contacts?limit=1000&offset=0")
    found = account.read(*ids, key="id", fields=(EXTERNAL,))["result"] if ids else []
    return {one[EXTERNAL] for one in found}


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (criterion("country", "equals", "184"), "12"),
        (criterion("country", "not_equals", "184"), "34"),
        (criterion("email", "not_empty"), "124"),
        (criterion("country", "is_empty"), "4"),
        (criterion("optin", "equals", "true"), "14"),
        (criterion("optin", "equals", "false"), "2"),
        (criterion("optin", "equals", "2"), "2"),
        (criterion("loyaltyTier", "in", ["gold", "platinum"]), "13"),
        (criterion("email", "contains", "EXAMPLE.org"), "4"),
        (criterion("loyalty_points", "greater_than", 100), "3"),
        (criterion("loyalty_points", "less_than", "100"), "1"),
        (criterion("birth_date", "less_than", "1990-01-01"), "1"),
        (
            {
                "type": "and",
                "children": [
                    criterion("country", "equals", 184),
                    {
                        "type": "or",
                        "children": [criterion("loyaltyTier", "equals", "gold"), criterion("email", "is_empty")],
                    },
                ],
            },
            "1",
        ),
    ],
)
def test_criteria_are_evaluated_on_the_stored_contacts(
    shoppers: Account, criteria: dict[str, Any], expected: str
) -> None:
    """Section 5: and, or, criteria by string id."""
    assert members(shoppers, criteria) == {f"C-{one}" for one in expected}


def test_criteria_can_be_read_and_written(shoppers: Account) -> None:
    """Section 5: `contact_criteria` GET and PUT."""
    number = created(shoppers, criterion("country", "equals", "65"), "Germans")
    assert shoppers.data("GET", f"/filter/{number}/contact_criteria")["contactCriteria"]["value"] == "65"
    shoppers.data(
        "PUT", f"/filter/{number}/contact_criteria", {"contactCriteria": criterion("country", "equals", "184")}
    )
    assert shoppers.data("GET", f"/filter/{number}/contacts/count") == 2
    shoppers.data("GET", f"/filter/{number}/delete")
    assert shoppers.refusal("GET", f"/filter/{number}/contacts/count") == (404, 10002)


@pytest.mark.parametrize(
    "criteria",
    [criterion("shoe_size", "equals", "9"), criterion("country", "near", "9"), {"type": "and"}, {"type": "xor"}],
)
def test_criteria_that_make_no_sense_are_1008(shoppers: Account, criteria: dict[str, Any]) -> None:
    """Section 5: "Validation error: …"."""
    assert shoppers.refusal("PUT", "/filter", {"name": "Mine", "contactCriteria": criteria}) == (400, 1008)


def test_the_list_shows_segments_without_sizes(shoppers: Account) -> None:
    """Section 5: id, name, type, tags, criteriaTypes …; behaviour criteria cannot be read as contact criteria."""
    segments = shoppers.data("GET", "/filter")
    assert set(segments[0]) == {
        "id", "name", "type", "tags", "criteriaTypes", "baseContactListId", "predefinedSegmentId"
    }  # fmt: skip
    behaviour = next(one for one in segments if one["criteriaTypes"] == ["behavior"])
    assert shoppers.refusal("GET", f"/filter/{behaviour['id']}/contact_criteria") == (400, 1008)
    assert isinstance(shoppers.data("GET", f"/filter/{behaviour['id']}/contacts/count"), int)
    assert shoppers.data("GET", f"/filter/{behaviour['id']}")["name"] == behaviour["name"]


def test_the_account_has_a_retailers_segments(shoppers: Account) -> None:
    """Section 5; the criteria of most read fields the ERP owns."""
    by_name = {one["name"]: one["id"] for one in shoppers.data("GET", "/filter")}
    counts = {name: shoppers.data("GET", f"/filter/{number}/contacts/count") for name, number in by_name.items()}
    assert counts["UK gold and platinum customers"] == 1
    assert counts["Customers with a birthday on file"] == 1
    assert counts["Customers abroad"] == 1
    assert counts["Without a loyalty tier"] == 1


def test_a_count_is_202_first_and_a_bare_number_then(shoppers: Account) -> None:
    """Sections 5, 12.7: "being evaluated" is no error; again after contacts changed."""
    shoppers.switch(segment_202=1)
    number = created(shoppers, criterion("country", "equals", "184"))
    path = f"/filter/{number}/contacts/count"
    assert shoppers.refusal("GET", path) == (202, 10001)
    assert shoppers.data("GET", path) == 2
    assert shoppers.data("GET", path) == 2
    shoppers.upsert({EXTERNAL: "C-5", "14": 184})
    assert shoppers.refusal("GET", f"/filter/{number}/contacts?limit=10") == (202, 10001)
    assert len(shoppers.data("GET", f"/filter/{number}/contacts?limit=10")) == 3


def test_members_are_paged_as_strings(shoppers: Account) -> None:
    """Section 5: `limit` is required; pages hold together while contacts change."""
    number = created(shoppers, criterion("email", "not_empty"))
    assert shoppers.refusal("GET", f"/filter/{number}/contacts") == (400, 10001)
    first = shoppers.data("GET", f"/filter/{number}/contacts?limit=2&offset=0")
    shoppers.data("POST", "/contact/delete", {"key_id": EXTERNAL, EXTERNAL: ["C-1"]})
    rest = shoppers.data("GET", f"/filter/{number}/contacts?limit=2&offset=2")
    assert (len(first), len(rest)) == (2, 1)
    assert all(isinstance(one, str) for one in first + rest)


def test_a_run_waits_is_done_and_leaves_a_contact_list(shoppers: Account) -> None:
    """Section 5: `user_count`, `opt_in_count`, then `contactIds` without an envelope."""
    number = created(shoppers, criterion("country", "equals", "184"))
    run = shoppers.data("POST", f"/filter/{number}/runs")
    assert run["status"] == "waiting"
    assert shoppers.data("GET", f"/filter/runs/{run['run_id']}")["status"] == "waiting"
    done = shoppers.data("GET", f"/filter/runs/{run['run_id']}")
    assert (done["status"], done["result"]["user_count"], done["result"]["opt_in_count"]) == ("done", 2, 1)
    assert shoppers.data("GET", f"/filter/runs/{run['run_id']}") == done
    page = shoppers.call("GET", f"/contactlist/{done['result']['contact_list_id']}/contactIds").json()
    assert len(page["value"]) == 2


def test_only_one_segment_runs_at_a_time(shoppers: Account) -> None:
    """Section 5: 423 / 10003; 404 / 10008 for an unknown run, 10002 for an unknown segment."""
    one, other = (created(shoppers, criterion("country", "equals", value)) for value in ("184", "65"))
    run = shoppers.data("POST", f"/filter/{one}/runs")["run_id"]
    assert shoppers.refusal("POST", f"/filter/{other}/runs") == (423, 10003)
    shoppers.data("GET", f"/filter/runs/{run}")
    shoppers.data("GET", f"/filter/runs/{run}")
    assert shoppers.data("POST", f"/filter/{other}/runs")["status"] == "waiting"
    assert shoppers.refusal("GET", "/filter/runs/1") == (404, 10008)
    assert shoppers.refusal("POST", "/filter/1/runs") == (404, 10002)


def test_one_contact_can_be_asked_about(shoppers: Account) -> None:
    """Section 5: `single_runs`."""
    number = created(shoppers, criterion("country", "equals", "184"))
    [inside, outside] = shoppers.read("C-1", "C-3", fields=("3",))["result"]
    answers = []
    for contact in (inside, outside):
        run = shoppers.data("POST", f"/filter/{number}/single_runs?contact_id={contact['id']}")["run_id"]
        answers.append(shoppers.data("GET", f"/filter/single_runs/{run}")["result"]["is_in_segment"])
    assert answers == [True, False]
