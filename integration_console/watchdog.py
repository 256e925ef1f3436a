"""In every worker: a sign of life, and the look for due work. Neither needs beat or the broker."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.db import Error, connections

log = logging.getLogger(__name__)


class Watchdog(bootsteps.StartStopStep):
    """Two threads of the worker's main process: a long look must not make the worker seem gone."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, parent: Any) -> None:
        from sync import watch, workers  # not before Django is set up

        self._ended.clear()
        pace = min(workers.SAYS_EVERY, settings.SYNC["TICK_SECONDS"])
        self._threads = [
            self._thread("sign of life", pace, lambda: workers.alive("worker", _processes(parent))),
            self._thread("look", pace, watch.look_in_turn),
        ]

    def stop(self, parent: Any) -> None:
        from sync import workers

        self._ended.set()
        for thread in self._threads:
            thread.join(2)
        if self._threads:
            self._threads = []
            _once("good-bye", workers.stopped)

    def terminate(self, parent: Any) -> None:
        self.stop(parent)

    def _thread(self, name: str, pace: float, act: Callable[[], Any]) -> threading.Thread:
        def go_on() -> None:
            _once(name, act)
            while not self._ended.wait(pace):
                _once(name, act)

        thread = threading.Thread(target=go_on, name=name, daemon=True)
        thread.start()
        return thread


def _once(name: str, act: Callable[[], Any]) -> None:
    from sync.storage import away

    try:
        act()
    except Exception as error:  # whatever it was, the next time may be better; a dead watchdog would be worse
        if isinstance(error, Error) and away.is_gone(error):
            log.warning("The worker's %s is tried again. %s", name, away.words(error))
        else:
            log.exception("The worker's %s failed; it is tried again", name)
    finally:
        connections.close_all()  # a child that is forked meanwhile must not share it


def _processes(worker: Any) -> list[int]:
    """Where the pool has processes of its own, they hold the leases."""
    try:
        return [int(pid) for pid in (worker.pool.info or {}).get("processes", ())]
    except Exception:  # a pool of another kind, or one that is being replaced
        return []
