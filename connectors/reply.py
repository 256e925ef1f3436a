"""A system's answer: read as a type, or shown without what nobody may read."""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

import msgspec

from connectors import certificates, redaction
from connectors.errors import UnexpectedReplyError

T = TypeVar("T")
CLOCK_TOLERANCE = 120.0
"""Seconds by which two clocks may differ without a word: tokens and signatures are good for five minutes."""

_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?(?>(?:\s|<\?xml[^<>]*>|<!--.*?-->)*)<(?:!doctype\s+html|html|head|body|title)\b",
    re.IGNORECASE | re.DOTALL,
)
_TITLE = re.compile(rb"<title[^<>]{0,100}>([^<]{0,200})", re.IGNORECASE)
LONGEST_ASKED = 86_400.0
"""Seconds: nobody means to be left alone for longer than a day."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`hidden` are the credentials that were sent: an answer that repeats them is shown without."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    system: str
    request: str
    hidden: tuple[str, ...] = field(default=(), repr=False)

    def json(self, form: type[T] | Any = Any) -> T:
        """The body as this type. Raises UnexpectedReplyError; content decides, not the Content-Type."""
        try:
            return cast(T, msgspec.json.decode(self.body, type=form))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            # Without the cause: it may hold the body.
            raise self.unexpected(what_is_wrong(self.body, error)) from None

    def unexpected(self, message: str) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{self.system} answered {self.status}: {message}",
            system=self.system,
            request=self.request,
            reply=self.excerpt(),
            remedy="Compare the reply with the system's documentation, then retry.",
        )

    def excerpt(self, length: int = redaction.SHOWN) -> str:
        """What may be shown of it: a refusal's words, of data only the shape; no credentials, no addresses."""
        tell = redaction.shape if self.status < 300 else redaction.words
        return tell(self.body, self.hidden, length)

    @property
    def clock(self) -> str:
        """A sentence when this server's clock and the system's differ by minutes; both sign and check by it."""
        try:
            theirs = parsedate_to_datetime(self.headers.get("Date", ""))
        except (TypeError, ValueError):
            return ""
        ours = datetime.now(UTC)
        theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
        if abs((theirs - ours).total_seconds()) < CLOCK_TOLERANCE:
            return ""
        apart = certificates.duration(max(ours, theirs), min(ours, theirs))
        way = "ahead of" if ours > theirs else "behind"
        return f"This server's clock is {apart} {way} {self.system}'s: set it (NTP)."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header in either form (RFC 9110 10.2.3), a day at most; None when absent or
    unreadable."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return sensible(seconds)


def sensible(seconds: float) -> float | None:
    """A wait that somebody asked for, between nothing and a day; None for what is no number."""
    return min(max(0.0, seconds), LONGEST_ASKED) if math.isfinite(seconds) else None


def page_of(body: bytes) -> str:
    """What to call a body that is an HTML page, with its title; empty where it is none. What the content says counts:
    data is sent as `text/html` at times."""
    if not _PAGE.match(body[:4_000]):
        return ""
    title = _TITLE.search(body[:4_000])
    named = redaction.redacted(title[1].decode("utf-8", "replace").strip())[:80] if title else ""
    return f"an HTML page titled {named!r}" if named else "an HTML page"


def what_is_wrong(body: bytes, error: Exception | None) -> str:
    if page_of(body):
        return "an HTML page (a sign-in or firewall page?) where JSON was expected"
    if not body:
        return "an empty body"
    return f"not the JSON that was expected ({error})"[:300] if error else "the request was refused"
