"""A broker that is frozen or away costs a page a moment, and the row of what is due stays."""

import socket
import time
from collections.abc import Iterator

import pytest
from celery import Celery

from sync import doorbell


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Takes connections and answers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        monkeypatch.setenv("CELERY_BROKER_URL", url)
        app = Celery("frozen", set_as_current=False)
        app.conf.update(broker_url=url, broker_transport_options={"socket_timeout": 4})
        monkeypatch.setattr(doorbell, "current_app", app)
        monkeypatch.setattr(doorbell, "_stuck", [])
        yield server


@pytest.mark.django_db
def test_a_frozen_broker_takes_a_second_once_and_then_nothing(frozen: socket.socket) -> None:
    began = time.monotonic()
    assert not doorbell.send("work", 1)
    assert time.monotonic() - began < 1.8
    began = time.monotonic()
    assert not any(doorbell.send("work", number) for number in range(50))
    assert time.monotonic() - began < 0.5
