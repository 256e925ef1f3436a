"""One server with a small retailer for the tests of the server core and of the emulated Dynamics 365."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.emulators.server import running
from tests.emulators.client import Environment, retailer


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return retailer(tmp_path_factory.mktemp("data") / "shop")


@pytest.fixture(scope="session")
def shop_server() -> Iterator[str]:
    with running() as root:
        yield root


@pytest.fixture
def environment(shop_server: str, shop: Path) -> Iterator[Environment]:
    """Signed in, with the small retailer loaded afresh and nothing going wrong."""
    environment = Environment(shop_server)
    environment.control("POST", "reset", {"dataset": str(shop), "seed": 1})
    yield environment.sign_in()
    environment.control("DELETE", "faults")
    environment.control("POST", "clock", {"offset_seconds": 0})
    environment.control("POST", "settings", dict.fromkeys(environment.control("GET", "settings").json()))
    environment.session.close()
