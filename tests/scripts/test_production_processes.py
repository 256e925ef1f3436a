"""script/server, script/worker and script/beat as systemd would start and stop them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.conftest import ROOT

pytestmark = pytest.mark.fault
START_SECONDS = 30


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A migrated installation of its own; the broker is the one the tests were given."""
    made = os.environ | {
        "STATE_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/console.sqlite3",
        "PRODUCTION": "true",
        "SECRET_KEY": "0123456789" * 5,
        "ALLOWED_HOSTS": "127.0.0.1",
        "BEHIND_PROXY": "true",
        "WORKER_PROCESSES": "1",
        "WEB_WORKERS": "1",
    }
    subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "-v", "0"], env=made, check=True)
    return made


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def started(environment: dict[str, str], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def _start(script: str, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen([str(ROOT / "script" / script)], env=environment, stdout=output, stderr=output)


def _says(log: Path, words: str) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if words in log.read_text(errors="replace"):
            return True
        time.sleep(0.1)
    return False


def _ends(process: subprocess.Popen[bytes], within: float) -> bool:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_the_web_process_s_log_holds_no_query_of_a_webhook(
    environment: dict[str, str], log: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    started.append(_start("server", environment | {"BIND": address}, log))
    assert _says(log, "Listening at")
    hook = f"http://{address}/hooks/dynamics365?code=a-key-that-nobody-reads"
    asked = urllib.request.Request(hook, b"{}", {"X-Forwarded-Proto": "https"})
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(asked, timeout=30)
    assert _says(log, '"POST /hooks/dynamics365" 404')
    assert "a-key-that-nobody-reads" not in log.read_text()


def test_the_web_process_answers_its_health_check_and_stops(
    environment: dict[str, str], log: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = _start("server", environment | {"BIND": address}, log)
    started.append(process)

    assert _says(log, "Booting worker"), log.read_text()
    request = urllib.request.Request(f"http://{address}/healthz", headers={"X-Forwarded-Proto": "https"})
    with urllib.request.urlopen(request, timeout=20) as reply:
        assert reply.status == 200
    assert _ends(process, within=10)


@pytest.mark.parametrize(("script", "ready"), [("worker", " ready."), ("beat", "beat: Starting")])
def test_worker_and_beat_start_and_are_gone_soon_after_a_deploy_asks(
    script: str, ready: str, environment: dict[str, str], log: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    process = _start(script, environment, log)
    started.append(process)

    assert _says(log, ready), log.read_text()
    assert _ends(process, within=30)


def test_beat_rings_for_due_work_without_anybody_having_set_it_up(
    environment: dict[str, str], log: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    started.append(_start("beat", environment | {"SYNC_TICK_SECONDS": "1"}, log))

    assert _says(log, "Sending due task Tick (sync.tasks.tick)"), log.read_text()
