"""A backlog of messages: in order per record, by several workers, through a killed one, and none holds up the rest."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sync import inbox
from sync.models import Flow, InboxEvent, PendingKey
from tests.sync.conftest import in_thread
from tests.sync.test_inbox import KEY, POSTED, sales

__all__ = ["sales"]
pytestmark = pytest.mark.django_db(transaction=True)


def arrived(number: int, records: int = 50) -> None:
    """Messages as the hook keeps them, without the hook; several about each record."""
    InboxEvent.objects.bulk_create(
        inbox.row("dynamics365", json.dumps({**POSTED, "EventId": f"e{n}", "ControlNumber": n,
                                             "InvoiceId": f"CIV-{n % records}"}).encode(), {})
        for n in range(number)
    )  # fmt: skip


def test_a_backlog_costs_as_many_queries_a_batch_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for number in (20, 600):
        InboxEvent.objects.all().delete()
        arrived(number)
        with CaptureQueriesContext(connection) as made:
            assert inbox.drain() == number
        counts.append(len(made))
    assert counts[0] >= counts[1], "the first one starts the run"
    assert PendingKey.objects.count() == 50


def test_several_workers_take_every_message_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "BATCH", 50)
    arrived(600)
    workers = [in_thread(inbox.drain) for _ in range(3)]
    for worker in workers:
        worker.join(60)
    inbox.drain()
    assert set(InboxEvent.objects.values_list("state", flat=True)) == {"done"}
    moments = list(InboxEvent.objects.order_by("id").values_list("handled_at", flat=True))
    assert moments == sorted(moments), "nothing overtakes an earlier message of its record"
    assert not InboxEvent.objects.filter(late=True).exists()


@pytest.mark.postgresql
def test_while_one_worker_holds_the_oldest_another_leaves_at_once() -> None:
    """SQLite has one writer: there is nothing to leave."""
    from django.db import transaction

    arrived(10)
    with transaction.atomic():
        list(InboxEvent.objects.select_for_update().filter(state="waiting"))
        found: list[int] = []
        other = in_thread(lambda: found.append(inbox.drain()))
        other.join(20)
    assert found == [0]
    assert inbox.drain() == 10


def test_a_message_that_the_database_cannot_take_is_put_aside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived(6)
    poison = InboxEvent.objects.order_by("id")[3].pk
    ask = inbox._ask

    def refused(event: InboxEvent, batch: inbox._Batch) -> bool:
        if event.pk == poison:
            raise DatabaseError("it cannot be taken")
        return ask(event, batch)

    monkeypatch.setattr(inbox, "_ask", refused)
    assert inbox.drain() == 6
    states = dict(InboxEvent.objects.values_list("pk", "state"))
    assert states.pop(poison) == "unreadable"
    assert set(states.values()) == {"done"}


def test_a_look_is_not_held_up_by_a_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    from sync import watch

    told: list[str] = []
    monkeypatch.setattr(watch, "MESSAGES", 0.0)
    monkeypatch.setattr("sync.doorbell.send", lambda task, *row, **options: bool(told.append(task)))
    arrived(5)
    watch._messages()
    assert told == ["inbox_event"], "the rest is a worker's"
    assert inbox.waiting()


def test_repeats_replays_out_of_order_and_late_messages_can_be_told_apart(sales: Flow) -> None:
    now = datetime.now(UTC)
    old = (now - timedelta(hours=3)).isoformat()
    for event, order, at in (("new", 20, now.isoformat()), ("old", 10, old)):
        body = {**POSTED, "EventId": event, "ControlNumber": order, "EventTimeIso8601": at}
        inbox.receive("dynamics365", json.dumps(body).encode(), {})
    InboxEvent.objects.filter(event_id="new").update(received_at=timezone.now() - timedelta(hours=2))
    inbox.receive("dynamics365", json.dumps({**POSTED, "EventId": "new", "ControlNumber": 20}).encode(), {})
    inbox.drain()
    found = {event.event_id: event for event in InboxEvent.objects.all()}
    assert (found["new"].repeats, found["new"].replayed, found["new"].late, found["new"].delayed) == (
        1, True, False, False,
    )  # fmt: skip
    assert (found["old"].repeats, found["old"].late, found["old"].delayed) == (0, True, True)
    assert {event.state for event in found.values()} == {"done"}


@pytest.mark.postgresql
def test_what_a_killed_worker_held_is_looked_at_by_the_next_one() -> None:
    """A real process on the test's own database; SQLite's test database is of one process."""
    arrived(400)
    settings = connection.settings_dict
    url = f"postgresql://{settings['USER']}@/{settings['NAME']}?host={settings['HOST']}&port={settings['PORT']}"
    script = (
        "import django; django.setup(); import time; from sync import inbox; inbox.BATCH = 50; look = inbox._look\n"
        "def slow(batch):\n    look(batch); print('looked', flush=True); time.sleep(0.3)\n"
        "inbox._look = slow; inbox.drain()"
    )
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "integration_console.settings",
                   "CONNECTIONS": "dynamics365,emarsys", "DYNAMICS365_WEBHOOK_KEY": KEY}  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        worker.stdout.readline()
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(20)
    ends = time.monotonic() + 20
    while inbox.waiting() and time.monotonic() < ends:
        inbox.drain()
    assert InboxEvent.objects.filter(state="done").count() == 400
    assert PendingKey.objects.count() == 50
    moments = list(InboxEvent.objects.order_by("id").values_list("handled_at", flat=True))
    assert moments == sorted(moments)
