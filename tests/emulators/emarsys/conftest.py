"""One server for all tests of the emulated Emarsys; every test begins with empty accounts."""

from collections.abc import Iterator

import pytest
import requests

from connectors.emulators.server import running
from tests.emulators.emarsys.account import Account


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with running() as base:
        yield base


@pytest.fixture
def base(server: str) -> Iterator[str]:
    requests.post(f"{server}/_control/reset", json={"dataset": None, "seed": 1, "drift": False}, timeout=30)
    yield server
    requests.delete(f"{server}/_control/faults", timeout=10)
    requests.post(f"{server}/_control/clock", json={"offset_seconds": 0}, timeout=10)


@pytest.fixture
def account(base: str) -> Iterator[Account]:
    account = Account(base)
    yield account
    account.session.close()
