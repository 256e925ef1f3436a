"""Refusals for load: no number is documented, so they come when somebody asks for them (dynamics365.md 2.7).

Switches: `throttle_every` (n: every n-th request), `throttle_window` (`20/300`: more than 20 requests in 300 seconds),
`throttle_sets` (only requests for these entity sets, comma separated), `throttle_limit` (`resource`, `requests`,
`time` or `concurrency`: what the text says), `throttle_retry_after` (seconds, 1; `none` leaves the header out).
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Lock
from typing import Any

from connectors.emulators.dynamics365.replies import encode
from connectors.emulators.system import Request, Response

TEXTS = {
    "resource": "This request could not be processed at this time due to system experiencing high resource "
    "utilization.",
    "requests": "Number of requests exceeded the limit of 6000 over the time window of 300 seconds.",
    "time": "Combined execution time of incoming requests exceeded limit of 1200 seconds over time window of 300 "
    "seconds. Decrease number of concurrent requests or reduce the duration of requests and try again later.",
    "concurrency": "Number of concurrent requests exceeded the limit of 52.",
}
_SET = re.compile(r"^/data/(\w+)")
# Package exports are exempt from limits (2.7).
_EXEMPT = "DataManagementDefinitionGroups"


def refusal(fault: Mapping[str, Any]) -> Response:
    """429; `retry_after` None leaves the header out, `limit` picks one of the texts."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if (seconds := fault.get("retry_after", 1)) is not None:
        headers["Retry-After"] = str(seconds)
    message = fault.get("message") or TEXTS.get(str(fault.get("limit")), TEXTS["resource"])
    return Response(int(fault.get("code", 429)), encode({"error": {"code": "", "message": message}}), headers)


class Throttle:
    """Counts the requests the switches are about."""

    def __init__(self, settings: Mapping[str, str], now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._lock = Lock()
        self._count = 0
        self._recent: deque[float] = deque()

    def check(self, request: Request) -> Response | None:
        every, window = self._settings.get("throttle_every"), self._settings.get("throttle_window")
        found = _SET.match(request.path)
        name = found[1] if found else ""
        sets = self._settings.get("throttle_sets")
        if not (every or window) or name in ("", _EXEMPT) or (sets and name not in sets.replace(" ", "").split(",")):
            return None
        with self._lock:
            if not ((every and self._is_nth(int(every))) or (window and self._is_full(window))):
                return None
        wait = self._settings.get("throttle_retry_after", "1")
        return refusal({"limit": self._settings.get("throttle_limit"), "retry_after": None if wait == "none" else wait})

    def _is_nth(self, every: int) -> bool:
        self._count += 1
        return self._count % every == 0

    def _is_full(self, window: str) -> bool:
        most, _, seconds = window.partition("/")
        moment = self._now().timestamp()
        while self._recent and self._recent[0] <= moment - float(seconds or 300):
            self._recent.popleft()
        if len(self._recent) >= int(most):
            return True
        self._recent.append(moment)
        return False
