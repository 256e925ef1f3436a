"""A system that takes connections and answers nobody holds up its own flows and no other's."""

import os
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings

from sync import pending, runs
from sync.models import Flow, PendingKey, SyncRun, WorkerProcess
from tests.fault.brokers import CELERY, ForgetfulBroker, broker
from tests.fault.conftest import Started
from tests.sync.conftest import Load, connection, invoice, people, wait_until

__all__ = ["broker"]
pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
CONNECTIONS = ("dynamics365", "dead", "third", "emarsys")
DEAD_FLOWS = ("dead.customer", "dead.sale", "dead.product")
PROCESSES = 3
"""No more than the dead system's flows would take."""
ON_TIME = 20.0
"""Seconds for everything that the others do: less than one request to the dead system waits for its answer (30 s)."""


@pytest.fixture
def silence() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def completed(name: str) -> bool:
    return SyncRun.objects.get(flow__name=name).state == "completed"


def held() -> list[str]:
    return list(SyncRun.objects.filter(flow__source="dead", state="running").values_list("flow__name", flat=True))


def test_a_dead_system_delays_nobody_else(
    load: Load, start: Started, broker: ForgetfulBroker, silence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "LANES", ("urgent", *CONNECTIONS))
    erp = dict.fromkeys(("DEAD_CONNECTOR", "THIRD_CONNECTOR"), "dynamics365")
    sold = [invoice("SO-1", "C-1", ("A", "1", "1.00"))]
    control = load(people(5), sold, CONNECTIONS=",".join(CONNECTIONS), **erp)
    for name, value in connection(control).items():
        prefix, _, rest = name.partition("_")
        if prefix == "DYNAMICS365":
            monkeypatch.setenv(f"THIRD_{rest}", value)
            monkeypatch.setenv(f"DEAD_{rest}", silence if rest.endswith("URL") else value)
    Flow.objects.filter(name__in=DEAD_FLOWS).update(paused_at=None)
    secret = (Path(os.environ.get("STATE_DIR") or "var") / "secret-key").read_text(encoding="utf-8")
    own = {"CELERY_BROKER_URL": broker.url, "SYNC_TICK_SECONDS": "1", "SECRET_KEY": secret}
    options = ("worker", "--concurrency", str(PROCESSES), "--without-gossip", "--without-mingle")
    start(*CELERY, *options, **own)
    wait_until(lambda: [len(one.processes) for one in WorkerProcess.objects.all()] == [PROCESSES], 60, pause=0.1)

    for name in DEAD_FLOWS:
        runs.start(Flow.objects.get(name=name))
    wait_until(lambda: bool(held()), 20, pause=0.1)
    time.sleep(2)  # the others of the dead system are rung for at every look
    assert len(held()) == 1, "a process stays for each system that has none"

    began = time.monotonic()
    runs.start(Flow.objects.get(name="dynamics365.customer"))
    pending.ask(Flow.objects.get(name="third.sale"), ["usmf|SO-1|1"], "event", urgent=True)
    for name in ("dynamics365.customer", "third.sale"):
        wait_until(partial(completed, name), ON_TIME, pause=0.1)
    assert time.monotonic() - began < ON_TIME
    assert held(), "it still waits for the system that answers nobody"
    assert len(control.all_contacts()) == 5
    assert SyncRun.objects.get(flow__name="third.sale").read == 1
    assert not PendingKey.objects.exists()
