"""The one session: deadline, size limit, budget, re-signed retries, and replies turned into typed errors.

Measured reasons (RELIABILITY B 22-28): a `requests` timeout does not stop a slow drip, a redirect to another
host would keep the credentials, and a retry below the signature repeats a stale one.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import msgspec
import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)

from connectors.base import Limits
from connectors.errors import (
    ConfigurationError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)

T = TypeVar("T")
LONGEST_WAIT = 60.0
"""Seconds a worker waits on Retry-After; beyond it the run waits in the database."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    system: str
    request: str

    def json(self, form: type[T] | Any = Any) -> T:
        """The body as this type. Raises UnexpectedReplyError; content decides, not the Content-Type."""
        try:
            return cast(T, msgspec.json.decode(self.body, type=form))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise self.unexpected(_what_is_wrong(self.body, error)) from error

    def unexpected(self, message: str) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{self.system} answered {self.status}: {message}",
            system=self.system,
            request=self.request,
            reply=self.excerpt(),
            remedy="Compare the reply with the system's documentation, then retry.",
        )

    def excerpt(self, length: int = 600) -> str:
        return self.body[:length].decode("utf-8", "replace").replace("\x00", "")


class Http:
    """Requests to one origin.

    `sign` gives the headers that authenticate one attempt (called again for each); `renew` drops a token
    that was refused. `timeout` seconds for connecting and between two reads, `deadline` for the whole answer.
    """

    def __init__(
        self,
        system: str,
        base: str,
        limits: Limits,
        *,
        sign: Callable[[], Mapping[str, str]] = dict,
        renew: Callable[[], None] | None = None,
        throttle_wait: Callable[[Mapping[str, str]], float | None] | None = None,
        observe: Callable[[Mapping[str, str]], None] | None = None,
        timeout: float = 30.0,
        deadline: float = 120.0,
        max_bytes: int = 256 * 1024 * 1024,
        attempts: int = 4,
    ) -> None:
        self.system, self.base, self.limits = system, base.rstrip("/"), limits
        self._sign, self._renew = sign, renew
        self._throttle_wait, self._observe = throttle_wait, observe
        self._timeout, self._deadline, self._max_bytes, self._attempts = timeout, deadline, max_bytes, attempts
        self._session = self._new_session()
        self.calls = 0

    def get(self, path: str, *, params: Mapping[str, str] | str | None = None, **options: Any) -> Reply:
        return self.request("GET", path, params=params, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        allow: tuple[int, ...] = (),
        urgent: bool = False,
    ) -> Reply:
        """One call with its retries. 2xx and the statuses in `allow` come back as replies.

        `repeatable=False` sends at most once: a lost answer raises UnknownOutcomeError.
        """
        url = self._own(path)
        refreshed = False
        for attempt in range(1, self._attempts + 1):
            try:
                reply = self._once(method, url, params, body, headers, repeatable, urgent)
                if reply.status == 401 and self._renew and not refreshed:
                    refreshed = True
                    self._renew()
                    reply = self._once(method, url, params, body, headers, repeatable, urgent)
                if 200 <= reply.status < 300 or reply.status in allow:
                    return reply
                raise self._error(reply, repeatable)
            except UnknownOutcomeError:
                raise
            except UnavailableError as error:
                wait = self._wait(error, attempt)
                if attempt == self._attempts or wait > LONGEST_WAIT:
                    raise
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _own(self, path: str) -> str:
        """Paging links are followed verbatim, but only on the configured origin."""
        if not path.startswith(("http://", "https://")):
            return f"{self.base}/{path.lstrip('/')}"
        if urlsplit(path)[:2] != urlsplit(self.base)[:2]:
            raise UnexpectedReplyError(
                f"{self.system} sent a link to another host; it was not followed.",
                system=self.system,
                reply=urlsplit(path).netloc,
                remedy="Check the connection's address and whoever answers there.",
            )
        return path

    def _once(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | str | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        repeatable: bool,
        urgent: bool,
    ) -> Reply:
        self.limits.acquire(1, urgent)
        self.calls += 1
        label = f"{method} {urlsplit(url).path}"
        # A kept-alive connection may die under a request, which would look like a lost answer.
        session = self._session if repeatable else self._new_session()
        signature = self._sign()  # outside: a token that cannot be had is no lost answer
        try:
            answer = session.request(
                method,
                url,
                params=params,
                data=body,
                headers={**signature, **(headers or {})},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                reply = Reply(answer.status_code, answer.headers, self._read(answer, label), self.system, label)
        except ConnectorError as error:
            if isinstance(error, UnavailableError) and not repeatable:
                raise self._unknown(label, str(error)) from error
            raise
        except requests.exceptions.SSLError as error:
            raise ConfigurationError(
                f"{self.system}: the certificate was not accepted.",
                system=self.system,
                request=label,
                reply=str(error)[:300],
                remedy="Renew the certificate or correct the address.",
            ) from error
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise self._transport_error(error, label, repeatable) from error
        if self._observe:
            self._observe(reply.headers)
        return reply

    def _read(self, answer: requests.Response, label: str) -> bytes:
        ends = time.monotonic() + self._deadline
        chunks, size = [], 0
        while chunk := answer.raw.read1(1 << 18, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                raise UnexpectedReplyError(
                    f"{self.system} sent more than {self._max_bytes // 2**20} MB in one answer.",
                    system=self.system,
                    request=label,
                    remedy="Ask for smaller pages.",
                )
            if time.monotonic() > ends:
                raise UnavailableError(
                    f"{self.system} did not finish its answer within {self._deadline:.0f} s.",
                    system=self.system,
                    request=label,
                )
        length = answer.headers.get("Content-Length")
        plain = not answer.headers.get("Content-Encoding") and answer.request.method != "HEAD"
        if plain and length and length.isdigit() and size < int(length):
            raise UnavailableError(
                f"{self.system} broke off its answer after {size} of {length} bytes.",
                system=self.system,
                request=label,
            )
        return b"".join(chunks)

    def _transport_error(self, error: Exception, label: str, repeatable: bool) -> ConnectorError:
        cause = _innermost(error)
        if isinstance(cause, NewConnectionError | NameResolutionError | ConnectTimeoutError):
            return UnavailableError(
                f"{self.system} cannot be reached.",
                system=self.system,
                request=label,
                reply=type(cause).__name__,
                remedy="Check that the system is up and that its address is right.",
            )
        if not repeatable:
            return self._unknown(label, f"{self.system} did not answer ({type(cause).__name__}).")
        return UnavailableError(
            f"{self.system} broke off without a complete answer.",
            system=self.system,
            request=label,
            reply=type(cause).__name__,
        )

    def _unknown(self, label: str, what: str) -> UnknownOutcomeError:
        return UnknownOutcomeError(
            f"{what} The request had been sent; whether it was carried out is not known.",
            system=self.system,
            request=label,
            remedy="Look in the target whether the records arrived before anything is sent again.",
        )

    def _error(self, reply: Reply, repeatable: bool) -> ConnectorError:
        status, details = reply.status, {"system": self.system, "request": reply.request, "reply": reply.excerpt()}
        if status == 429:
            wait = self._throttle_wait(reply.headers) if self._throttle_wait else None
            wait = wait if wait is not None else retry_after(reply.headers)
            return UnavailableError(
                f"{self.system} asks to slow down (429).", retry_after=wait if wait is not None else 30.0, **details
            )
        if status in (401, 403):
            return ConfigurationError(
                f"{self.system} refused the credentials ({status}).",
                remedy="Check the client id, its secret and its permissions, then press Test connection.",
                **details,
            )
        if status >= 500 or status == 408:
            if not repeatable:
                return self._unknown(reply.request, f"{self.system} answered {status}.")
            return UnavailableError(
                f"{self.system} is in trouble ({status}).", retry_after=retry_after(reply.headers), **details
            )
        if 300 <= status < 400:
            return UnexpectedReplyError(
                f"{self.system} redirects ({status}); redirects are not followed.",
                remedy="Correct the connection's address.",
                **details,
            )
        return reply.unexpected(f"{_what_is_wrong(reply.body, None)}")

    @staticmethod
    def _wait(error: UnavailableError, attempt: int) -> float:
        if error.retry_after is not None:
            return error.retry_after
        return min(0.4 * 2**attempt, 15.0) * random.uniform(0.5, 1.0)

    @staticmethod
    def _new_session() -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # no .netrc, no proxy by surprise
        adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=32, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.headers["User-Agent"] = "integration-console"
        return session


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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header in either form (RFC 9110 10.2.3); None when absent or unreadable."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _innermost(error: BaseException) -> BaseException:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _innermost(reason)
    if error.args and isinstance(error.args[0], BaseException):
        return _innermost(error.args[0])
    return error


def _what_is_wrong(body: bytes, error: Exception | None) -> str:
    start = body[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page (a sign-in or firewall page?) where JSON was expected"
    if not body:
        return "an empty body"
    return f"not the JSON that was expected ({error})"[:300] if error else "the request was refused"
