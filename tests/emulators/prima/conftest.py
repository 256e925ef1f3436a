"""One process with the small retailer loaded afresh for every test, HTTP and SFTP."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.emulators.server import running
from tests.emulators.prima.site import Site, retailer


@pytest.fixture(scope="session")
def fashion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return retailer(tmp_path_factory.mktemp("fashion"))


@pytest.fixture(scope="session")
def prima_server() -> Iterator[str]:
    with running(sftp_port=0) as root:
        yield root


@pytest.fixture
def site(prima_server: str, fashion: Path) -> Iterator[Site]:
    site = Site(prima_server)
    assert site.control("POST", "reset", {"dataset": str(fashion)}).status_code == 200
    yield site
    site.control("DELETE", "faults")
    site.control("POST", "clock", {"offset_seconds": 0})
    site.control("POST", "settings", dict.fromkeys(site.control("GET", "settings").json()))
    for environment in ("wsalive", "wsadevtest"):
        site.control("POST", "prima/dialect", {"dialect": "assumed", "environment": environment})
    site.session.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
