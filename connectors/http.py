"""The one session: deadline, size limit, budget, re-signed retries. What goes wrong becomes a typed error (failures).

Measured reasons (RELIABILITY B 22-28): a `requests` timeout does not stop a slow drip, a redirect to another
host would keep the credentials, and a retry below the signature repeats a stale one.
"""

import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from connectors import failures, redaction, written
from connectors.addresses import check_address, public_https
from connectors.base import Limits, Settings
from connectors.bearer import Bearer
from connectors.errors import ConnectorError, UnavailableError, UnknownOutcomeError
from connectors.reply import Reply, page_of, retry_after
from connectors.session import new_session, trusted_by

__all__ = ["Bearer", "Http", "Reply", "retry_after"]
MEGABYTE = 2**20
LARGEST_REPLY = 64 * MEGABYTE
"""A reply that is read as a whole; a page of 10,000 rows has 10 MB. REPLY_MB changes it for a connection."""
LONGEST_WAIT = 60.0
"""Seconds a worker waits on Retry-After; beyond it the run waits in the database."""
UNTOLD_WAIT = 30.0
"""Seconds, where a system asks to slow down and does not say for how long."""


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
        writes: bool = False,
        again: bool = False,
        keyed: bool = False,
    ) -> Reply:
        """One call with its retries. 2xx and the statuses in `allow` come back as replies.

        `repeatable=False` sends at most once: a lost answer raises UnknownOutcomeError. `keyed` is for what the
        system knows again by a key for a while only: it is repeated here, and UnknownOutcomeError says in the end that
        it may have been carried out. `max_bytes` is for a document that is known to be large. A call that `writes` is
        counted each time that it leaves; `again` says that one before it wrote the same.
        """
        call = _Call(method, self._own(path), params, body, headers, repeatable, urgent, writes, keyed)
        largest = max_bytes or self._largest
        refreshed = False
        lost: UnknownOutcomeError | None = None
        for attempt in range(1, self._attempts + 1):
            try:
                reply = self._once(call, largest, again or attempt > 1)
                if reply.status == 401 and self._renew and not refreshed:
                    refreshed = True
                    self._renew()
                    reply = self._once(call, largest, True)
                succeeded = 200 <= reply.status < 300
                if succeeded and (page := page_of(reply.body)):
                    raise failures.page_instead(reply, page, not call.doubtful)
                if succeeded or reply.status in allow:
                    return reply
                raise self._error(reply, not call.doubtful)
            except UnavailableError as error:
                if isinstance(error, UnknownOutcomeError):
                    if not keyed:
                        raise
                    lost = error
                wait = self._wait(error, attempt)
                if attempt == self._attempts or wait > LONGEST_WAIT:
                    raise (lost or error) from None
                time.sleep(wait)
            except ConnectorError as error:  # the repeat was refused; of the first one that says nothing
                raise (lost or error) from None
        raise AssertionError("the last attempt returns or raises")

    def _own(self, path: str) -> str:
        """Paging links are followed verbatim, but only on the configured origin."""
        if not path.startswith(("http://", "https://")):
            return f"{self.base}/{path.lstrip('/')}" if path else self.base
        if urlsplit(path)[:2] != urlsplit(self.base)[:2]:
            raise failures.other_host(self.system, urlsplit(path).netloc)
        return path

    def _once(self, call: "_Call", largest: int, repeated: bool) -> Reply:
        answer, began = self._open(call, repeated)
        try:
            with answer:
                reply = self._reply(answer, self._read(answer, call.label, largest), call.label)
        except ConnectorError as error:
            if isinstance(error, UnavailableError) and call.doubtful:
                raise failures.outcome_unknown(self.system, call.label, str(error)) from error
            raise
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            raise failures.on_the_way(self.system, call.label, error, not call.doubtful) from None
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
        call = _Call(method, self._own(path), params, body, headers)
        for attempt in range(1, self._attempts + 1):
            try:
                answer, began = self._open(call)
                try:
                    with answer:
                        if 200 <= answer.status_code < 300 or answer.status_code in allow:
                            chunks = self._whole(answer, call.label)
                            first = next(chunks, b"")
                            if answer.status_code < 300 and (page := page_of(first)):
                                raise failures.page_instead(self._reply(answer, first, call.label), page, True)
                            if first:
                                yield first
                            yield from chunks
                            return
                        content = self._read(answer, call.label, self._largest)
                finally:
                    self.limits.done(time.monotonic() - began)
                raise self._error(self._reply(answer, content, call.label), True)
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
            raise _BrokenOffError(failures.on_the_way(self.system, label, error, True)) from None

    def _open(self, call: "_Call", repeated: bool = False) -> tuple[requests.Response, float]:
        """The answer's beginning and when the call began; the caller says when it is over."""
        self.limits.acquire(1, call.urgent)
        began = time.monotonic()
        try:
            return self._begun(call, repeated), began
        except BaseException:
            self.limits.done(time.monotonic() - began)
            raise

    def _begun(self, call: "_Call", repeated: bool) -> requests.Response:
        self.calls += 1
        if self._public:
            public_https(call.url, system=self.system)
        # A kept-alive connection may die under a request, which would look like a lost answer.
        session = self._session if call.repeatable else self._new_session()
        signature = self._sign()  # outside: a token that cannot be had is no lost answer
        if call.writes:
            written.leaves(repeated)
        try:
            return session.request(
                call.method,
                call.url,
                params=call.params,
                data=call.body,
                headers={**signature, **(call.headers or {})},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
        except (requests.exceptions.RequestException, HTTPError, OSError) as error:
            if call.writes and failures.never_left(error):
                written.stayed(repeated)
            # Without the cause: it repeats the address with its query.
            if isinstance(error, requests.exceptions.SSLError):
                raise failures.not_trusted(self.system, call.label, error, call.url, not call.doubtful) from None
            raise failures.on_the_way(self.system, call.label, error, not call.doubtful) from None

    def _reply(self, answer: requests.Response, content: bytes, label: str) -> Reply:
        sent = answer.request
        hidden = redaction.credentials(sent.headers, sent.body)
        return Reply(answer.status_code, answer.headers, content, self.system, label, hidden)

    def _read(self, answer: requests.Response, label: str, largest: int) -> bytes:
        return b"".join(self._chunks(answer, label, largest))

    def _chunks(self, answer: requests.Response, label: str, largest: int) -> Iterator[bytes]:
        ends = time.monotonic() + self._deadline
        size = 0
        announced = answer.headers.get("Content-Length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > largest):
            raise failures.too_much(self.system, label, largest // MEGABYTE)
        while chunk := answer.raw.read1(1 << 18, decode_content=True):
            size += len(chunk)
            if size > largest:
                raise failures.too_much(self.system, label, largest // MEGABYTE)
            if time.monotonic() > ends:
                raise failures.too_slow(self.system, label, self._deadline)
            yield chunk
        length = answer.headers.get("Content-Length")
        plain = not answer.headers.get("Content-Encoding") and answer.request.method != "HEAD"
        if plain and length and length.isdigit() and size < int(length):
            raise failures.cut_short(self.system, label, size, length)

    def _error(self, reply: Reply, repeatable: bool) -> ConnectorError:
        explained = self._explain(reply)
        if reply.status != 429:
            return failures.refused(reply, explained, repeatable)
        wait = self._throttle_wait(reply.headers) if self._throttle_wait else None
        wait = wait if wait is not None else retry_after(reply.headers)
        wait = wait if wait is not None else UNTOLD_WAIT
        self.limits.refused(wait)
        return failures.slow_down(reply, explained, wait)

    @staticmethod
    def _wait(error: UnavailableError, attempt: int) -> float:
        if error.retry_after is not None:
            return error.retry_after
        return min(0.4 * 2**attempt, 15.0) * random.uniform(0.5, 1.0)

    def _new_session(self) -> requests.Session:
        return new_session(self._trusted, self._public)


@dataclass(frozen=True, slots=True)
class _Call:
    """What is asked, each time that it is asked."""

    method: str
    url: str
    params: Mapping[str, str] | str | None
    body: bytes | None
    headers: Mapping[str, str] | None
    repeatable: bool = True
    urgent: bool = False
    writes: bool = False
    keyed: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether a lost answer leaves it unknown what was done."""
        return self.keyed or not self.repeatable

    @property
    def label(self) -> str:
        return f"{self.method} {urlsplit(self.url).path}"


class _BrokenOffError(Exception):
    """A streamed reply that ended before its end."""

    def __init__(self, reason: ConnectorError) -> None:
        super().__init__(str(reason))
        self.reason = reason
