"""Processes that ended: grouped by machine, with what it means, and forgotten in time."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from sync import clock, workers
from sync.models import WorkerProcess
from tests.admin.desk_records import person

pytestmark = pytest.mark.django_db


def process(host: str, pid: int, seen: timedelta, **given: Any) -> WorkerProcess:
    now = clock.now()
    values = {"kind": "worker", "started_at": now - seen - timedelta(hours=1), "seen_at": now - seen, **given}
    return WorkerProcess.objects.create(name=f"{host}:{pid}", host=host, pid=pid, **values)


NOW, HOURS, DAYS = timedelta(), timedelta(hours=2), timedelta(days=2)


def test_those_that_were_replaced_on_their_machine_are_one_line_that_asks_for_nothing() -> None:
    process("app-1", 9, NOW)
    for pid in (1, 2, 3):
        process("app-1", pid, HOURS * pid)
    living, gone = workers.lines()
    assert (living.state, living.number) == ("alive", 1)
    assert (gone.state, gone.number, gone.what_to_do) == ("replaced", 3, "Nothing.")
    assert gone.process.pid == 1, "the last one that was seen"
    assert "another that lives on this machine has taken its place" in gone.means


def test_a_machine_without_a_living_worker_is_one_line_that_says_what_to_do_and_how_long_it_stays() -> None:
    process("app-1", 9, NOW)
    process("app-2", 1, HOURS)
    process("app-2", 2, HOURS + HOURS)
    _, gone = workers.lines()
    assert (gone.state, gone.number) == ("gone", 2)
    assert gone.what_to_do == "Start a worker again on app-2 (script/worker)."
    assert gone.means == "Killed, or its machine is down; its work goes on with the others. Listed for three days."


def test_beats_and_workers_stopped_and_gone_are_lines_of_their_own() -> None:
    process("app-1", 1, HOURS)
    process("app-1", 2, HOURS, kind="beat")
    process("app-1", 3, HOURS, stopped_at=clock.now() - HOURS)
    assert sorted((line.process.kind, line.state) for line in workers.lines()) == [
        ("beat", "gone"), ("worker", "gone"), ("worker", "stopped"),
    ]  # fmt: skip


def test_what_was_replaced_or_stopped_is_forgotten_after_a_day_and_a_lost_machine_after_three() -> None:
    process("app-1", 9, NOW)
    process("app-1", 1, DAYS)
    process("app-2", 1, DAYS, stopped_at=clock.now() - DAYS)
    process("app-3", 1, DAYS)
    process("app-4", 1, DAYS + DAYS)
    process("app-1", 2, HOURS)
    workers.forget()
    assert set(WorkerProcess.objects.values_list("name", flat=True)) == {"app-1:9", "app-1:2", "app-3:1"}


def test_the_page_says_how_many_and_what_it_means() -> None:
    process("app-1", 9, NOW)
    for pid in (1, 2, 3):
        process("app-1", pid, HOURS)
    process("app-2", 1, HOURS)
    client = Client(headers={"accept": "text/html"})
    client.force_login(person("admin"))
    page = client.get(reverse("admin:sync_workerprocess_changelist")).content.decode()
    assert "3 workers" in page
    assert "Replaced" in page
    assert "another that lives on this machine has taken its place" in page
    assert page.count("Gone") == 1
