"""The envelope of the core API: `replyCode`, `replyText`, `data`. HTTP 200 may carry a failure (contract 2.1)."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from connectors import redaction
from connectors.emarsys import codes
from connectors.emarsys.codes import Meaning
from connectors.errors import (
    BatchRefusedError,
    ConfigurationError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
)
from connectors.http import Http, Reply

REFUSALS = (400, 401, 403, 404, 410, 412, 413, 422, 423)
"""Statuses whose body says in an envelope what is wrong with the request."""
CLOCKS_APART = 300.0
"""Seconds between Emarsys' clock and ours beyond which a signed request is refused (contract 1.2)."""


class Envelope(msgspec.Struct):
    code: int | str = msgspec.field(name="replyCode", default=-1)
    text: str | None = msgspec.field(name="replyText", default="")
    data: Any = ""


@contextmanager
def understood(system: str, request: str) -> Iterator[None]:
    """Reading a decoded reply: a member of another type or a missing one is not the reply we know."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedReplyError(
            f"{system} answered in a form that its documentation does not describe.",
            system=system,
            request=request,
            reply=redaction.redacted(f"{type(error).__name__}: {error}")[:300],
            remedy="Compare the reply with the system's documentation, then retry.",
        ) from None  # the cause may hold a value


def envelope(reply: Reply) -> Envelope:
    found: Envelope = reply.json(Envelope)
    if found.code == -1:
        raise reply.unexpected("an object without replyCode")
    return found


def data(http: Http, method: str, path: str, body: Mapping[str, object] | None = None, nobody: str = "") -> Any:
    """The `data` of a call that must succeed. Raises the error that says what happens next.

    `nobody` is the replyCode by which a look-up says that it found nothing: no error, but no data either.
    """
    reply = call(http, method, path, None if body is None else msgspec.json.encode(body))
    return None if nobody and str(envelope(reply).code) == nobody else accepted(reply)


def call(http: Http, method: str, path: str, body: bytes | None, **options: Any) -> Reply:
    """One call whose refusals come back as replies; only a refused sign-in is an error at once."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    reply = http.request(method, path, body=body, headers=headers, allow=REFUSALS, **options)
    if reply.status in (401, 403):
        raise not_permitted(reply)
    return reply


def write(http: Http, method: str, path: str, body: bytes, again: bool = False, keyed: bool = False) -> Reply:
    """A call that writes records; `again` where one before it wrote them, `keyed` where a later one would double."""
    return call(http, method, path, body, writes=True, again=again, keyed=keyed)


def accepted(reply: Reply) -> Any:
    found = envelope(reply)
    if str(found.code) != "0" or reply.status == codes.EVALUATING or reply.status >= 300:
        raise refusal(reply, str(found.code))
    return found.data


def refusal(reply: Reply, code: str) -> ConnectorError:
    """What a replyCode other than 0 means for the caller (contract 10). Emarsys' own words may hold an address: they
    are in `reply`, never in the message."""
    rule = codes.rule(reply.status, code, codes.area(reply.request))
    details: dict[str, Any] = {"system": reply.system, "request": reply.request, "reply": reply.excerpt()}
    said = f"({reply.status}, code {code})"
    if rule.meaning in (Meaning.REFUSED, Meaning.NOBODY, Meaning.RACE):
        return BatchRefusedError(f"{reply.system} refused the request {said}.", **details)
    details["remedy"] = rule.remedy or "Compare the reply with the system's documentation, then retry."
    if rule.meaning is Meaning.SETUP:
        return ConfigurationError(f"{reply.system} refused the request {said}.", **details)
    if rule.meaning is Meaning.LATER:
        return UnavailableError(f"{reply.system} asks to come back later {said}.", retry_after=rule.wait, **details)
    if rule.meaning is Meaning.TROUBLE:
        return UnavailableError(f"{reply.system} is in trouble {said}.", **details)
    return UnexpectedReplyError(f"{reply.system} answered what does not fit the request {said}.", **details)


def row_error(error: Any) -> tuple[str, str]:
    """Code and text of one row's error: `{"2007": "Invalid choice id …"}`."""
    if isinstance(error, dict) and error:
        code, said = next(iter(error.items()))
        return str(code), str(said)
    return "", str(error)


def row_errors(data: Any) -> Mapping[str, Any]:
    """The refused rows by key value; `errors` is absent, [] or {} where there are none (contract 2.1)."""
    errors = data.get("errors") if isinstance(data, dict) else None
    return errors if isinstance(errors, dict) else {}


def not_permitted(reply: Reply) -> ConfigurationError:
    """401: credentials, or clocks too far apart (contract pitfall 20); 403: a permission (pitfall 17)."""
    details: dict[str, Any] = {"system": reply.system, "request": reply.request, "reply": reply.excerpt()}
    ahead = server_ahead(reply.headers)
    if reply.status == 401 and abs(ahead) > CLOCKS_APART:
        return ConfigurationError(
            f"{reply.system} refused the sign-in, and its clock is {_spoken(abs(ahead))} "
            f"{'ahead of' if ahead > 0 else 'behind'} ours; {CLOCKS_APART / 60:.0f} minutes are allowed.",
            remedy="Correct the clock of the machine that the workers run on (NTP).",
            **details,
        )
    rule = codes.rule(reply.status, "*")
    what = "the credentials" if reply.status == 401 else "this endpoint to our credential"
    return ConfigurationError(f"{reply.system} refused {what} ({reply.status}).", remedy=rule.remedy, **details)


def server_ahead(headers: Mapping[str, str]) -> float:
    """How many seconds the server's clock is before ours; its moments are meant by its own clock."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp() - time.time()
    except (KeyError, TypeError, ValueError):
        return 0.0


def _spoken(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
