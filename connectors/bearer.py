"""Access tokens for a session."""

import threading
import time
from collections.abc import Callable, Mapping


class Bearer:
    """An access token as `sign` and `renew` of a session: fetched when needed, kept until 60 s before its end.

    `fetch` gives the token and its life in seconds. One caller at a time fetches; the others wait for it.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], early: float = 60.0) -> None:
        self._fetch, self._early = fetch, early
        self._lock = threading.Lock()
        self._used = threading.local()
        self._token, self._ends = "", 0.0

    def sign(self) -> Mapping[str, str]:
        with self._lock:
            if not self._token or time.monotonic() >= self._ends:
                self._token, life = self._fetch()
                # A life shorter than the margin is used to its half, not fetched anew for each call.
                self._ends = time.monotonic() + max(life - self._early, life / 2)
            self._used.token = self._token
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> None:
        """Drops the token this thread used, unless another thread has renewed it already."""
        with self._lock:
            if self._token == getattr(self._used, "token", ""):
                self._token = ""
