"""Tells a worker that something is due. The row in the database is the queue, so a lost ring costs one tick."""

import logging

from celery import current_app
from django.db import transaction

log = logging.getLogger(__name__)


def ring(task: str, row_id: int) -> None:
    """After the commit; a broker that is down delays the work and never fails the request."""
    transaction.on_commit(lambda: _send(task, row_id))


def _send(task: str, row_id: int) -> None:
    try:
        current_app.send_task(f"sync.tasks.{task}", args=[row_id])
    except Exception as error:  # kombu raises many kinds
        log.warning("%s %s: no worker could be told (%s); the next tick will", task, row_id, type(error).__name__)
