"""Relational data and Engagement Events."""

from typing import Any

import pytest
import requests

from tests.emulators.emarsys.account import Account

RECORDS = "/rds/connections/hosted/tables/stores/records"
EVENTS = "/engagementevent/v1/integrations/erp/eventConfigurations/dispatched/events"


@pytest.fixture
def stores(account: Account) -> Account:
    table = {"columns": ["id", "city", "open"], "key": ["id"], "indexed": ["id", "city"], "required": ["id"]}
    assert account.control("PUT", "rds_tables/hosted/stores", table).status_code == 201
    assert account.beside("POST", RECORDS, [{"id": 1, "city": "Graz"}, {"id": 2, "city": "Bath"}]).json() == {
        "replyCode": 0,
        "replyText": "Rows inserted: 2",
    }
    return account


def rows(account: Account, query: str = "") -> Any:
    return account.beside("GET", RECORDS + query).json()["data"]


def test_records_are_inserted_upserted_updated_replaced_and_removed(stores: Account) -> None:
    """Section 8: POST ignores conflicts, PUT replaces the table, PATCH items are search and update."""
    answer = stores.beside("POST", RECORDS, [{"id": 1, "city": "Linz"}, {"id": 3, "city": "Linz"}])
    assert answer.json()["replyText"] == "Rows inserted: 1"
    assert [row["city"] for row in rows(stores)] == ["Graz", "Bath", "Linz"]
    stores.beside("POST", RECORDS + "/upsert", [{"id": 1, "open": True}])
    stores.beside("PATCH", RECORDS, [{"search": {"city": "Bath"}, "update": {"open": False}}])
    assert rows(stores) == [
        {"id": 1, "city": "Graz", "open": True}, {"id": 2, "city": "Bath", "open": False}, {"id": 3, "city": "Linz"}
    ]  # fmt: skip
    assert rows(stores, "?city=Bath") == [{"id": 2, "city": "Bath", "open": False}]
    stores.beside("POST", RECORDS + "/remove", [{"id": 1}, {"city": "Linz"}])
    assert [row["id"] for row in rows(stores)] == [2]
    stores.beside("PUT", RECORDS, [{"id": 9}])
    assert rows(stores) == [{"id": 9}]
    assert stores.beside("GET", RECORDS.replace("/rds/", "/rds/v1/")).json()["data"] == [{"id": 9}]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", RECORDS, [{"id": 1}, {"id": 2, "city": "x"}], (400, 15001)),
        ("POST", RECORDS, [{"id": n} for n in range(1001)], (400, 15002)),
        ("POST", RECORDS, [{"id": 5, "colour": "red"}], (400, 15003)),
        ("POST", RECORDS, [{"city": "Graz"}], (400, 15003)),
        ("PUT", RECORDS.replace("stores", "cinemas"), [], (404, 15004)),
        ("POST", RECORDS, {"id": 1}, (400, 15005)),
        ("POST", RECORDS + "/remove", [{"open": True}], (400, 15007)),
        ("POST", RECORDS + "/remove", [], (400, 15008)),
        ("PATCH", RECORDS, [{"update": {"city": "x"}}], (400, 15008)),
        ("GET", RECORDS + "?open=True", None, (400, 15007)),
    ],
)
def test_relational_data_refuses(stores: Account, method: str, path: str, body: Any, expected: tuple[int, int]) -> None:
    """Sections 8, 10."""
    answer = stores.beside(method, path, body)
    assert (answer.status_code, answer.json()["replyCode"]) == expected
    assert len(rows(stores)) == 2


def test_relational_data_has_a_code_of_its_own_for_too_many_requests(stores: Account) -> None:
    """Sections 8, 10: 429 with 15011."""
    stores.switch(rate_limit=1)
    answer = stores.beside("GET", RECORDS)
    assert (answer.status_code, answer.json()["replyCode"]) == (429, 15011)


def test_an_engagement_event_is_taken_without_an_envelope(account: Account) -> None:
    """Section 4.3: 202 and nothing in it; drafts are kept apart."""
    schema = {"fields": {"order": "string", "lines": "array", "total": "number"}, "required": ["order"]}
    account.control("PUT", "event_configurations/erp/dispatched", schema)
    answer = account.beside("POST", EVENTS, {"order": "SO-1", "lines": [], "anything": None})
    assert (answer.status_code, answer.content) == (202, b"")
    account.beside("POST", EVENTS + "?draft=true", {"order": "SO-2"})
    assert [(one["event"]["order"], one["draft"]) for one in account.all("engagement_events")] == [
        ("SO-1", False), ("SO-2", True)
    ]  # fmt: skip


def test_an_engagement_event_is_refused_with_an_error_object(account: Account) -> None:
    """Section 4.3: 400, 401, 403, 404, 413, 422."""
    assert account.beside("POST", EVENTS, {}).status_code == 404
    account.control("PUT", "event_configurations/erp/dispatched", {"fields": {"total": "number"}, "required": ["id"]})
    assert account.beside("POST", EVENTS, [1]).status_code == 400
    assert account.beside("POST", EVENTS, data=b"{").status_code == 400
    invalid = account.beside("POST", EVENTS, {"total": "12"})
    assert invalid.status_code == 422
    assert set(invalid.json()["error"]) == {"code", "message", "target", "details", "innererror"}
    assert [one["target"] for one in invalid.json()["error"]["details"]] == ["id", "total"]
    assert account.beside("POST", EVENTS, {"id": "x" * 1_100_000}).status_code == 413
    url = account.described["url_neighbours"] + EVENTS
    assert requests.post(url, json={}, timeout=10).status_code == 401
    account.switch(denied="POST /engagementevent")
    assert account.beside("POST", EVENTS, {}).status_code == 403
