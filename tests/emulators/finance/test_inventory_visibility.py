"""The Inventory Visibility add-in (dynamics365.md 4.9)."""

from typing import Any

import pytest
import requests

from tests.emulators.client import Environment

HEADERS = {"Api-Version": "1.0"}
WHERE = {"organizationId": ["usmf"], "productId": ["MUG"], "siteId": ["1"], "locationId": ["11", "12"]}


class Visibility:
    def __init__(self, company: Environment) -> None:
        self.company = company
        self.places = company.control("GET", "systems").json()["dynamics365"]["inventory_visibility"]
        self.token = self.exchange().json()["access_token"]

    def exchange(self, **changes: str) -> requests.Response:
        entra = self.company.token(scope=self.places["entra_scope"]).json()["access_token"]
        body = {
            "grant_type": "client_credentials", "client_assertion_type": "aad_app", "client_assertion": entra,
            "scope": "https://inventoryservice.operations365.dynamics.com/.default",
            "context": self.places["environment"], "context_type": "finops-env", **changes,
        }  # fmt: skip
        return requests.post(self.places["token_url"], json=body, headers=HEADERS, timeout=10)

    def ask(self, call: str, body: Any, **headers: str) -> requests.Response:
        headers = {**HEADERS, "Authorization": f"Bearer {self.token}", **headers}
        return requests.post(f"{self.places['queries']}/onhand/{call}", json=body, headers=headers, timeout=10)


@pytest.fixture
def visibility(company: Environment) -> Visibility:
    return Visibility(company)


def test_the_token_is_exchanged_and_the_first_answer_may_be_a_redirect(visibility: Visibility) -> None:
    """4.9: 307 to a geo gateway; expires_in may be a string (1.1)"""
    visibility.company.control("POST", "settings", {"dynamics365.iv_redirect": "yes", "dynamics365.iv_expires": "text"})
    answer = visibility.exchange()
    assert [hop.status_code for hop in answer.history] == [307]
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", "3600")
    assert visibility.exchange(context="another").status_code == 400
    assert visibility.exchange(client_assertion="x").status_code == 401


def test_only_the_exchanged_token_opens_the_service(visibility: Visibility) -> None:
    """4.9"""
    query = {"filters": WHERE}
    assert visibility.ask("indexquery", query).status_code == 200
    finance = str(visibility.company.session.headers["Authorization"])
    assert visibility.ask("indexquery", query, Authorization=finance).status_code == 401
    assert visibility.ask("indexquery", query, **{"Api-Version": "2"}).status_code == 400
    exchanged = {"Authorization": f"Bearer {visibility.token}"}
    assert visibility.company.call("GET", "CustomersV3", headers=exchanged).status_code == 401


def test_an_index_query_groups_by_place_and_what_else_is_asked(visibility: Visibility) -> None:
    """4.9"""
    rows = visibility.ask("indexquery", {"filters": WHERE, "returnNegative": True}).json()
    assert [(row["dimensions"]["locationid"], row["quantities"]["fno"]["physicalinvent"]) for row in rows] == [
        ("11", 100), ("12", 5),
    ]  # fmt: skip
    assert rows[0]["quantities"]["fno"] == {"physicalinvent": 100, "reservphysical": 12, "onorder": 0, "ordered": 20}
    assert rows[0]["quantities"]["iv"] == {"softreserved": 0, "availabletoreserve": 88}
    by_status = visibility.ask("indexquery", {"filters": WHERE, "groupByValues": ["statusId"]}).json()
    found = {
        (row["dimensions"]["locationid"], row["dimensions"]["StatusId"]): row["quantities"]["fno"]["physicalinvent"]
        for row in by_status
    }
    assert found == {("11", "Available"): 92, ("11", "Blocked"): 8, ("12", "Available"): 5}


def test_no_product_means_all_and_negative_stock_only_when_asked_for(visibility: Visibility) -> None:
    """4.9"""
    where = {**WHERE, "productId": []}
    for negative, products in ((True, ["CUP", "MUG", "MUG"]), (False, ["MUG", "MUG"])):
        rows = visibility.ask("indexquery", {"filters": where, "returnNegative": negative}).json()
        assert [row["productId"] for row in rows] == products


def test_an_exact_query_takes_tuples(visibility: Visibility) -> None:
    """4.9: dimensions and values"""
    filters = {"organizationId": ["USMF"], "productId": ["MUG"], "dimensions": ["siteId", "LocationId"],
               "values": [["1", "12"]]}  # fmt: skip
    [row] = visibility.ask("exactquery", {"filters": filters}).json()
    assert (row["dimensions"], row["quantities"]["fno"]["physicalinvent"]) == ({"siteid": "1", "locationid": "12"}, 5)
    assert visibility.ask("exactquery", {"filters": {**filters, "values": [["1"]]}}).status_code == 400


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"organizationId": ["usmf", "usrt"]}, "Exactly one organizationId"),
        ({"siteId": []}, "mandatory"),
        ({"productId": [str(at) for at in range(5_001)]}, "At most 5000"),
        ({"locationId": [str(at) for at in range(101)]}, "must not exceed 100"),
    ],
)
def test_the_limits_of_a_query_are_kept(visibility: Visibility, changes: dict[str, Any], words: str) -> None:
    """4.9"""
    answer = visibility.ask("indexquery", {"filters": {**WHERE, **changes}})
    assert (answer.status_code, words in answer.text) == (400, True)


def test_names_come_back_in_any_case_and_zeros_may_be_missing(visibility: Visibility) -> None:
    """4.9: match case-insensitively; zero measures may be omitted"""
    visibility.company.control("POST", "settings", {"dynamics365.iv_case": "upper", "dynamics365.iv_omit_zero": "yes"})
    [row, _] = visibility.ask("indexquery", {"filters": WHERE}).json()
    assert (set(row["dimensions"]), row["quantities"]["fno"]) == (
        {"SITEID", "LOCATIONID"},
        {"PHYSICALINVENT": 100, "RESERVPHYSICAL": 12, "ORDERED": 20},
    )
