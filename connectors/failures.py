"""What goes wrong with a call, as the error that says what it means and what to do: before, during or by its answer.

`request` is the method and path, without the query. `repeatable` says whether the request may be sent twice: if not,
whatever fails after it may have left is an outcome that is not known.
"""

import ssl
from urllib.parse import urlsplit

from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from connectors import certificates
from connectors.errors import (
    ConfigurationError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from connectors.reply import Reply, retry_after, what_is_wrong

BROKEN_OFF = "It is tried again; if it lasts, look at the system, and at proxies and firewalls on the way."
NOT_REACHED = (NewConnectionError, NameResolutionError, ConnectTimeoutError)
CREDENTIALS = "Check the client id, its secret and its permissions, then press Test connection."


def on_the_way(system: str, request: str, error: Exception, repeatable: bool) -> ConnectorError:
    """Nobody was reached, or the line was cut."""
    cause = _innermost(error)
    if isinstance(cause, NOT_REACHED):
        return UnavailableError(
            f"{system} cannot be reached.",
            system=system,
            request=request,
            reply=type(cause).__name__,
            remedy="Check that the system is up and that its address is right.",
        )
    if not repeatable:
        return outcome_unknown(system, request, f"{system} did not answer ({type(cause).__name__}).")
    return UnavailableError(
        f"{system} broke off without a complete answer.",
        system=system,
        request=request,
        reply=type(cause).__name__,
        remedy=BROKEN_OFF,
    )


def never_left(error: Exception) -> bool:
    """Whether the request had certainly no way out: nobody was reached, or nobody who could be trusted."""
    return isinstance(_innermost(error), (*NOT_REACHED, ssl.SSLCertVerificationError))


def not_trusted(system: str, request: str, error: Exception, url: str, repeatable: bool) -> ConnectorError:
    """A certificate that is not good; a line cut while the two agreed on a key is told as such."""
    cause, parts = _innermost(error), urlsplit(url)
    if not isinstance(cause, ssl.SSLError) or isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return on_the_way(system, request, error, repeatable)
    what, remedy = certificates.explained(cause, parts.hostname or "", parts.port or 443)
    return ConfigurationError(
        f"{system}: {what}.",
        system=system,
        request=request,
        reply=str(getattr(cause, "verify_message", "") or cause.reason or "")[:300],
        remedy=remedy,
    )


def outcome_unknown(
    system: str, request: str, what: str, reply: str = "", after: float | None = None
) -> UnknownOutcomeError:
    """`after` in seconds, where the system asks for a pause."""
    return UnknownOutcomeError(
        f"{what} The request had been sent; whether it was carried out is not known.",
        system=system,
        request=request,
        reply=reply,
        retry_after=after,
        remedy="Look in the target whether the records arrived before anything is sent again.",
    )


def other_host(system: str, host: str) -> UnexpectedReplyError:
    return UnexpectedReplyError(
        f"{system} sent a link to another host; it was not followed.",
        system=system,
        reply=host,
        remedy="Check the connection's address and whoever answers there.",
    )


def too_much(system: str, request: str, megabytes: int) -> UnexpectedReplyError:
    return UnexpectedReplyError(
        f"{system} sent more than {megabytes} MB in one answer.",
        system=system,
        request=request,
        remedy="Ask for smaller pages (PAGE_SIZE), or allow larger answers (REPLY_MB) if they are meant.",
    )


def too_slow(system: str, request: str, seconds: float) -> UnavailableError:
    return UnavailableError(
        f"{system} did not finish its answer within {seconds:.0f} s.",
        system=system,
        request=request,
        remedy="It is tried again; if it stays slow, ask for smaller pages or look at the system's load.",
    )


def cut_short(system: str, request: str, size: int, announced: str) -> UnavailableError:
    return UnavailableError(
        f"{system} broke off its answer after {size} of {announced} bytes.",
        system=system,
        request=request,
        remedy=BROKEN_OFF,
    )


def page_instead(reply: Reply, page: str, repeatable: bool) -> UnavailableError:
    """A success that is a page for people: the system did not answer, somebody before it did (a proxy's maintenance
    page). What it says of a request that may not be sent twice is nothing."""
    said = f"{reply.system} answered {reply.status} with {page}."
    if not repeatable:
        return outcome_unknown(reply.system, reply.request, said, reply.excerpt())
    return UnavailableError(
        said,
        system=reply.system,
        request=reply.request,
        reply=reply.excerpt(),
        remedy="It is tried again by itself. If it lasts, check the connection's address, and which proxy, firewall or "
        "sign-in page answers there.",
    )


def slow_down(reply: Reply, explained: str, wait: float) -> UnavailableError:
    """`wait` in seconds."""
    return UnavailableError(
        f"{reply.system} asks to slow down ({reply.status}).",
        retry_after=wait,
        remedy="The run waits as long as it was asked to; lower CALLS_PER_MINUTE if this is frequent.",
        system=reply.system,
        request=reply.request,
        reply=explained,
    )


def refused(reply: Reply, explained: str, repeatable: bool) -> ConnectorError:
    """Any status that is neither a success nor a 429."""
    system, status = reply.system, reply.status
    details = {"system": system, "request": reply.request, "reply": explained}
    if status in (401, 403):
        return ConfigurationError(
            f"{system} refused the credentials ({status}).",
            remedy=f"{reply.clock} {CREDENTIALS}".strip(),
            **details,
        )
    if status >= 500 or status == 408:
        if not repeatable:
            after = retry_after(reply.headers)
            return outcome_unknown(system, reply.request, f"{system} answered {status}.", explained, after)
        return UnavailableError(
            f"{system} is in trouble ({status}).",
            retry_after=retry_after(reply.headers),
            remedy="It is tried again; if it lasts, look at the system's own status.",
            **details,
        )
    if 300 <= status < 400:
        return UnexpectedReplyError(
            f"{system} redirects ({status}); redirects are not followed.",
            remedy="Correct the connection's address.",
            **details,
        )
    error = reply.unexpected(what_is_wrong(reply.body, None))
    error.reply = explained
    return error


def _innermost(error: BaseException) -> BaseException:
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _innermost(reason)
    if error.args and isinstance(error.args[0], BaseException):
        return _innermost(error.args[0])
    return error
