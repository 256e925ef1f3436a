"""Access tokens for a session."""

import math
import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from connectors.errors import ConfigurationError, UnavailableError, UnexpectedReplyError
from connectors.reply import Reply

LATER = frozenset({"temporarily_unavailable", "server_error"})
"""Errors of OAuth 2.0 that say nothing against the credentials."""
UNTOLD_LIFE = 300.0
"""Seconds that a token is used whose life nobody can read."""


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


class Grant(msgspec.Struct):
    """The token endpoint's answer; `expires_in` arrives as a number or as text."""

    access_token: str = ""
    expires_in: float | str = 3599
    error: str = ""
    error_description: str = ""


def granted(connection: str, reply: Reply, remedy: str) -> tuple[str, float]:
    """Token and life of an answer with 200, 400 or 401.

    Raises ConfigurationError for a refusal, and UnavailableError for what is no answer of a token endpoint: a page
    of a proxy or a text that broke off says nothing about the credentials.
    """
    try:
        grant: Grant = reply.json(Grant)
    except UnexpectedReplyError as error:
        if reply.status == 401:
            raise refused(connection, error.reply, remedy) from None
        raise unreadable(connection, error.message, reply.request) from None
    return taken(connection, grant, remedy, is_refusal=reply.status >= 400)


def taken(connection: str, grant: Grant, remedy: str, *, is_refusal: bool = False) -> tuple[str, float]:
    said = f"{grant.error} {grant.error_description}".strip()
    if grant.error in LATER:
        raise unreadable(connection, said)
    if grant.error or is_refusal:
        raise refused(connection, said or "no reason was given", remedy)
    if not grant.access_token:
        raise unreadable(connection, "no access token in the answer")
    try:
        life = float(grant.expires_in)
    except ValueError:
        life = UNTOLD_LIFE
    return grant.access_token, life if math.isfinite(life) and life > 0 else UNTOLD_LIFE


def refused(connection: str, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"{connection}: the sign-in was refused.",
        system=connection,
        request="token",
        reply="".join(why.splitlines()[:1])[:300],
        remedy=remedy,
    )


def unreadable(connection: str, why: str, request: str = "token") -> UnavailableError:
    return UnavailableError(
        f"{connection}: the sign-in gave no token that could be read.",
        system=connection,
        request=request,
        reply=why[:300],
        remedy="It is tried again; if it lasts, check TOKEN_URL and whatever stands before that address.",
    )
