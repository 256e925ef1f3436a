"""Dataverse connections as the console opens them, against a small Web API of the test's own."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.connectors.conftest import opened

SETTINGS = {
    "URL": "{server}",
    "TENANT": "contoso.example.com",
    "CLIENT_ID": "app",
    "CLIENT_SECRET": "secret",
    "TOKEN_URL": "{server}/token",
}


@pytest.fixture
def dataverse(server: HTTPServer) -> Callable[..., Any]:
    return lambda limits=None, **settings: opened("dynamics365.dataverse", server, {**SETTINGS, **settings}, limits)
