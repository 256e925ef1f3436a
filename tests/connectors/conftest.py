"""Connectors opened as the console opens them, against HTTP servers of the test's own making."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.base import Unlimited
from connectors.registry import all_connectors, connections

FINANCE = {
    "TENANT": "contoso.example.com",
    "CLIENT_ID": "app",
    "CLIENT_SECRET": "secret",
    "TOKEN_URL": "{server}/token",
    "URL": "{server}",
}
EMARSYS = {
    "URL": "{server}/api/v3",
    "TOKEN_URL": "{server}/oauth2/token",
    "CLIENT_ID": "app",
    "CLIENT_SECRET": "secret",
    "MERCHANT_ID": "19CAA097101B372A",
    "SALES_TOKEN": "sales-token",
    "SALES_URL": "{server}/hapi/{merchant}",
}

Open = Callable[..., Any]


class Budget(Unlimited):
    """Limits that remember what they were told."""

    def __init__(self) -> None:
        self.acquired = 0
        self.observed: list[tuple[int, int, float]] = []

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        self.acquired += calls

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        self.observed.append((limit, remaining, reset_at))


@pytest.fixture(scope="session")
def running_server() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as running:
        yield running


@pytest.fixture
def server(running_server: HTTPServer) -> HTTPServer:
    """One server for all tests (stopping one takes half a second), empty for each."""
    running_server.clear()
    return running_server


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waiting takes no time and is written down here."""
    waits: list[float] = []
    monkeypatch.setattr("connectors.http.time.sleep", waits.append)
    return waits


@pytest.fixture
def finance(server: HTTPServer) -> Open:
    server.expect_request("/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
    return lambda **settings: opened("dynamics365.finance", server, {**FINANCE, **settings})


@pytest.fixture
def emarsys(server: HTTPServer) -> Open:
    return lambda **settings: emarsys_of(server, **settings)


def emarsys_of(server: HTTPServer, **settings: str) -> Any:
    """The sink of an account with a key field, a tier field and no lists of choices."""
    server.expect_request("/oauth2/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
    fields = [
        {"id": "3", "name": "E-Mail", "string_id": "email"},
        {"id": 10569, "name": "External id", "string_id": "externalId"},
        {"id": "10570", "name": "Loyalty tier", "string_id": "loyaltyTier"},
        {"id": 10571, "name": "Open orders", "string_id": "openOrders", "application_type": "numeric"},
        {"id": "10572", "name": "Last order", "string_id": "lastOrder", "application_type": "shorttext"},
        {"id": "10573", "name": "Last order status", "string_id": "lastOrderStatus", "application_type": "shorttext"},
        {"id": "10574", "name": "Last order placed", "string_id": "lastOrderPlacedAt", "application_type": "date"},
    ]
    server.expect_request("/api/v3/field").respond_with_json({"replyCode": 0, "replyText": "OK", "data": fields})
    for number in (14, 35):
        server.expect_request(f"/api/v3/field/{number}/choice").respond_with_json({"replyCode": 0, "data": []})
    return opened("emarsys", server, {**EMARSYS, **settings})


def opened(connector: str, server: HTTPServer, settings: Mapping[str, str], limits: Any = None) -> Any:
    """The source or sink of one connection named `erp`."""
    address = server.url_for("").rstrip("/")
    environment = {f"ERP_{name}": value.replace("{server}", address) for name, value in settings.items()}
    environment |= {"CONNECTIONS": "erp", "ERP_CONNECTOR": connector}
    return connections(environment)["erp"].open(limits or Unlimited())


def connector_names() -> list[str]:
    return sorted(all_connectors())
