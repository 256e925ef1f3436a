"""Tells a worker that something is due. The row in the database is the queue, so a lost ring costs one tick."""

import logging
import threading
from typing import Any

from celery import current_app
from django.db import transaction

log = logging.getLogger(__name__)
PATIENCE = 1.0
"""Seconds that a ring may take of its caller's time: a frozen broker must not freeze a page."""
_stuck: list[threading.Thread] = []


def ring(task: str, row_id: int) -> None:
    """After the commit; a broker that is down delays the work and never fails the request."""
    transaction.on_commit(lambda: send(task, row_id))


def send(task: str, *row: int, expires: float | None = None) -> bool:
    """Now, and no longer than a moment; False when nobody could be told."""
    _stuck[:] = [thread for thread in _stuck if thread.is_alive()]
    if _stuck:  # the broker takes a connection and says nothing: one that waits for it is enough
        log.warning("%s %s: the broker does not answer; the next look will tell a worker", task, row)
        return False
    told: list[bool] = []
    options = {"expires": expires, "queue": _queue(task, row)}
    thread = threading.Thread(target=_send, args=(task, row, options, told), name="doorbell", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        _stuck.append(thread)
        log.warning("%s %s: the broker does not answer; the next look will tell a worker", task, row)
    return bool(told)


def _queue(task: str, row: tuple[int, ...]) -> str | None:
    from sync import lanes  # it starts runs, which ring

    return lanes.queue(task, row[0] if row else None)


def _send(task: str, row: tuple[int, ...], options: dict[str, Any], told: list[bool]) -> None:
    try:
        current_app.send_task(f"sync.tasks.{task}", args=list(row), **options)
        told.append(True)
    except Exception as error:  # kombu raises many kinds
        log.warning("%s %s: no worker could be told (%s); the next look will", task, row, type(error).__name__)
