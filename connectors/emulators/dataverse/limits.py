"""Service protection: three limits per user over a sliding window (dynamics365.md 3.4)."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any

from connectors.emulators.dataverse.errors import DataverseError

Setting = Callable[[str, str], str]
_CODES = {"requests": "0x80072322", "time": "0x80072321", "concurrent": "0x80072326"}


@dataclass
class _Spent:
    at: float
    milliseconds: float = 0.0


@dataclass
class _User:
    """`spent` holds the requests in the window, oldest first; `ignored` counts refusals in a row."""

    spent: deque[_Spent] = field(default_factory=deque)
    running: int = 0
    ignored: int = 0


class Limits:
    """Counts requests, their time and how many run at once; the window moves with the systems' clock."""

    def __init__(self, now: Callable[[], datetime], setting: Setting) -> None:
        self._now = now
        self._setting = setting
        self._lock = Lock()
        self._users: dict[str, _User] = {}

    def clear(self) -> None:
        """Nobody has asked anything yet."""
        with self._lock:
            for user in self._users.values():
                user.spent.clear()
                user.ignored = 0

    def _most(self, name: str, default: int) -> int:
        return int(self._setting(name, str(default)))

    @contextmanager
    def counted(self, name: str) -> Iterator[dict[str, str]]:
        """Around one request of a user; gives the diagnostic headers. DataverseError 429 when a limit is reached."""
        user, spent, remaining = self._enter(name)
        started = time.perf_counter()
        try:
            yield remaining
        finally:
            cost = (time.perf_counter() - started) * 1000 + float(self._setting("request_cost_ms", "0"))
            with self._lock:
                user.running -= 1
                spent.milliseconds = cost

    def _enter(self, name: str) -> tuple[_User, _Spent, dict[str, str]]:
        with self._lock:
            user = self._users.setdefault(name, _User())
            now, window = self._now().timestamp(), self._most("limit_window", 300)
            while user.spent and user.spent[0].at <= now - window:
                user.spent.popleft()
            if user.spent and user.spent[-1].at > now:
                user.spent.clear()  # somebody has put the clock back
            self._refuse(user, now, window)
            user.ignored = 0
            user.running += 1
            spent = _Spent(now)
            user.spent.append(spent)
            burst = self._most("limit_requests", 6_000) - len(user.spent)
            allowed = self._most("limit_execution_ms", 1_200_000)
            seconds = (allowed - sum(each.milliseconds for each in user.spent)) / 1000
            headers = {
                "x-ms-ratelimit-burst-remaining-xrm-requests": str(burst),
                "x-ms-ratelimit-time-remaining-xrm-requests": f"{seconds:,.2f}",
            }
            return user, spent, headers

    def _refuse(self, user: _User, now: float, window: int) -> None:
        concurrent = self._most("limit_concurrent", 52)
        if user.running >= concurrent:
            raise refusal("concurrent", concurrent, window, 1)
        requests = self._most("limit_requests", 6_000)
        if len(user.spent) >= requests:
            free_at = user.spent[len(user.spent) - requests].at + window
            raise refusal("requests", requests, window, self._wait(user, free_at - now, window))
        allowed = self._most("limit_execution_ms", 1_200_000)
        left = sum(each.milliseconds for each in user.spent)
        if left >= allowed:
            free_at = now
            for each in user.spent:
                left -= each.milliseconds
                free_at = each.at + window
                if left < allowed:
                    break
            raise refusal("time", allowed, window, self._wait(user, free_at - now, window))

    @staticmethod
    def _wait(user: _User, seconds: float, window: int) -> int:
        """Who does not wait waits longer (3.4)."""
        user.ignored += 1
        return min(window, max(1, math.ceil(seconds)) + user.ignored - 1)


def refusal(which: str, limit: int, window: int, retry_after: object) -> DataverseError:
    """The 429 of one limit: `requests`, `time` or `concurrent`; no header for a wait of None."""
    words = {
        "requests": f"Number of requests exceeded the limit of {limit} over time window of {window} seconds.",
        "time": f"Combined execution time of incoming requests exceeded limit of {limit:,} milliseconds over time "
        f"window of {window} seconds. Decrease number of concurrent requests or reduce the duration of requests and "
        "try again later.",
        "concurrent": f"Number of concurrent requests exceeded the limit of {limit}.",
    }[which]
    headers = {} if retry_after is None else {"Retry_After": str(retry_after)}
    return DataverseError(429, _CODES[which], words, **headers)


def injected(fault: Mapping[str, Any]) -> DataverseError:
    """The refusal a `throttle` fault asks for: `limit` names which one, `retry_after` null leaves the header out."""
    which = str(fault.get("limit", "requests"))
    limits = {"requests": 6_000, "time": 1_200_000, "concurrent": 52}
    error = refusal(
        which if which in limits else "requests", limits.get(which, 6_000), 300, fault.get("retry_after", 1)
    )
    error.status = int(fault.get("code", error.status))
    error.message = str(fault.get("message", error.message))
    return error
