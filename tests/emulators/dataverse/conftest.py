"""One server with a small retailer for the tests of the emulated Dataverse."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.emulators.server import running
from tests.emulators.dataverse.client import Organisation, retailer


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return retailer(tmp_path_factory.mktemp("dataverse") / "people")


@pytest.fixture(scope="session")
def dataverse_server() -> Iterator[str]:
    with running() as root:
        yield root


@pytest.fixture
def crm(dataverse_server: str, people: Path) -> Iterator[Organisation]:
    """Signed in at the default organisation, with the small retailer loaded afresh and nothing going wrong."""
    crm = Organisation(dataverse_server)
    crm.control("POST", "reset", {"dataset": str(people), "seed": 1})
    yield crm.sign_in()
    crm.control("DELETE", "faults")
    crm.control("POST", "clock", {"offset_seconds": 0})
    crm.control("POST", "settings", dict.fromkeys(crm.control("GET", "settings").json()))
    crm.session.close()
