"""The request budget of an API user: so many requests a minute, told in the headers of every reply (contract 2.3)."""

from datetime import datetime, timedelta
from math import ceil

_WINDOW = timedelta(seconds=60)


class Budget:
    """A fixed window, usually a minute, that begins with the first request in it."""

    def __init__(self, window: timedelta = _WINDOW) -> None:
        self._window = window
        self._until: datetime | None = None
        self._used = 0

    def spend(self, limit: int, now: datetime) -> bool:
        """Counts one request; False when the window's budget is spent. A limit of 0 is no limit."""
        if self._until is None or not now < self._until <= now + self._window:
            self._until = now + self._window
            self._used = 0
        if limit and self._used >= limit:
            return False
        self._used += 1
        return True

    def headers(self, limit: int, now: datetime) -> dict[str, str]:
        until = self._until if self._until is not None and self._until > now else now + self._window
        used = self._used if self._until == until else 0
        return rate_headers(limit, max(limit - used, 0), until)


def rate_headers(limit: int, remaining: int, until: datetime) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(ceil(until.timestamp())),
    }
