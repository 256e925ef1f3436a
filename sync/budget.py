"""The API budget per credential, exact across workers: GCRA in one row of the database.

Process-local tokens are taken from the row in blocks, so that a fast sync does not ask the database before
each call; a block is never larger than a tenth of a minute's budget, and is void after a second: what a worker
put by would come on top of the next minute.
"""

import threading
import time

from django.db import connection, transaction

from connectors.errors import UnavailableError
from sync.models import ApiBudget

LONGEST_WAIT = 60.0
FRESH = 1.0
"""Seconds within which a block of calls must be made."""


class Budget:
    """The shared budget of one connection, as `connectors.base.Limits` wants it (without the lease)."""

    def __init__(self, name: str, per_minute: int) -> None:
        self.name, self.per_minute = name, per_minute
        self._lock = threading.Lock()
        self._tokens, self._taken_at = 0, 0.0
        self._block = max(1, min(10, per_minute // 100))
        wanted = {"per_minute": per_minute, "burst": max(1, per_minute // 10)}
        row, _ = ApiBudget.objects.get_or_create(connection=name, defaults=wanted)
        if row.per_minute != per_minute:
            ApiBudget.objects.filter(pk=row.pk).update(**wanted)

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        """Waits for its turn. Raises UnavailableError when that is more than a minute away."""
        with self._lock:
            if self._tokens < calls or time.time() - self._taken_at > FRESH:
                self._tokens = self._take(max(self._block, calls))
                self._taken_at = time.time()
            self._tokens -= calls

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        """The system says how much is left: nothing left means nobody calls before its reset."""
        if remaining <= 0 and reset_at > time.time():
            with self._lock:
                self._tokens = 0
            ApiBudget.objects.filter(connection=self.name, blocked_until__lt=reset_at).update(blocked_until=reset_at)

    def _take(self, calls: int) -> int:
        wait = self._reserve(calls)
        if wait > LONGEST_WAIT:
            raise UnavailableError(f"The API budget of {self.name} is spent.", retry_after=wait, system=self.name)
        if wait > 0:
            time.sleep(wait)
        return calls

    def _reserve(self, calls: int) -> float:
        """Seconds to wait for calls that are now reserved. The rate leaves room within any minute for the burst and
        for calls that are made a little after their time."""
        now = time.time()
        with transaction.atomic():
            row = ApiBudget.objects.select_for_update().get(connection=self.name)
            interval = (60 + FRESH) / max(1, row.per_minute - row.burst)
            start = max(row.next_free, now, row.blocked_until)
            wait = max(row.blocked_until - now, start - now + (calls - row.burst) * interval, 0)
            if wait <= LONGEST_WAIT:
                row.next_free, row.calls = start + calls * interval, row.calls + calls
                row.save(update_fields=["next_free", "calls"])
        if threading.current_thread() is not threading.main_thread() and not connection.in_atomic_block:
            connection.close()
        return wait
