"""Access tokens: kept, renewed early, fetched once for all threads; MSAL where Microsoft is asked."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Unlimited
from connectors.errors import ConfigurationError, UnavailableError
from connectors.http import Bearer, Http
from tests.connectors.conftest import FINANCE, opened
from tests.connectors.odata_server import ODataServer, customer, json_response


class Mint:
    """Gives a new token each time and counts."""

    def __init__(self, life: float = 3600.0) -> None:
        self.life, self.made = life, 0

    def __call__(self) -> tuple[str, float]:
        self.made += 1
        return f"t{self.made}", self.life


def test_a_token_is_fetched_once_for_many_threads() -> None:
    mint = Mint()
    bearer = Bearer(mint)
    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(lambda _: bearer.sign()["Authorization"], range(50)))
    assert (set(signed), mint.made) == ({"Bearer t1"}, 1)


def test_threads_that_were_refused_together_renew_once() -> None:
    mint = Mint()
    bearer = Bearer(mint)
    with ThreadPoolExecutor(2) as first, ThreadPoolExecutor(1) as second:
        first.submit(bearer.sign).result()
        second.submit(bearer.sign).result()
        second.submit(bearer.renew).result()
        assert second.submit(bearer.sign).result()["Authorization"] == "Bearer t2"
        first.submit(bearer.renew).result()  # this thread was refused with the old token
    assert bearer.sign()["Authorization"] == "Bearer t2"


@pytest.mark.parametrize(("life", "after", "made"), [(3600, 3530, 1), (3600, 3545, 2), (30, 10, 1), (30, 20, 2)])
def test_a_token_is_renewed_before_its_end(
    monkeypatch: pytest.MonkeyPatch, life: float, after: float, made: int
) -> None:
    now = [1000.0]
    monkeypatch.setattr("connectors.http.time.monotonic", lambda: now[0])
    mint = Mint(life)
    bearer = Bearer(mint)
    bearer.sign()
    now[0] += after
    bearer.sign()
    assert mint.made == made


@pytest.mark.parametrize("life", [3600, "3600"])
def test_the_form_is_posted_as_entra_wants_it(server: HTTPServer, life: Any) -> None:
    forms: list[dict[str, str]] = []

    def token(request: Request) -> Response:
        forms.append(dict(request.form))
        return json_response({"token_type": "Bearer", "access_token": "t1", "expires_in": life})

    server.expect_request("/contoso/oauth2/v2.0/token", method="POST").respond_with_handler(token)
    system = ODataServer(server, {"CustomersV3": [customer("1")]})
    source = opened(
        "dynamics365.finance", server,
        {**FINANCE, "TENANT": "contoso", "TOKEN_URL": "{server}/{tenant}/oauth2/v2.0/token", "URL": "{server}/"},
    )  # fmt: skip
    list(source.read("customer", ""))
    address = server.url_for("").rstrip("/")
    assert forms == [
        {
            "client_id": "app",
            "client_secret": "secret",
            "grant_type": "client_credentials",
            "scope": f"{address}/.default",
        }
    ]
    assert system.asked[0].headers["Authorization"] == "Bearer t1"


class FakeMsal:
    """Takes MSAL's place: what it is asked is written down, what it answers is set."""

    asked: list[tuple[str, str, list[str]]]
    answer: Any

    def __init__(self, client_id: str, *, client_credential: str, authority: str, http_client: Any) -> None:
        self.authority = authority

    def acquire_token_for_client(self, scopes: list[str]) -> Any:
        FakeMsal.asked.append((self.authority, "client", scopes))
        if isinstance(FakeMsal.answer, Exception):
            raise FakeMsal.answer
        return FakeMsal.answer


@pytest.fixture
def msal(monkeypatch: pytest.MonkeyPatch) -> type[FakeMsal]:
    FakeMsal.asked, FakeMsal.answer = [], {"access_token": "m1", "expires_in": 3599}
    monkeypatch.setattr("msal.ConfidentialClientApplication", FakeMsal)
    return FakeMsal


def by_msal(server: HTTPServer) -> Any:
    settings = {name: value for name, value in FINANCE.items() if name != "TOKEN_URL"}
    return opened("dynamics365.finance", server, settings)


def test_microsoft_is_asked_through_msal(server: HTTPServer, msal: type[FakeMsal]) -> None:
    system = ODataServer(server, {"CustomersV3": [customer("1")]})
    list(by_msal(server).read("customer", ""))
    scope = server.url_for("").rstrip("/") + "/.default"
    assert msal.asked == [("https://login.microsoftonline.com/contoso.example.com", "client", [scope])]
    assert system.asked[0].headers["Authorization"] == "Bearer m1"


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"error": "invalid_client", "error_description": "AADSTS7: no\nTrace"}, ConfigurationError, "AADSTS7: no"),
        (ValueError("Unable to get authority configuration"), ConfigurationError, "authority"),
        (requests.exceptions.ConnectionError("no route"), UnavailableError, "ConnectionError"),
    ],
)  # fmt: skip
def test_what_msal_says_becomes_an_error_with_a_remedy(
    server: HTTPServer, msal: type[FakeMsal], slept: list[float], answer: Any, error: type[Exception], said: str
) -> None:
    msal.answer = answer
    with pytest.raises(error) as raised:
        by_msal(server).check()
    found: Any = raised.value
    assert said in found.reply
    assert found.remedy
    assert "secret" not in found.reply


DISCOVERED = {
    "issuer": "https://login.microsoftonline.com/contoso.example.com/v2.0",
    "authorization_endpoint": "https://login.microsoftonline.com/contoso.example.com/oauth2/v2.0/authorize",
    "token_endpoint": "https://login.microsoftonline.com/contoso.example.com/oauth2/v2.0/token",
}


class Microsoft:
    """What MSAL itself asks and is answered: the discovery of the tenant, then the token."""

    def __init__(self, discovery: tuple[int, str], token: tuple[int, str] = (200, "")) -> None:
        self._discovery, self._token = discovery, token

    def get(self, url: str, **options: Any) -> Any:
        clouds = '{"metadata": []}'
        return self._answer(200, clouds) if "discovery/instance" in url else self._answer(*self._discovery)

    def post(self, url: str, **options: Any) -> Any:
        return self._answer(*self._token)

    def close(self) -> None: ...

    def _answer(self, status: int, body: str) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer._content = status, body.encode()
        return answer


@pytest.mark.parametrize(
    ("discovery", "token", "error"),
    [
        ((200, '{"issuer": "https'), (200, ""), UnavailableError),
        ((200, "[]"), (200, ""), UnavailableError),
        ((200, "{}"), (200, ""), UnavailableError),
        ((400, '{"error": "invalid_tenant"}'), (200, ""), ConfigurationError),
        ((200, json.dumps(DISCOVERED)), (200, '{"access_token": "t'), UnavailableError),
        ((200, json.dumps(DISCOVERED)), (200, "<html>Back soon</html>"), UnavailableError),
        ((200, json.dumps(DISCOVERED)), (200, '{"access_token": 5}'), UnavailableError),
        ((200, json.dumps(DISCOVERED)), (400, '{"error": "temporarily_unavailable"}'), UnavailableError),
        ((200, json.dumps(DISCOVERED)), (401, '{"error": "invalid_client"}'), ConfigurationError),
    ],
)
def test_microsoft_s_nonsense_is_waited_out_and_its_refusals_are_told(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch, slept: list[float], discovery: tuple[int, str],
    token: tuple[int, str], error: type[Exception],
) -> None:  # fmt: skip
    monkeypatch.setattr("connectors.dynamics365.auth._WithTimeout", lambda session: Microsoft(discovery, token))
    with pytest.raises(error) as raised:
        by_msal(server).check()
    assert type(raised.value) is error


def test_a_sign_in_that_fails_is_no_lost_answer(server: HTTPServer, slept: list[float]) -> None:
    """Nothing was sent, so a file that may be sent only once may be sent later."""

    def sign() -> dict[str, str]:
        raise UnavailableError("no token")

    http = Http("erp", server.url_for(""), Unlimited(), sign=sign)
    with pytest.raises(UnavailableError) as raised:
        http.request("POST", "x", body=b"1", repeatable=False)
    assert type(raised.value) is UnavailableError


def test_a_token_endpoint_in_trouble_is_asked_four_times_in_all(server: HTTPServer, slept: list[float]) -> None:
    server.expect_request("/token").respond_with_data("oops", status=503)
    with pytest.raises(UnavailableError):
        opened("dynamics365.finance", server, FINANCE).check()
    assert len(server.log) == 4
