"""Paging cookies and delta tokens: where a read goes on (dynamics365.md 3.2, 3.3)."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from connectors.emulators.dataverse.errors import EXPIRED_TOKEN, DataverseError, bad_query

_OUTER = re.compile(
    r'<cookie pagenumber="(?P<page>\d+)" pagingcookie="(?P<cookie>[^"]*)" istracking="(?P<tracking>True|False)" />'
)
_INNER = re.compile(r'<position value="(?P<value>[\w=-]*)" ?/>')
_TOKEN = re.compile(r"(?P<version>\d+)!(?P<at>\d\d/\d\d/\d{4} \d\d:\d\d:\d\d)")
_FORMAT = "%m/%d/%Y %H:%M:%S"


@dataclass(frozen=True)
class Position:
    """Where a page ended. `values` are those of the order, then the id of the last row.

    While tracking, `start` is the version when the load began. In a delta `until` is where its stretch of
    versions ends (-1: not a delta), `after` the last update given and `gone` the last deletion.
    """

    page: int = 1
    values: list[Any] = field(default_factory=list)
    tracking: bool = False
    start: int = 0
    after: int = 0
    gone: int = 0
    until: int = -1


def skip_token(position: Position, id_column: str, first: str, last: str) -> str:
    """The cookie for the page behind a position as a query takes it."""
    return quote(outer_cookie(position, id_column, first, last), safe="=/")


def outer_cookie(position: Position, id_column: str, first: str, last: str) -> str:
    """In the form Dataverse gives it: one cookie around another, which is escaped."""
    state = [position.start, position.after, position.gone, position.until, position.values]
    kept = urlsafe_b64encode(msgspec.json.encode(state)).decode()
    # The position travels in an element of its own; the ids are there for the looks.
    inner = (
        f'<cookie page="{position.page - 1}"><{id_column} last="{{{last.upper()}}}" first="{{{first.upper()}}}" />'
        f'<position value="{kept}" /></cookie>'
    )
    cookie = quote(inner, safe="")
    return f'<cookie pagenumber="{position.page}" pagingcookie="{cookie}" istracking="{position.tracking}" />'


def position_of(token: str) -> Position:
    """DataverseError 400 for a cookie that is not ours."""
    outer = _OUTER.fullmatch(token)
    if not outer:
        raise _malformed()
    return inner_position(unquote(outer["cookie"]), int(outer["page"]), outer["tracking"] == "True")


def inner_position(cookie: str, page: int, tracking: bool = False) -> Position:
    """The position an inner cookie stands for, as FetchXML carries it."""
    inner = _INNER.search(cookie)
    if not inner:
        raise _malformed()
    try:
        start, after, gone, until, values = msgspec.json.decode(urlsafe_b64decode(inner["value"]))
    except ValueError:
        raise _malformed() from None
    return Position(page, values, tracking, start, after, gone, until)


def _malformed() -> DataverseError:
    return DataverseError(400, "0x80040203", "Malformed XML in the Paging Cookie")


def delta_token(version: int, now: datetime) -> str:
    """`1000!03/01/2026 09:00:00`, escaped as in the contract's example: version and time of issue."""
    return quote(f"{version}!{now:{_FORMAT}}", safe="").lower()


def version_of(token: str, now: datetime, days: int, status: int) -> int:
    """The version a delta token stands for. DataverseError when it is malformed or has expired."""
    found = _TOKEN.fullmatch(token) or _TOKEN.fullmatch(unquote(token))
    try:
        issued = datetime.strptime(found["at"] if found else "", _FORMAT).replace(tzinfo=now.tzinfo)
    except ValueError:
        found = None
    if not found:
        raise bad_query("The delta token is not valid.")
    if now - issued > timedelta(days=days):
        words = "Version stamp associated with the client has expired. Please perform a full sync."
        raise DataverseError(status, EXPIRED_TOKEN, words)
    return int(found["version"])


def link(base: str, target: str, **tokens: str) -> str:
    """The request's own address with other tokens: everything else stays as the client wrote it, but for `%24`."""
    path, _, query = target.partition("?")
    parts = [re.sub(r"^%24", "$", part) for part in query.split("&") if part]
    kept = [part for part in parts if not part.startswith(("$skiptoken=", "$deltatoken="))]
    added = [f"${name}={value}" for name, value in tokens.items()]
    return f"{base}{path}?{'&'.join([*kept, *added])}"


def sortable(row: Mapping[str, Any], order: Sequence[tuple[str, bool]]) -> list[Any]:
    """The values a row is ordered by, each as `sort_key` has it."""
    return [sort_key(row.get(name)) for name, _ in order]


def sort_key(value: Any) -> list[Any]:
    """Nulls before numbers before text, text without case: planted values of the wrong type have their place too."""
    if value is None:
        return [0, 0]
    return [1, value] if isinstance(value, int | float) else [2, str(value).casefold()]
