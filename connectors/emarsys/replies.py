"""The envelope of the core API: `replyCode`, `replyText`, `data`. HTTP 200 may carry a failure (contract 2.1)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from connectors.errors import BatchRefusedError, ConfigurationError, UnavailableError, UnexpectedReplyError
from connectors.http import Http, Reply

REFUSALS = (400, 404, 410, 412, 413, 422, 423)
"""Statuses whose body says in an envelope what is wrong with the request."""
_ACCOUNT = frozenset({"2004", "2015"})
"""The key field is not valid, or not indexed: the account's set-up, not the records."""


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
            reply=f"{type(error).__name__}: {error}"[:300],
            remedy="Compare the reply with the system's documentation, then retry.",
        ) from error


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


def call(http: Http, method: str, path: str, body: bytes | None) -> Reply:
    """One call whose refusals come back as replies."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return http.request(method, path, body=body, headers=headers, allow=REFUSALS)


def accepted(reply: Reply) -> Any:
    found = envelope(reply)
    if str(found.code) != "0" or reply.status >= 300:
        raise refusal(reply, str(found.code), found.text or "")
    return found.data


def refusal(
    reply: Reply, code: str, text: str
) -> ConfigurationError | BatchRefusedError | UnavailableError | UnexpectedReplyError:
    """What a replyCode other than 0 means for the caller."""
    details: dict[str, Any] = {"system": reply.system, "request": reply.request, "reply": reply.excerpt()}
    if reply.status == 423:
        return UnavailableError(f"{reply.system} is busy with another request of this kind ({code}).", **details)
    if code in _ACCOUNT:
        return ConfigurationError(
            f"{reply.system} does not accept the key field ({code}: {text}).",
            remedy="Check KEY_FIELD; a custom field must be indexed by Emarsys Support before it can be a key.",
            **details,
        )
    if reply.status in (200, 400, 413, 422):
        return BatchRefusedError(f"{reply.system} refused the request ({code}: {text}).", **details)
    return reply.unexpected(f"{code} {text}")
