"""Hosts, tokens, WSSE."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import requests

from connectors.emulators.emarsys.auth import digest
from tests.emulators.emarsys.account import Account


def test_a_token_is_granted_to_the_right_client(account: Account) -> None:
    """Section 1.3: `access_token`, `token_type`, `expires_in` of 3600 s."""
    granted = account.token().json()
    assert (granted["token_type"], granted["expires_in"], granted["scope"]) == ("Bearer", 3600, "")
    assert granted["access_token"]


def test_wrong_client_credentials_are_an_invalid_client(account: Account) -> None:
    """Section 1.3: HTTP 401 `invalid_client`; credentials count in the Basic header only."""
    answer = account.token(secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    own = account.described
    form = {"grant_type": "client_credentials", "client_id": own["client_id"], "client_secret": own["client_secret"]}
    assert requests.post(own["token_url"], data=form, timeout=10).status_code == 401


def test_the_grant_is_client_credentials(account: Account) -> None:
    """Section 1.3."""
    assert account.token(grant_type="password").status_code == 400


def test_the_token_address_has_no_trailing_slash(account: Account) -> None:
    """Section 1.1."""
    assert requests.post(account.described["token_url"] + "/", timeout=10).status_code == 404


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic eDp5"])
def test_a_call_without_a_valid_token_is_401(account: Account, header: str | None) -> None:
    """Section 1.3: body as the contract infers it."""
    headers = {"Authorization": header} if header else {}
    answer = requests.get(account.described["url"] + "/settings", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == {"replyCode": 1, "replyText": "Unauthorized", "data": ""}


def test_a_token_expires(account: Account) -> None:
    """Sections 1.3, 13.2: the lifetime is configurable; after it 401 until a new token is fetched."""
    account.switch(token_seconds=600)
    assert account.token().json()["expires_in"] == 600
    account.sign_in()
    requests.post(f"{account.base}/_control/clock", json={"offset_seconds": 599}, timeout=10)
    assert account.call("GET", "/settings").status_code == 200
    requests.post(f"{account.base}/_control/clock", json={"offset_seconds": 601}, timeout=10)
    assert account.call("GET", "/settings").status_code == 401
    account.sign_in()
    assert account.call("GET", "/settings").status_code == 200


def test_a_token_can_be_made_to_expire_in_mid_run(account: Account) -> None:
    """Section 13.12: 401 once."""
    account.fault(kind="expire_token", path="/settings")
    assert account.call("GET", "/settings").status_code == 401
    account.sign_in()
    assert account.call("GET", "/settings").status_code == 200


def test_health_needs_no_sign_in(account: Account) -> None:
    """Section 1.1."""
    assert requests.get(f"{account.base}/emarsys/healthcheck", timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("nonce", "created", "secret", "expected"),
    [
        ("", "", "test", "YTk0YThmZTVjY2IxOWJhNjFjNGMwODczZDM5MWU5ODc5ODJmYmJkMw=="),
        ("", "", "", "ZGEzOWEzZWU1ZTZiNGIwZDMyNTViZmVmOTU2MDE4OTBhZmQ4MDcwOQ=="),
        (
            "5398e214ae99c2e50afb709a3bc423f9",
            "2019-10-14T00:00:00.000Z",
            "dummy",
            "NDc5MjNlODIyMGE4ODhiMTQyNTA0OGMzZTFjZTM1MmMzMmU0NmNiNw==",
        ),
        (
            "0123456789abcdef0123456789abcdef",
            "2026-01-15T10:00:00Z",
            "s3cr3t",
            "ODU4YjZkMTUwZWU5ZWUzMDczYzRkNzkyZWVkNjdmODQxMmI0YzBlMA==",
        ),
    ],
)
def test_digests_match_the_vectors(nonce: str, created: str, secret: str, expected: str) -> None:
    """Section 1.2: base64 over forty hex characters."""
    assert digest(nonce, created, secret) == expected


def _wsse(account: Account, created: str, nonce: str = "0" * 31 + "1", header: str = "X-WSSE") -> int:
    own = account.described
    hexadecimal = hashlib.sha1((nonce + created + own["wsse_secret"]).encode()).hexdigest()
    shown = base64.b64encode(hexadecimal.encode()).decode()
    parts = f'Username="{own["wsse_user"]}", PasswordDigest="{shown}", Created="{created}", nonce="{nonce}"'
    value = f"UsernameToken {parts}"
    return requests.get(own["url_v2"] + "/settings", headers={header: value}, timeout=10).status_code


def test_v2_takes_wsse_headers(account: Account) -> None:
    """Section 1.2: parts in any order and case, milliseconds, offsets, five minutes of tolerance."""
    now = datetime.now(UTC)
    assert _wsse(account, now.strftime("%Y-%m-%dT%H:%M:%SZ")) == 200
    assert _wsse(account, now.strftime("%Y-%m-%dT%H:%M:%S.123Z"), header="WSSE") == 200
    assert _wsse(account, (now + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S+0500")) == 200
    assert _wsse(account, (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")) == 200
    assert _wsse(account, (now - timedelta(minutes=6)).strftime("%Y-%m-%dT%H:%M:%SZ")) == 401
    assert _wsse(account, "yesterday") == 401


def test_a_nonce_counts_once_where_the_account_is_strict(account: Account) -> None:
    """Sections 1.2, 14.4: not enforced, switchable."""
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [_wsse(account, created, "a" * 32), _wsse(account, created, "a" * 32)] == [200, 200]
    account.switch(strict_nonce=1)
    assert [_wsse(account, created, "b" * 32), _wsse(account, created, "b" * 32)] == [200, 401]


def test_accounts_know_nothing_of_each_other(account: Account) -> None:
    """Sections 3.10, 13.1: own credentials, custom field ids and contacts."""
    other = Account(account.base, "demo2")
    names = {one["string_id"]: one["id"] for one in other.data("GET", "/field")}
    assert names["externalId"] == "20411"
    account.upsert({"10569": "C-1"})
    assert other.read("C-1", key=names["externalId"])["result"] is False
    assert other.control("GET", "contacts").json() == []
    other.session.close()


def test_another_account_opens_when_its_settings_are_put(account: Account) -> None:
    """Section 13.1: several accounts at once."""
    answer = requests.put(f"{account.base}/_control/emarsys/settings/third", json={"rate_limit": 5}, timeout=10)
    assert answer.status_code == 201
    third = Account(account.base, "third")
    assert third.call("GET", "/settings").headers["X-RateLimit-Limit"] == "5"
    third.session.close()
