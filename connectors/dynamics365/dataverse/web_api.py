"""The Dataverse Web API: headers, one page of rows, rows by key, and refusals as typed errors (contract 3.1-3.4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from connectors.dynamics365 import odata
from connectors.errors import (
    ConfigurationError,
    ConnectorError,
    ExpiredWatermarkError,
    UnexpectedReplyError,
)
from connectors.http import Http, Reply

HEADERS = {
    "Accept": "application/json",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    "If-None-Match": "null",
}
KEYS_A_REQUEST = 25
LARGEST_PAGE = 5000
EXPIRED = "0x80044352"
"""Version stamp associated with the client has expired (contract 3.3)."""
REFUSALS = (400, 403, 404, 410, 412)


@dataclass(frozen=True, slots=True)
class Rows:
    """One page: the rows as the server wrote them, and where to go on."""

    rows: Sequence[bytes]
    next: str
    delta: str
    count: int | None
    date: str


class _Reply(msgspec.Struct):
    value: list[msgspec.Raw]
    next: str | None = msgspec.field(name="@odata.nextLink", default=None)
    delta: str | None = msgspec.field(name="@odata.deltaLink", default=None)
    count: int | None = msgspec.field(name="@odata.count", default=None)


class _Refusal(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Error(msgspec.Struct):
    error: _Refusal = msgspec.field(default_factory=_Refusal)


_page = msgspec.json.Decoder(_Reply)


def rows(http: Http, path: str, prefer: str = "") -> Rows:
    """GET of one page. Raises ExpiredWatermarkError, ConfigurationError (no right, no such column) and the rest."""
    headers = {**HEADERS, "Prefer": prefer} if prefer else HEADERS
    reply = http.get(path, headers=headers, allow=REFUSALS)
    if reply.status != 200:
        raise refused(reply)
    page = _decoded(reply)
    return Rows([bytes(row) for row in page.value], page.next or "", page.delta or "", page.count,
                reply.headers.get("Date", ""))  # fmt: skip


def _decoded(reply: Reply) -> _Reply:
    try:
        return _page.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        body = odata.without_lone_surrogates(reply.body)
        again: _Reply = Reply(reply.status, reply.headers, body, reply.system, reply.request).json(_Reply)
        return again


def pages(http: Http, path: str, size: int) -> Iterator[Rows]:
    """An ordinary read to its end, by the server's own links."""
    asked: set[str] = set()
    while path:
        page = rows(http, path, f"odata.maxpagesize={size}")
        yield page
        asked.add(path)
        path = page.next
        if path in asked:
            raise loop(http, path)


def deleted(row: bytes) -> str:
    """The id of the row that this entry of a delta says is gone; empty for a row that is there."""
    if b"$deletedEntity" not in row:
        return ""
    values = members(row)
    gone = str(values.get("@odata.context", "")).endswith("/$deletedEntity")
    return str(values.get("id") or "") if gone else ""


def by_value(
    http: Http, table: str, column: str, values: Sequence[str], select: Sequence[str], bare: bool, where: str = ""
) -> Iterator[bytes]:
    """The rows whose column has one of these values; `bare` values (GUIDs) stand without quotes."""
    for start in range(0, len(values), KEYS_A_REQUEST):
        part = values[start : start + KEYS_A_REQUEST]
        either = " or ".join(f"{column} eq {value if bare else odata.text(value)}" for value in part)
        asked = f"({either}) and {where}" if where else either
        for page in pages(http, odata.address(table, {"$select": ",".join(select), "$filter": asked}), LARGEST_PAGE):
            yield from page.rows


def refusal(reply: Reply) -> tuple[str, str]:
    """The error's code (may be empty) and message in the system's words."""
    try:
        found = msgspec.json.decode(reply.body, type=_Error).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return "", ""
    return found.code, found.message


def refused(reply: Reply) -> ConnectorError:
    code, message = refusal(reply)
    details = {"system": reply.system, "request": reply.request, "reply": f"{code} {message}".strip()[:600]}
    if code.lower() == EXPIRED or reply.status == 410 or _speaks_of_token(message):
        return ExpiredWatermarkError(
            f"{reply.system} no longer knows what was read last; changes since then cannot be told apart.",
            remedy="Read this flow in full once; what has not changed is recognised and not sent again.",
            **details,
        )
    if reply.status == 403:
        return ConfigurationError(
            f"{reply.system} does not let this application read everything that was asked for (403).",
            remedy="Give the application user a security role that reads (and for consent writes) these tables of the "
            "whole organisation.",
            **details,
        )
    if reply.status == 404:
        return ConfigurationError(
            f"{reply.system} has nothing at {reply.request.partition(' ')[2]} (404).",
            remedy="Check URL, API and TABLES of this connection.",
            **details,
        )
    if not message:
        return reply.unexpected("the request was refused without a reason")
    return UnexpectedReplyError(
        f"{reply.system} refused the request ({reply.status}): {message[:200]}",
        remedy="Check the tables and columns in this connection's settings.",
        **details,
    )


def _speaks_of_token(message: str) -> bool:
    low = message.lower()
    return "version stamp" in low or ("deltatoken" in low.replace(" ", "") and ("expired" in low or "invalid" in low))


def loop(http: Http, path: str) -> UnexpectedReplyError:
    return UnexpectedReplyError(
        f"{http.system} sends the same page again and again.",
        system=http.system,
        request=f"GET {path.partition('?')[0]}",
        remedy="Check whether something between here and the system caches its answers.",
    )


def members(row: bytes) -> Mapping[str, object]:
    """The row as a dictionary; empty when it is none."""
    try:
        found = msgspec.json.decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
