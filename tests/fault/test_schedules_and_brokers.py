"""Beats die or come twice, brokers forget, freeze or are away: a due time has one run, and it comes."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from kombu import Connection, Queue

from sync import clock, doorbell, schedules, workers
from sync.models import FlowSchedule, SyncRun, WorkerProcess
from sync.schedules import Schedule
from tests.admin.desk_records import person
from tests.fault.brokers import CELERY, ForgetfulBroker, broker
from tests.fault.conftest import Started, kill
from tests.sync.conftest import Load, flow, invoice, people, wait_until

__all__ = ["broker"]
pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
WITHIN = 45
PAGE_SECONDS = 2.0


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
    own = {"CELERY_BROKER_URL": broker.url, "SYNC_TICK_SECONDS": "1", "SECRET_KEY": secret}
    schedules.write(flow(), Schedule(minutes=60))
    start(*CELERY, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle", **own)
    beats = [start(*CELERY, "beat", "--pidfile=", "--schedule=", **own) for _ in range(2)]

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


def test_a_connection_that_holds_work_closes_also_when_its_broker_is_gone(broker: ForgetfulBroker) -> None:
    connection = Connection(broker.url)
    channel = connection.default_channel
    queue = Queue("celery", channel=channel)
    queue.declare()
    connection.Producer().publish({}, routing_key="celery")
    message = queue.get()
    assert message is not None
    broker.signal(signal.SIGKILL)
    connection._do_close_transport()  # what a broken read of a worker leaves behind
    connection.maybe_close_channel(channel)  # what else it raises than that the broker is gone ends the worker
    message.ack()  # the work was done meanwhile
