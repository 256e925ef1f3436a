"""A Redis of a test's own, which it may kill or freeze."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings

from sync import doorbell, runs
from tests.sync.conftest import wait_until

RING = runs.ring_for
SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
CELERY = ("-m", "celery", "-A", "integration_console.celery")


class ForgetfulBroker:
    """A Redis that keeps nothing: killed, it has lost every message."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self.folder = f"redis://127.0.0.1:{self.port}/0", folder
        self.start()

    def start(self) -> None:
        options = f"--port {self.port} --bind 127.0.0.1 --dir {self.folder} --appendonly no".split()
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen([str(SERVER), *options, "--save", ""], stdout=quiet, stderr=quiet)
        wait_until(self._answers, 10)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: int) -> None:
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait(10)


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgetfulBroker]:
    if SERVER is None:
        pytest.skip("needs a redis-server of its own to kill")
    own = ForgetfulBroker(tmp_path)
    web = Celery("web", set_as_current=False)
    web.conf.update(
        broker_url=own.url,
        broker_transport_options={"visibility_timeout": 900, "socket_timeout": 30},
        task_publish_retry_policy=settings.CELERY_TASK_PUBLISH_RETRY_POLICY,
    )
    monkeypatch.setenv("CELERY_BROKER_URL", own.url)  # Celery asks it before any setting
    monkeypatch.setattr(doorbell, "current_app", web)
    monkeypatch.setattr(runs, "ring_for", RING)
    yield own
    if own.process.poll() is None:
        own.signal(signal.SIGCONT)
        own.signal(signal.SIGKILL)
