"""Change tracking: a first read of each table, its gap closed, and from then on what changed (contract 3.3).

A read is a list of steps, each a walk along the server's links: `follow` a table's last delta link, or read the
table whole (`baseline`) and afterwards again what was modified since the read began (`gap`): the token is made at
the end of the baseline, and changes that were made while it was paged are said to be missing from it.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urlsplit

from connectors.dynamics365 import odata
from connectors.dynamics365.dataverse import web_api
from connectors.dynamics365.dataverse.tables import Table
from connectors.dynamics365.dataverse.web_api import Rows
from connectors.errors import UnexpectedReplyError
from connectors.http import Http

WATERMARK_SIZE, RESUME_SIZE = 200, 400
TRACK = "odata.track-changes"


@dataclass(frozen=True)
class TrackedTable:
    """A table with the columns this organisation has of it."""

    table: Table
    select: Sequence[str]

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def columns(self) -> str:
        """Names the columns in six characters: a token counts only for the columns it was made with."""
        return hashlib.sha256(",".join(self.select).encode()).hexdigest()[:6]

    def address(self, **options: str) -> str:
        return odata.address(self.name, {"$select": ",".join(self.select), **options})


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of one table; `resume` and `watermark` as in `base.Page`."""

    table: Table
    rows: Sequence[bytes]
    resume: str
    watermark: str | None


@dataclass(frozen=True)
class _Place:
    """Where in its steps a read stands. `tokens` are those of tables that are done; `began` is the server's time."""

    step: int = 0
    link: str = ""
    began: str = ""
    tokens: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Packing:
    """A place as text that can be kept. Links repeat the address and the columns over and over and are long:
    `words` are what they are expected to say."""

    words: bytes

    def packed(self, place: _Place) -> str:
        """Empty when it is too long to be kept: then a read that breaks off goes on from an earlier page."""
        plain = json.dumps([place.step, place.link, place.began, place.tokens])
        squeeze = zlib.compressobj(9, zdict=self.words)
        text = base64.urlsafe_b64encode(squeeze.compress(plain.encode()) + squeeze.flush()).decode()
        return text if len(text) <= RESUME_SIZE else ""

    def unpacked(self, text: str) -> _Place:
        """The beginning where the text is not one of ours (any more), which only costs reading again."""
        try:
            plain = zlib.decompressobj(zdict=self.words).decompress(base64.urlsafe_b64decode(text))
            step, link, began, tokens = json.loads(plain)
            return _Place(int(step), str(link), str(began), dict(tokens))
        except (ValueError, TypeError, zlib.error):
            return _Place()


COOKIE = (
    "&$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d%25221%2522%253e%253c"
    "id%2520last%253d%2522%257b%257d%2522%2520first%253d%2522%257b%257d%2522%2520%252f%253e%253c%252fcookie%253e"
    "%22%20istracking=%22True%22%20/%3E&$deltatoken="
)
"""A paging cookie without what differs (contract 3.2)."""


class DeltaRead:
    """Reads of the same tables by one stream."""

    def __init__(self, http: Http, tables: Sequence[TrackedTable], size: int, margin: timedelta) -> None:
        self._http, self._tables, self._size, self._margin = http, tables, size, margin
        addresses = [f"{http.base}/{one.address()}" for one in tables]
        self._packing = _Packing("".join([COOKIE, *addresses, *map(quote, addresses)]).encode())

    def pages(self, since: str, resume: str = "") -> Iterator[Changes]:
        """Raises ExpiredWatermarkError when the system no longer knows a token."""
        known = self._known(since)
        steps = [("follow" if one.name in known else "baseline", one) for one in self._tables]
        steps += [("gap", one) for one in self._tables if one.name not in known]
        place = self._packing.unpacked(resume) if resume else _Place()
        if place.step >= len(steps):
            place = _Place()
        for number in range(place.step, len(steps)):
            kind, table = steps[number]
            final = number == len(steps) - 1
            start = replace(place, step=number)
            for page, place in self._walk(kind, table, known, start):
                last = final and not page.next
                # Without a link the next step is where to go on.
                here = place if page.next else replace(place, step=number + 1)
                yield Changes(
                    table.table,
                    page.rows,
                    self._packing.packed(here) if not last else "",
                    self._watermark(place) if last else None,
                )
            place = replace(place, link="")

    def _walk(
        self, kind: str, table: TrackedTable, known: Mapping[str, str], place: _Place
    ) -> Iterator[tuple[Rows, _Place]]:
        prefer = self._prefer(kind)
        link = place.link or self._first(kind, table, known, place)
        asked: set[int] = set()
        while link:
            page = web_api.rows(self._http, link, prefer)
            if kind == "follow":
                page = replace(page, rows=self._really_gone(table, page.rows))
            place = replace(place, began=place.began or self._began(page), link=page.next)
            if kind != "gap" and not page.next:
                place = replace(place, tokens={**place.tokens, table.name: self._token(page, table)})
            yield page, place
            asked.add(hash(link))
            link = page.next
            if hash(link) in asked:
                raise web_api.loop(self._http, link)

    def _really_gone(self, table: TrackedTable, rows: Sequence[bytes]) -> Sequence[bytes]:
        """Without the deletions of rows that are there: all updates come before all deletions, so that a row which
        was deleted and made again under its id would end as deleted."""
        lost = [guid for row in rows if (guid := web_api.deleted(row))]
        if not lost:
            return rows
        column = table.table.id
        found = web_api.by_value(self._http, table.name, column, lost, [column], True)
        there = {str(web_api.members(row).get(column, "")).lower() for row in found}
        return [row for row in rows if web_api.deleted(row).lower() not in there]

    def _first(self, kind: str, table: TrackedTable, known: Mapping[str, str], place: _Place) -> str:
        if kind == "follow":
            return f"{table.address()}&{known[table.name]}"
        if kind == "baseline":
            return table.address()
        order = f"modifiedon,{table.table.id}"
        return table.address(**{"$filter": f"modifiedon ge {place.began}", "$orderby": order})

    def _prefer(self, kind: str) -> str:
        size = f"odata.maxpagesize={self._size}" if self._size < web_api.LARGEST_PAGE or kind == "gap" else ""
        return ", ".join(filter(None, (TRACK if kind == "baseline" else "", size)))

    def _began(self, page: Rows) -> str:
        """The server's own time of the first answer, less the margin: its clock stamps the rows."""
        try:
            now = parsedate_to_datetime(page.date)
        except ValueError:
            now = datetime.now(UTC)
        return (now - self._margin).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _token(self, page: Rows, table: TrackedTable) -> str:
        """The delta link's options without $select, as the server wrote them."""
        path, query = urlsplit(page.delta)[2:4]
        options = [part for part in query.split("&") if not unquote(part).startswith("$select=")]
        if not path.endswith(f"/{table.name}") or not options[0]:
            raise UnexpectedReplyError(
                f"{self._http.system} gave no delta link after the last page of {table.name}.",
                system=self._http.system,
                request=f"GET {table.name}",
                reply=page.delta[:300],
                remedy=f"Turn on change tracking for {table.table.logical} (its table properties), then test again.",
            )
        return "&".join(options)

    def _watermark(self, place: _Place) -> str:
        """`contacts:1a2b3c?$deltatoken=…` for each table, separated by blanks."""
        columns = {one.name: one.columns for one in self._tables}
        text = " ".join(f"{name}:{columns[name]}?{token}" for name, token in place.tokens.items() if name in columns)
        if len(text) > WATERMARK_SIZE:
            raise UnexpectedReplyError(
                f"{self._http.system} gave delta tokens of {len(text)} characters; {WATERMARK_SIZE} can be kept.",
                system=self._http.system,
                remedy="Give each table a connection of its own (TABLES).",
            )
        return text

    def _known(self, since: str) -> Mapping[str, str]:
        """The tokens that were made for the columns we ask for now; a table without one is read whole."""
        columns = {f"{one.name}:{one.columns}": one.name for one in self._tables}
        parts = (part.partition("?") for part in since.split())
        return {columns[name]: token for name, _, token in parts if name in columns and token}
