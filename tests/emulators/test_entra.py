"""Tokens (dynamics365.md 1)."""

import json
from datetime import UTC, datetime

import requests

from connectors.emulators.entra import Entra
from connectors.emulators.store import Store
from connectors.emulators.system import Request
from tests.emulators.client import Environment


def test_a_client_gets_a_token_that_opens_the_data(environment: Environment) -> None:
    """dynamics365.md 1.1"""
    answer = environment.token()
    assert answer.status_code == 200
    assert {**answer.json(), "access_token": ""} == {
        "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "",
    }  # fmt: skip
    assert "refresh_token" not in answer.json()
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert environment.call("GET", "CustomersV3", headers=headers).status_code == 200


def test_credentials_may_come_as_basic_authentication(environment: Environment) -> None:
    """dynamics365.md 1.1; RFC 6749 2.3.1"""
    form = {"grant_type": "client_credentials", "scope": f"{environment.base}/.default"}
    address = f"{environment.root}/entra/contoso/oauth2/v2.0/token"
    answer = requests.post(address, data=form, auth=("integration-console", "emulator-secret"), timeout=10)
    assert answer.status_code == 200


def test_wrong_credentials_and_scopes_are_refused_with_entras_codes(environment: Environment) -> None:
    """dynamics365.md 1.1"""
    refusals = [
        (environment.token(client_secret="wrong"), 401, "invalid_client", 7000215),
        (environment.token(client_id="nobody"), 400, "unauthorized_client", 700016),
        (environment.token(scope=environment.base), 400, "invalid_scope", 1002012),
        (environment.token(grant_type="password"), 400, "unsupported_grant_type", 70003),
    ]
    for answer, status, error, code in refusals:
        body = answer.json()
        assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [code])
        assert body["error_description"].startswith(f"AADSTS{code}: ")
        assert body["trace_id"]
        assert body["correlation_id"]
        assert body["timestamp"]


def test_without_a_valid_token_the_data_stay_closed(environment: Environment) -> None:
    """dynamics365.md 8.2"""
    good = environment.session.headers["Authorization"]
    for header in ("", "Basic eDp5", "Bearer nonsense", f"{good}x"):
        answer = environment.call("GET", "CustomersV3", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_for_another_audience_is_refused(environment: Environment) -> None:
    """dynamics365.md 1.1 and 7 row 27: wrong environment, or a slash too many"""
    for scope, status in (
        (f"{environment.base}//.default", 401),
        ("https://fabrikam.operations.dynamics.com/.default", 401),
        ("https://contoso.operations.dynamics.com/.default", 200),
    ):
        token = environment.token(scope=scope).json()["access_token"]
        answer = environment.call("GET", "CustomersV3", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status, scope


def test_a_client_that_is_not_mapped_in_the_environment_is_refused(environment: Environment) -> None:
    """dynamics365.md 1.1: having a token is not enough"""
    stranger = Environment(environment.root, "not-mapped").sign_in()
    assert stranger.get("CustomersV3").status_code == 401


def test_a_token_expires_and_the_lifetime_is_a_switch(environment: Environment) -> None:
    """dynamics365.md 8.2"""
    environment.control("POST", "settings", {"dynamics365.token_seconds": 60})
    assert environment.sign_in().get("CustomersV3").status_code == 200
    environment.control("POST", "clock", {"offset_seconds": 61})
    assert environment.get("CustomersV3").status_code == 401
    assert environment.sign_in().get("CustomersV3").status_code == 200


def test_any_token_will_do_when_the_switch_says_so(environment: Environment) -> None:
    """dynamics365.md 8.9: clients that send a token of their own to localhost"""
    headers = {"Authorization": "Bearer mock-token-for-localhost"}
    assert environment.call("GET", "CustomersV3", headers=headers).status_code == 401
    environment.control("POST", "settings", {"dynamics365.accept_any_token": "yes"})
    assert environment.call("GET", "CustomersV3", headers=headers).status_code == 200


def test_the_discovery_document_names_the_endpoints_under_this_address(environment: Environment) -> None:
    """dynamics365.md 1.2"""
    address = f"{environment.root}/entra/contoso/v2.0/.well-known/openid-configuration"
    document = requests.get(address, timeout=10).json()
    assert document["token_endpoint"] == f"{environment.root}/entra/contoso/oauth2/v2.0/token"
    assert {"issuer", "authorization_endpoint", "device_authorization_endpoint"} <= set(document)


def test_one_system_can_take_its_tokens_back_without_the_others_noticing() -> None:
    """DESIGN section 10: the fault `expire_token` of a system; the keys are one for all systems"""
    kept = Store().collection("entra")
    entra = Entra(kept, lambda: datetime(2026, 3, 1, tzinfo=UTC), {})
    form = (
        "client_id=integration-console&client_secret=emulator-secret&grant_type=client_credentials"
        "&scope=https%3A%2F%2Fcontoso.crm.dynamics.com%2F.default"
    )
    asked = Request("POST", "/contoso/oauth2/v2.0/token", "", {}, {}, form.encode(), "http://127.0.0.1/entra")
    token = json.loads(entra.handle(asked).body)["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    call = Request("GET", "/api/data/v9.2/contacts", "", {}, headers, b"", "http://127.0.0.1/dataverse")
    names = ("https://contoso.crm.dynamics.com",)
    other = Entra(kept, lambda: datetime(2026, 3, 1, tzinfo=UTC), {})
    other.revoke("dynamics365")
    assert entra.caller(call, "dataverse", names) == "integration-console"
    assert entra.caller(call, "dataverse", ()) is None
    other.revoke("dataverse")
    assert entra.caller(call, "dataverse", names) is None
