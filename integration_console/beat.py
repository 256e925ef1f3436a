"""Beat, one of any number: the one that has the duty rings, the others stand by and take over within seconds."""

import logging
from typing import Any

from django.conf import settings
from django.db import Error, connections
from django_celery_beat.schedulers import DatabaseScheduler

from sync import duties, late, workers
from sync.storage import away

log = logging.getLogger(__name__)
HELD_SECONDS = 15.0
STAND_BY_SECONDS = 3.0


class OneOfMany(DatabaseScheduler):
    """Under a claim in the database, renewed with each tick."""

    leads = False

    def setup_schedule(self) -> None:
        """A beat that starts before its database waits for it."""
        while not away.is_back(HELD_SECONDS):
            log.warning("Beat cannot reach the database and waits for it")
        super().setup_schedule()

    def tick(self, *args: Any, **options: Any) -> float:
        """Seconds until the next one."""
        try:
            if not self._has_the_duty():
                return STAND_BY_SECONDS
            return float(min(super().tick(*args, **options), HELD_SECONDS / 3))
        except Error:
            log.exception("Beat cannot see the database; it rings again when it can")
            self.leads = False
            connections.close_all()  # a connection that broke is not mended by itself
            return STAND_BY_SECONDS

    def close(self) -> None:
        try:
            duties.give_back(workers.BEAT, workers.name())
            workers.stopped()
        except Error:
            log.warning("Beat could not give its duty back; it ends by itself after %.0f s", HELD_SECONDS)
        super().close()

    def _has_the_duty(self) -> bool:
        before, self.leads = self.leads, False
        workers.alive(workers.BEAT)
        self.leads = duties.take(workers.BEAT, workers.name(), HELD_SECONDS)
        if self.leads and duties.turn("alarm", settings.SYNC["TICK_SECONDS"]):
            late.look()  # when no worker lives, somebody must say so
        if self.leads and not before:
            log.info("This beat rings from now on.")
            self._begin_anew()
        return self.leads

    def _begin_anew(self) -> None:
        """What another beat rang for meanwhile stands in the database."""
        self._schedule = self.all_as_schedule()
        self._heap, self._heap_invalidated = None, True
