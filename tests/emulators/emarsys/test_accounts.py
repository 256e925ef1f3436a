"""Several accounts, API users with their own permissions and budgets, and the ways in."""

import base64
from typing import Any

import pytest
import requests

from tests.emulators.emarsys.account import EXTERNAL, Account


def test_an_account_is_opened_by_the_control_api(account: Account) -> None:
    """DESIGN section 10: own customer id, users, tokens, merchant, state and budget."""
    record = {"customer_id": "218999999", "merchant_id": "33AA097101B372A1", "first_field": 30001}
    assert requests.put(f"{account.base}/_control/emarsys/settings/third", json=record, timeout=10).status_code == 201
    third = Account(account.base, "third")
    third.upsert({"30001": "C-1"}, key="30001")
    assert account.read("C-1")["result"] is False
    assert third.data("GET", "/settings")["id"] == "218999999"
    assert {one["name"] for one in third.data("GET", "/event")} >= {"order_dispatched"}
    assert third.upload("item,price,order,timestamp,customer,quantity\nA,1.00,O,2026-01-15T10:00:00Z,C-1,1\n").text
    assert (len(third.all("sales")), len(account.all("sales"))) == (1, 0)
    third.session.close()
    assert requests.delete(f"{account.base}/_control/emarsys/settings/third", timeout=10).status_code == 204
    requests.put(f"{account.base}/_control/emarsys/settings/third", json=record, timeout=10)
    reopened = Account(account.base, "third")
    assert reopened.all("contacts") == reopened.all("sales") == []
    reopened.session.close()
    requests.delete(f"{account.base}/_control/emarsys/settings/third", timeout=10)
    assert "third" not in requests.get(f"{account.base}/_control/systems", timeout=10).json()["emarsys"]["accounts"]


def test_an_account_has_further_users_each_with_a_budget_and_permissions(account: Account) -> None:
    """Sections 1.2, 1.3, 2.3, 12.17: toggles per endpoint; limits per API user."""
    reader = {"client_id": "reader", "client_secret": "s", "denied": "^(POST|PUT|DELETE) "}
    account.switch(users=[reader], rate_limit=5)
    url, token_url = account.described["url"], account.described["token_url"]
    form = {"grant_type": "client_credentials"}
    token = requests.post(token_url, auth=("reader", "s"), data=form, timeout=10).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    refused = requests.post(f"{url}/event", json={"name": "x"}, headers=headers, timeout=10)
    assert refused.status_code == 403
    assert "replyCode" not in refused.text
    assert account.call("GET", "/settings").headers["X-RateLimit-Remaining"] == "4"
    listed = requests.get(f"{url}/event", headers=headers, timeout=10)
    assert (listed.status_code, listed.headers["X-RateLimit-Remaining"]) == (200, "3")
    assert "x" not in {one["name"] for one in listed.json()["data"]}


def test_the_first_user_can_lack_permissions_too(account: Account) -> None:
    """Section 1.2: HTTP 403, no usable replyCode."""
    account.switch(denied="POST /contact/delete")
    assert account.call("POST", "/contact/delete", {"key_id": "3", "3": "x"}).status_code == 403
    assert account.call("GET", "/settings").status_code == 200


def internal(account: Account, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(method, account.described["url_internal"] + path, json=body, timeout=10)


def test_emarsys_own_add_ons_come_in_without_verification(account: Account) -> None:
    """Sections 1.1, 1.5, 13.1: the customer id stands in the path; an unknown one is 401."""
    body = {"key_id": EXTERNAL, EXTERNAL: "C-1", "1": "Ana"}
    assert isinstance(internal(account, "PUT", "/contact/create_if_not_exists=1", body).json()["data"]["id"], int)
    got = internal(account, "POST", "/contact/getdata/stringids=1", {"keyId": EXTERNAL, "keyValues": ["C-1"]})
    assert got.json()["data"]["result"][0]["first_name"] == "Ana"
    assert got.headers["Content-Type"] == "application/json"
    assert "X-RateLimit-Remaining" in got.headers
    wrong = account.described["url_internal"].replace("218524530", "7")
    assert requests.get(f"{wrong}/settings", timeout=10).status_code == 401
    assert internal(account, "POST", "/contact/merge", {}).status_code == 404


def test_the_api_is_at_the_root_of_its_host_too(account: Account) -> None:
    """Section 1.1: clients with a fixed path are redirected by name and port alone."""
    answer = account.session.get(f"{account.base}/api/v3/settings", timeout=10)
    assert (answer.status_code, answer.json()["replyCode"]) == (200, 0)
    assert requests.get(f"{account.base}/api/v2/settings", timeout=10).status_code == 401


def test_token_and_wsse_need_their_own_doors(account: Account) -> None:
    """Section 0: v2 is WSSE, v3 is OAuth."""
    url_v2 = account.described["url_v2"]
    assert account.session.get(f"{url_v2}/settings", timeout=10).status_code == 401
    basic = base64.b64encode(b"demo-client:demo-secret").decode()
    refused = requests.get(
        account.described["url"] + "/settings", headers={"Authorization": f"Basic {basic}"}, timeout=9
    )
    assert refused.status_code == 401


def test_a_feature_that_is_not_enabled_is_8029(account: Account) -> None:
    """Section 10: 412."""
    account.switch(disabled_features="event, rds")
    assert account.refusal("GET", "/event") == (412, 8029)
    assert account.beside("GET", "/rds/connections/a/tables/b/records").json()["replyCode"] == 8029
    assert account.call("GET", "/settings").status_code == 200


def test_an_unsupported_method_was_501_once(account: Account) -> None:
    """Section 10: 400 / 1009, 501 in 2016."""
    account.switch(unsupported_method="501")
    assert account.call("DELETE", "/contact").status_code == 501


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "/contact/checkids", {"key_id": "99999", "external_ids": ["x"]}, 2004),
        ("POST", "/contact/delete", {"key_id": "3"}, 2005),
        ("POST", "/contact/getdata", {"keyId": "3", "keyValues": ["x"], "fields": ["99999"]}, 2006),
        ("PUT", "/contact", {"key_id": "3", "3": "ana@example.com", "14": "x"}, 2007),
        ("PUT", "/contact", {"key_id": "3", "3": "no@example.com"}, 2008),
        ("POST", "/contact/delete", {"key_id": "3", "3": "bo@example.com"}, 2010),
    ],
)
def test_some_accounts_answer_contact_errors_with_200(
    account: Account, method: str, path: str, body: Any, code: int
) -> None:
    """Sections 2.1, 10, 12.1: whole-request 2004, 2005, 2006, 2007, 2008, 2010 inside HTTP 200."""
    account.upsert({EXTERNAL: "C-1", "3": "ana@example.com"}, {EXTERNAL: "C-2", "3": "bo@example.com"})
    account.upsert({EXTERNAL: "C-3", "3": "bo@example.com"})
    account.switch(delete_unknown_status=400)
    assert account.refusal(method, path, body) == (400, code)
    account.switch(errors_as_200=1)
    assert account.refusal(method, path, body) == (200, code)
