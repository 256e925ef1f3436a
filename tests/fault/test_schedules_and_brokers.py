"""Beats die or come twice, brokers forget, freeze or are away: a due time has one run, and it comes."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from django.test import Client

from sync import clock, doorbell, runs, schedules, workers
from sync.models import FlowSchedule, SyncRun, WorkerProcess
from sync.schedules import Schedule
from tests.admin.desk_records import person
from tests.fault.conftest import Started, kill
from tests.sync.conftest import Load, flow, invoice, people, wait_until

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
RING = runs.ring_for
SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
WITHIN = 45
PAGE_SECONDS = 2.0


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


def due_now() -> None:
    """The customers' next start is due at this moment."""
    now = clock.now()
    FlowSchedule.objects.update(
        counted_from=now - timedelta(minutes=60), decided_until=now - timedelta(seconds=1), watched_from=now
    )


def done() -> list[str]:
    return list(SyncRun.objects.exclude(state="completed").values_list("state", flat=True))


def run_now(client: Client, stream: str) -> float:
    """Seconds the page took; the row is there whatever the broker does."""
    by_hand = SyncRun.objects.filter(flow=flow(stream), trigger="manual")
    before, began = by_hand.count(), time.monotonic()
    assert client.post(f"/console/sync/flow/{flow(stream).pk}/run/").status_code == 302
    took = time.monotonic() - began
    assert by_hand.count() == before + 1
    return took


def completed(number: int) -> None:
    wait_until(lambda: SyncRun.objects.count() == number and done() == [], WITHIN, pause=0.1)


def test_schedules_outlive_their_beats_and_their_broker(load: Load, start: Started, broker: ForgetfulBroker) -> None:
    control = load(people(5), [invoice("SO-1", "C-1", ("A", "1", "1.00"))])
    client = Client()
    client.force_login(person("admin"))
    secret = (Path(os.environ.get("STATE_DIR") or "var") / "secret-key").read_text(encoding="utf-8")
    celery = ("-m", "celery", "-A", "integration_console.celery")
    own = {"CELERY_BROKER_URL": broker.url, "SYNC_TICK_SECONDS": "1", "SECRET_KEY": secret}
    schedules.write(flow(), Schedule(minutes=60))
    start(*celery, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle", **own)
    beats = [start(*celery, "beat", "--pidfile=", "--schedule=", **own) for _ in range(2)]

    # Two beats and a worker's watchdog see the same due time, and its message comes twice: one run, sent once.
    wait_until(lambda: WorkerProcess.objects.filter(kind="beat").count() == 2, WITHIN)
    due_now()
    completed(1)
    first = SyncRun.objects.get()
    for _ in range(2):
        doorbell.send("work", first.pk)
    assert sum(line.leads for line in workers.lines()) == 1, "one rings, one stands by"

    # Both beats die, and the broker with every message. A person presses Run now meanwhile; a start is due.
    for beat in beats:
        kill(beat)
    broker.signal(signal.SIGKILL)
    due_now()
    assert run_now(client, "sale") < PAGE_SECONDS
    broker.start()
    completed(3)
    assert SyncRun.objects.filter(trigger="schedule").count() == 2

    # The broker takes connections and answers nobody.
    broker.signal(signal.SIGSTOP)
    assert run_now(client, "sale") < PAGE_SECONDS
    broker.signal(signal.SIGCONT)
    completed(4)

    assert len(control.writes()) == 2, "five customers once, one sale once"
    assert {run.attempt for run in SyncRun.objects.all()} <= {0, 1}
    [worker] = [line for line in workers.lines() if line.process.kind == "worker"]
    assert worker.state == "alive"
