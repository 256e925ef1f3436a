"""Programs that we did not write get from the emulated systems what they expect of the real ones (README.md)."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.clients
HERE = Path(__file__).parent
SECONDS = 240


@pytest.fixture(scope="module")
def emulators() -> Iterator[str]:
    """A process with both listeners, its certificate made for the host that the tap knows as well."""
    port, secure = (_free_port() for _ in range(2))
    listeners = ("--port", str(port), "--tls-port", str(secure), "--tls-host", "api.emarsys.net")
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors.emulators", "--empty", *listeners],
        cwd=HERE.parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _systems(base)
        yield base
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _systems(base: str) -> dict[str, Any]:
    for _ in range(150):
        try:
            with urllib.request.urlopen(f"{base}/_control/systems", timeout=20) as answer:
                return dict(json.load(answer))
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the emulators did not start")


@pytest.fixture(scope="module")
def clients() -> Path:
    """Where `script/test` has installed them, apart from everything of ours."""
    return Path(os.environ["CLIENTS"])


def told(base: str, clients: Path, *command: str | Path) -> str:
    """What the script printed; it ends with 0 when the client saw no difference."""
    environment = {
        **os.environ,
        "NODE_PATH": str(clients / "node_modules"),
        "REQUESTS_CA_BUNDLE": _systems(base)["dataverse"]["certificate"],
    }
    done = subprocess.run(command, env=environment, cwd=clients, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_microsofts_own_python_sdk_works_with_the_emulated_dataverse(emulators: str, clients: Path) -> None:
    assert told(emulators, clients, clients / "venv/bin/python", HERE / "dataverse_sdk.py", emulators)


def test_dynamics_web_api_works_with_the_emulated_dataverse(emulators: str, clients: Path) -> None:
    assert told(emulators, clients, "node", HERE / "dynamics_web_api.js", emulators)


def test_a_singer_tap_reads_the_emulated_emarsys(emulators: str, clients: Path) -> None:
    tap = clients / "venv/bin/tap-emarsys"
    assert told(emulators, clients, clients / "venv/bin/python", HERE / "tap_emarsys.py", emulators, tap)


def test_emarsys_own_sdk_works_with_the_emulated_emarsys(emulators: str, clients: Path) -> None:
    assert told(emulators, clients, "node", HERE / "suite_js_sdk.js", emulators)


def test_a_general_odata_client_reads_the_emulated_finance_by_its_metadata(emulators: str, clients: Path) -> None:
    assert told(emulators, clients, clients / "venv/bin/python", HERE / "python_odata.py", emulators)
