"""What senders ask in passing: one connection for all of them, and none is left behind."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from sync import side_connection
from sync.models import Flow
from tests.sync.conftest import Load, people, sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened() -> Iterator[list[tuple[str, Any]]]:
    """Every connection that is opened meanwhile, with the thread that opens it."""
    found: list[tuple[str, Any]] = []

    def note(connection: Any, **_: Any) -> None:
        found.append((threading.current_thread().name, connection))

    connection_created.connect(note)
    yield found
    connection_created.disconnect(note)


def in_a_thread(name: str, asked: Any) -> list[BaseException]:
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            with side_connection.borrowed():
                asked()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()
    return wrong


def test_the_senders_of_a_run_open_one_connection_together(
    load: Load, opened: list[tuple[str, Any]], emarsys_batches: None
) -> None:
    control = load(people(600))
    assert sync().state == "completed"
    assert len(control.writes()) == 12
    by_senders = [one for name, one in opened if name.startswith(("send", "lease", "read-ahead"))]
    assert 1 <= len(by_senders) <= 2, opened  # the reader may have looked before
    assert all(one.connection is None for one in by_senders), "left open"


@pytest.fixture
def emarsys_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMARSYS_CONTACT_BATCH", "50")


@pytest.mark.postgresql  # SQLite has no server that could be restarted
def test_a_connection_that_died_between_two_questions_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_connection, "IDLE", 0.0)
    with side_connection.kept():
        assert in_a_thread("send_0", Flow.objects.count) == []

        def cut() -> None:
            connection.connection.close()  # the server was restarted: our side has not noticed

        assert in_a_thread("send_1", cut) == []
        assert in_a_thread("send_2", Flow.objects.count) == []


def test_after_an_error_the_next_one_begins_with_a_fresh_connection() -> None:
    with side_connection.kept():

        def fails() -> None:
            Flow.objects.count()
            connection.connection.close()
            Flow.objects.count()

        assert len(in_a_thread("send_0", fails)) == 1
        assert in_a_thread("send_1", Flow.objects.count) == []


def test_outside_a_run_nothing_stays_open(opened: list[tuple[str, Any]]) -> None:
    assert in_a_thread("send_0", Flow.objects.count) == []
    [(_, one)] = opened
    assert one.connection is None
