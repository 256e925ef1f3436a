"""The request budget and its headers, the envelope, routes."""

import time
from typing import Any

import pytest
import requests

from tests.emulators.emarsys.account import Account

RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def test_every_reply_carries_the_rate_headers(account: Account) -> None:
    """Sections 2.3, 13.3: errors, the token endpoint and the sales upload included."""
    replies = [
        account.call("GET", "/settings"),
        account.call("GET", "/nothing"),
        account.call("PUT", "/contact", data=b"{"),
        account.token(),
        account.token(secret="wrong"),
        account.upload("nonsense"),
        requests.get(account.described["url"] + "/settings", timeout=10),
        requests.get(account.base + "/emarsys/healthcheck", timeout=10),
    ]
    for reply in replies:
        assert all(name in reply.headers for name in RATE), (reply.status_code, reply.headers)
        assert reply.headers["X-Emarsys-Request-Id"]


@pytest.mark.parametrize("fault", [{"kind": "status", "code": 503, "body": "busy"}, {"kind": "html"}])
def test_an_answer_out_of_turn_carries_the_rate_headers_too(account: Account, fault: dict[str, Any]) -> None:
    """Sections 2.3, 13.3: on every response."""
    account.fault(path="/settings", **fault)
    reply = account.call("GET", "/settings")
    assert all(name in reply.headers for name in RATE), reply.headers


def test_the_budget_runs_down_and_resets_within_a_minute(account: Account) -> None:
    """Section 2.1: limit 1000, one less with each call, reset a minute after the first."""
    first, second = account.call("GET", "/settings").headers, account.call("GET", "/settings").headers
    assert (first[RATE[0]], first[RATE[1]], second[RATE[1]]) == ("1000", "999", "998")
    assert 0 < int(first[RATE[2]]) - time.time() <= 61
    assert first[RATE[2]] == second[RATE[2]]


def test_a_spent_budget_is_429_until_the_reset(account: Account) -> None:
    """Sections 2.3, 2.4: replyCode 7003, no Retry-After."""
    account.switch(rate_limit=2)
    statuses = [account.call("GET", "/settings").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = account.call("GET", "/settings")
    assert (refused.json()["replyCode"], refused.headers[RATE[1]]) == (7003, "0")
    assert "Retry-After" not in refused.headers
    requests.post(f"{account.base}/_control/clock", json={"offset_seconds": 61}, timeout=10)
    assert account.call("GET", "/settings").status_code == 200


def test_a_budget_is_the_accounts_own(account: Account) -> None:
    """Section 2.3: per API user."""
    other = Account(account.base, "demo2")
    account.switch(rate_limit=1)
    account.call("GET", "/settings")
    assert account.call("GET", "/settings").status_code == 429
    assert other.call("GET", "/settings").status_code == 200
    other.session.close()


def test_a_gateway_may_refuse_in_plain_text(account: Account) -> None:
    """Sections 2.3, 13.3: a mode for a plain-text 429."""
    account.switch(rate_limit=1, plain_429=1)
    account.call("GET", "/settings")
    refused = account.call("GET", "/settings")
    assert (refused.status_code, refused.text[0]) == (429, "T")


def test_throttling_on_demand_says_when_to_come_back(account: Account) -> None:
    """Sections 2.4, 13.12: a 429 burst; the client waits for the reset header."""
    account.fault(kind="throttle", path="/settings", retry_after=5, times=2)
    refused = account.call("GET", "/settings")
    assert (refused.status_code, refused.json()["replyCode"], refused.headers[RATE[1]]) == (429, 7003, "0")
    assert 3 <= int(refused.headers[RATE[2]]) - time.time() <= 7
    account.call("GET", "/settings")
    assert account.call("GET", "/settings").status_code == 200


def test_json_may_come_as_html(account: Account) -> None:
    """Sections 2.1, 12.9, 13.4: a switch for the content type."""
    account.switch(content_type="text/html; charset=utf-8")
    answer = account.call("GET", "/settings")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.json()["replyCode"] == 0


def test_a_switch_may_be_set_for_the_whole_server(account: Account) -> None:
    """Section 14: what is unknown is a switch."""
    settings = f"{account.base}/_control/settings"
    requests.post(settings, json={"emarsys_rate_limit": "7"}, timeout=10)
    assert account.call("GET", "/settings").headers[RATE[0]] == "7"
    requests.post(settings, json={"emarsys_rate_limit": None}, timeout=10)
    assert account.call("GET", "/settings").headers[RATE[0]] == "1000"


def test_a_wrong_method_is_1009_and_an_unknown_route_404(account: Account) -> None:
    """Section 10."""
    assert account.refusal("DELETE", "/contact") == (400, 1009)
    assert account.refusal("GET", "/nothing")[0] == 404


def test_settings_tell_who_the_account_is(account: Account) -> None:
    """Section 3.13: the connection test, `id` above zero."""
    data = account.data("GET", "/settings/")
    assert int(data["id"]) > 0
    assert {"environment", "timezone", "name", "password_history_queue_size", "country"} <= set(data)
