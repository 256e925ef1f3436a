"""The look for whatever should be running and is not. It needs the database and nothing else: no beat, no broker."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from sync import (
    accounting,
    backfills,
    bulk,
    doorbell,
    due,
    duties,
    inbox,
    late,
    pending,
    plans,
    runs,
    segment_check,
    workers,
)  # fmt: skip
from sync.storage import away

log = logging.getLogger(__name__)
TURN = "look for due work"
MESSAGES = 1.0
"""Seconds that a look spends on webhook messages: they never keep runs from starting."""


def look_in_turn() -> bool:
    """One of any number of watchers looks, once a tick; False when it was another's turn."""
    if not duties.turn(TURN, settings.SYNC["TICK_SECONDS"] - 0.5):
        return False
    look()
    return True


def look() -> None:
    """Rows first, rings last: what is due stands in the database also while the broker is away."""
    for step in (
        runs.resume_in_time,
        due.start_all,
        pending.start_runs,
        backfills.start_waiting,
        plans.tidy,
        _nightly,
        late.look,
        workers.forget,
    ):
        _try(step)
    _messages()
    _ring("work", runs.due())
    _ring("bulk_operation", bulk.due())
    _ring("account_check", accounting.due())
    _ring("segment_check", segment_check.due())


def _try(step: Callable[[], Any]) -> None:
    """One thing that cannot be done now does not keep the next from being done."""
    try:
        step()
    except DatabaseError as error:
        if away.is_gone(error):
            raise
        log.exception("%s failed; the next look tries again", step.__name__)


def _messages() -> None:
    """A few are looked at here, so that none needs the broker; a backlog is a worker's."""
    inbox.drain(MESSAGES)
    if inbox.waiting():
        doorbell.send("inbox_event", 0, expires=4 * settings.SYNC["TICK_SECONDS"])


def _nightly() -> None:
    if (tonight := due.tonight(due.SWEEP)) is not None:
        due.sweep_all(tonight)
    if due.tonight(due.PURGE) is not None:
        doorbell.send("purge")


def _ring(task: str, rows: Iterable[int]) -> None:
    """Worthless after a while: the next look rings again."""
    for row_id in rows:
        if not doorbell.send(task, row_id, expires=4 * settings.SYNC["TICK_SECONDS"]):
            return  # the broker is away
