"""The one session: deadline, size limit, budget, re-signed retries, and replies turned into typed errors.

Measured reasons (RELIABILITY B 22-28): a `requests` timeout does not stop a slow drip, a redirect to another
host would keep the credentials, and a retry below the signature repeats a stale one.
"""

import random
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)

from connectors import certificates
from connectors.addresses import check_address, public_https
from connectors.base import Limits, Settings
from connectors.bearer import Bearer
from connectors.errors import (
    ConfigurationError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from connectors.reply import Reply, retry_after, what_is_wrong
from connectors.session import new_session, trusted_by

__all__ = ["Bearer", "Http", "Reply", "retry_after"]
MEGABYTE = 2**20
LARGEST_REPLY = 64 * MEGABYTE
"""A reply that is read as a whole; a page of 10,000 rows has 10 MB. REPLY_MB changes it for a connection."""
LONGEST_WAIT = 60.0
"""Seconds a worker waits on Retry-After; beyond it the run waits in the database."""
BROKEN_OFF = "It is tried again; if it lasts, look at the system, and at proxies and firewalls on the way."
CREDENTIALS = "Check the client id, its secret and its permissions, then press Test connection."


class Http:
    """Requests to one origin.

    `sign` gives the headers that authenticate one attempt (called again for each); `renew` drops a token
    that was refused; `explain` finds what is worth showing in a refusal. `timeout` seconds for connecting and
    between two reads, `deadline` for the whole answer. `max_bytes` bounds a streamed answer; one that is read
    as a whole is bounded by REPLY_MB as well. `settings` are the connection's: ALLOW_HTTP, CA_FILE, REPLY_MB.
    `public` is for webhooks we call: only hosts of the public internet, asked again of the socket itself.

    Raises ConfigurationError for an address that may not be called; opening makes no call.
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
        explain: Callable[[Reply], str] = Reply.excerpt,
        timeout: float | tuple[float, float] = 30.0,
        deadline: float = 120.0,
        max_bytes: int = 256 * MEGABYTE,
        attempts: int = 4,
        settings: Settings | None = None,
        public: bool = False,
    ) -> None:
        allow_plain = settings is not None and settings.flag("ALLOW_HTTP")
        self.base = check_address(system, base, allow_plain).rstrip("/")
        self.system, self.limits, self._public = system, limits, public
        self._sign, self._renew = sign, renew
        self._throttle_wait, self._observe, self._explain = throttle_wait, observe, explain
        self._timeout, self._deadline, self._max_bytes, self._attempts = timeout, deadline, max_bytes, attempts
        self._largest = min(max_bytes, settings.number("REPLY_MB") * MEGABYTE if settings else LARGEST_REPLY)
        self._trusted = trusted_by(settings)
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
        max_bytes: int | None = None,
    ) -> Reply:
        """One call with its retries. 2xx and the statuses in `allow` come back as replies.

        `repeatable=False` sends at most once: a lost answer raises UnknownOutcomeError. `max_bytes` is for a
        document that is known to be large.
        """
        url = self._own(path)
        largest = max_bytes or self._largest
        refreshed = False
        for attempt in range(1, self._attempts + 1):
            try:
                reply = self._once(method, url, params, body, headers, repeatable, urgent, largest)
                if reply.status == 401 and self._renew and not refreshed:
                    refreshed = True
                    self._renew()
                    reply = self._once(method, url, params, body, headers, repeatable, urgent, largest)
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
            return f"{self.base}/{path.lstrip('/')}" if path else self.base
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
        largest: int,
    ) -> Reply:
        answer, label, began = self._open(method, url, params, body, headers, repeatable, urgent)
        try:
            with answer:
                reply = self._reply(answer, self._read(answer, label, largest), label)
        except ConnectorError as error:
            if isinstance(error, UnavailableError) and not repeatable:
                raise self._unknown(label, str(error)) from error
            raise
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise self._transport_error(error, label, repeatable) from None
        finally:
            self.limits.done(time.monotonic() - began)
        if self._observe:
            self._observe(reply.headers)
        return reply

    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        allow: tuple[int, ...] = (),
    ) -> Generator[bytes, None, None]:
        """The body of one reply (2xx, or a status in `allow`), chunk by chunk, whatever its size; for reads only.

        It is asked for again until it begins; once it has begun, a break raises UnavailableError.
        """
        url = self._own(path)
        for attempt in range(1, self._attempts + 1):
            try:
                answer, label, began = self._open(method, url, params, body, headers, True, False)
                try:
                    with answer:
                        if 200 <= answer.status_code < 300 or answer.status_code in allow:
                            yield from self._whole(answer, label)
                            return
                        content = self._read(answer, label, self._largest)
                finally:
                    self.limits.done(time.monotonic() - began)
                raise self._error(self._reply(answer, content, label), True)
            except _BrokenOffError as error:
                raise error.reason from error
            except UnavailableError as error:
                wait = self._wait(error, attempt)
                if attempt == self._attempts or wait > LONGEST_WAIT:
                    raise
                time.sleep(wait)

    def _whole(self, answer: requests.Response, label: str) -> Iterator[bytes]:
        """What goes wrong after the first byte cannot be made good by asking again: the reader has used it."""
        try:
            yield from self._chunks(answer, label, self._max_bytes)
        except UnavailableError as error:
            raise _BrokenOffError(error) from error
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise _BrokenOffError(self._transport_error(error, label, True)) from None

    def _open(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | str | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        repeatable: bool,
        urgent: bool,
    ) -> tuple[requests.Response, str, float]:
        """The answer's beginning, its label and when the call began; the caller says when it is over."""
        self.limits.acquire(1, urgent)
        began = time.monotonic()
        try:
            return *self._begun(method, url, params, body, headers, repeatable), began
        except BaseException:
            self.limits.done(time.monotonic() - began)
            raise

    def _begun(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | str | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        repeatable: bool,
    ) -> tuple[requests.Response, str]:
        self.calls += 1
        label = f"{method} {urlsplit(url).path}"
        if self._public:
            public_https(url, system=self.system)
        # A kept-alive connection may die under a request, which would look like a lost answer.
        session = self._session if repeatable else self._new_session()
        signature = self._sign()  # outside: a token that cannot be had is no lost answer
        try:
            return session.request(
                method,
                url,
                params=params,
                data=body,
                headers={**signature, **(headers or {})},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ), label
        except requests.exceptions.SSLError as error:
            raise self._untrusted(error, url, label, repeatable) from None
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            # Without the cause: it repeats the address with its query.
            raise self._transport_error(error, label, repeatable) from None

    def _untrusted(self, error: Exception, url: str, label: str, repeatable: bool) -> ConnectorError:
        cause, parts = _innermost(error), urlsplit(url)
        if not isinstance(cause, ssl.SSLError) or isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return self._transport_error(error, label, repeatable)
        what, remedy = certificates.explained(cause, parts.hostname or "", parts.port or 443)
        return ConfigurationError(
            f"{self.system}: {what}.",
            system=self.system,
            request=label,
            reply=str(getattr(cause, "verify_message", "") or cause.reason or "")[:300],
            remedy=remedy,
        )

    def _reply(self, answer: requests.Response, content: bytes, label: str) -> Reply:
        return Reply(answer.status_code, answer.headers, content, self.system, label, _credentials(answer.request))

    def _read(self, answer: requests.Response, label: str, largest: int) -> bytes:
        return b"".join(self._chunks(answer, label, largest))

    def _chunks(self, answer: requests.Response, label: str, largest: int) -> Iterator[bytes]:
        ends = time.monotonic() + self._deadline
        size = 0
        announced = answer.headers.get("Content-Length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > largest):
            raise self._too_much(largest, label)
        while chunk := answer.raw.read1(1 << 18, decode_content=True):
            size += len(chunk)
            if size > largest:
                raise self._too_much(largest, label)
            if time.monotonic() > ends:
                raise UnavailableError(
                    f"{self.system} did not finish its answer within {self._deadline:.0f} s.",
                    system=self.system,
                    request=label,
                    remedy="It is tried again; if it stays slow, ask for smaller pages or look at the system's load.",
                )
            yield chunk
        length = answer.headers.get("Content-Length")
        plain = not answer.headers.get("Content-Encoding") and answer.request.method != "HEAD"
        if plain and length and length.isdigit() and size < int(length):
            raise UnavailableError(
                f"{self.system} broke off its answer after {size} of {length} bytes.",
                system=self.system,
                request=label,
                remedy=BROKEN_OFF,
            )

    def _too_much(self, largest: int, label: str) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{self.system} sent more than {largest // MEGABYTE} MB in one answer.",
            system=self.system,
            request=label,
            remedy="Ask for smaller pages (PAGE_SIZE), or allow larger answers (REPLY_MB) if they are meant.",
        )

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
            remedy=BROKEN_OFF,
        )

    def _unknown(self, label: str, what: str) -> UnknownOutcomeError:
        return UnknownOutcomeError(
            f"{what} The request had been sent; whether it was carried out is not known.",
            system=self.system,
            request=label,
            remedy="Look in the target whether the records arrived before anything is sent again.",
        )

    def _error(self, reply: Reply, repeatable: bool) -> ConnectorError:
        status = reply.status
        details = {"system": self.system, "request": reply.request, "reply": self._explain(reply)}
        if status == 429:
            wait = self._throttle_wait(reply.headers) if self._throttle_wait else None
            wait = wait if wait is not None else retry_after(reply.headers)
            wait = wait if wait is not None else 30.0
            self.limits.refused(wait)
            return UnavailableError(
                f"{self.system} asks to slow down (429).",
                retry_after=wait,
                remedy="The run waits as long as it was asked to; lower CALLS_PER_MINUTE if this is frequent.",
                **details,
            )
        if status in (401, 403):
            return ConfigurationError(
                f"{self.system} refused the credentials ({status}).",
                remedy=f"{reply.clock} {CREDENTIALS}".strip(),
                **details,
            )
        if status >= 500 or status == 408:
            if not repeatable:
                return self._unknown(reply.request, f"{self.system} answered {status}.")
            return UnavailableError(
                f"{self.system} is in trouble ({status}).",
                retry_after=retry_after(reply.headers),
                remedy="It is tried again; if it lasts, look at the system's own status.",
                **details,
            )
        if 300 <= status < 400:
            return UnexpectedReplyError(
                f"{self.system} redirects ({status}); redirects are not followed.",
                remedy="Correct the connection's address.",
                **details,
            )
        error = reply.unexpected(f"{what_is_wrong(reply.body, None)}")
        error.reply = details["reply"]
        return error

    @staticmethod
    def _wait(error: UnavailableError, attempt: int) -> float:
        if error.retry_after is not None:
            return error.retry_after
        return min(0.4 * 2**attempt, 15.0) * random.uniform(0.5, 1.0)

    def _new_session(self) -> requests.Session:
        return new_session(self._trusted, self._public)


class _BrokenOffError(Exception):
    """A streamed reply that ended before its end."""

    def __init__(self, reason: ConnectorError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _credentials(request: requests.PreparedRequest) -> tuple[str, ...]:
    """What of a request nobody may read: the values that sign it, and a secret in a form."""
    values: list[str] = []
    for name in ("Authorization", "X-WSSE"):
        value = str(request.headers.get(name) or "")
        values += [value, *(part.strip('",') for part in value.replace("=", " ").split() if len(part) >= 12)]
    body = request.body
    if isinstance(body, bytes) and "form" in str(request.headers.get("Content-Type")):
        values += [value for name, value in parse_qsl(body.decode("utf-8", "replace")) if "secret" in name]
    return tuple(filter(None, values))


def _innermost(error: BaseException) -> BaseException:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _innermost(reason)
    if error.args and isinstance(error.args[0], BaseException):
        return _innermost(error.args[0])
    return error
