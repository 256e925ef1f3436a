"""OData v4 as Dynamics 365 Finance speaks it: literals, addresses, pages as raw rows, keyset reading.

Offset links skip and repeat rows while data changes, so pages are continued by key (contract 2.5).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import msgspec

from connectors.errors import UnexpectedReplyError
from connectors.http import Http, Reply

HEADERS = {
    "Accept": "application/json;odata.metadata=none",
    "OData-Version": "4.0",
    "OData-MaxVersion": "4.0",
}
_ANNOTATION_FIRST = re.compile(rb'\{\s*(?:"@[^"\\]*"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*)+')
_BARE = re.compile(r"[\w.:+-]+")
"""What a number, a moment or a GUID may consist of: a key from outside must not add to a filter."""
_ESCAPE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|(\\.)", re.DOTALL
)


def text(value: str) -> str:
    """A string literal: quotes doubled, not yet percent-encoded."""
    return "'" + value.replace("'", "''") + "'"


def company(code: str) -> str:
    """Is this company's, in either case: keys hold it in lower case, a server may compare exactly."""
    spellings = dict.fromkeys((code, code.upper()))
    either = " or ".join(f"dataAreaId eq {text(one)}" for one in spellings)
    return f"({either})" if len(spellings) > 1 else either


class Column(msgspec.Struct, frozen=True):
    """A column of a total order. A `bare` one is written without quotes: moments and numbers.

    `theirs` is its name at the server, where that is another than the one rows are given out with.
    """

    name: str
    bare: bool = False
    theirs: str = ""

    @property
    def asked(self) -> str:
        return self.theirs or self.name

    def literal(self, value: str) -> str:
        return value if self.bare and _BARE.fullmatch(value) else text(value)


def after(columns: Sequence[Column], values: Sequence[str]) -> str:
    """What follows these values in the order of the columns: `(a gt 1 or (a eq 1 and (b gt 2)))`."""
    column, value = columns[0], columns[0].literal(values[0])
    if len(columns) == 1:
        return f"{column.asked} gt {value}"
    return f"({column.asked} gt {value} or ({column.asked} eq {value} and {after(columns[1:], values[1:])}))"


def up_to(columns: Sequence[Column], values: Sequence[str]) -> str:
    """What comes before these values in the order of the columns, and themselves."""
    column, value = columns[0], columns[0].literal(values[0])
    if len(columns) == 1:
        return f"{column.asked} le {value}"
    return f"({column.asked} lt {value} or ({column.asked} eq {value} and {up_to(columns[1:], values[1:])}))"


def address(entity_set: str, options: Mapping[str, str]) -> str:
    """The path below the data root; options without a value are left out, blanks become %20."""
    asked = "&".join(f"{name}={quote(value, safe=',()$')}" for name, value in options.items() if value)
    return f"{entity_set}?{asked}"


@dataclass(frozen=True, slots=True)
class ODataPage:
    """`count` is the whole read's, where the server counted it."""

    rows: list[bytes]
    more: bool = False
    count: int | None = None


class _Reply(msgspec.Struct):
    """Version 4.01 leaves `odata.` out of the names; counts come as text under IEEE754Compatible."""

    value: list[msgspec.Raw]
    next: str | None = msgspec.field(name="@odata.nextLink", default=None)
    next_401: str | None = msgspec.field(name="@nextLink", default=None)
    count: int | str | None = msgspec.field(name="@odata.count", default=None)
    count_401: int | str | None = msgspec.field(name="@count", default=None)

    @property
    def more(self) -> bool:
        return bool(self.next or self.next_401)

    @property
    def counted(self) -> int | None:
        count = self.count_401 if self.count is None else self.count
        if isinstance(count, str):
            return int(count) if count.isdecimal() else None
        return count


_page = msgspec.json.Decoder(_Reply)
_key_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def page(reply: Reply) -> ODataPage:
    """The reply's rows as the server wrote them, without `@odata` members. Raises UnexpectedReplyError.

    A row is not looked into: one bad row never refuses the page.
    """
    try:
        decoded = _page.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        decoded = Reply(
            reply.status, reply.headers, without_lone_surrogates(reply.body), reply.system, reply.request
        ).json(_Reply)
    rows = [bytes(row) for row in decoded.value]
    return ODataPage(_without_annotations(rows, reply.body), decoded.more, decoded.counted)


def _without_annotations(rows: list[bytes], body: bytes) -> list[bytes]:
    """Looks for annotations in all rows at once: most pages have none, or an etag at the head of each row.

    Version 4.01 may leave out `odata.`; a server that does so does it in its first row, too.
    """
    named = body.count(b"@odata.", body.find(b'"value"'), body.rfind(b"]"))
    short = bool(rows) and b'"@' in rows[0] and b'"@odata.' not in rows[0]
    if not named and not short:
        return rows
    if named == len(rows) and not short and all(row.startswith(b'{"@odata.') for row in rows):
        return [_ANNOTATION_FIRST.sub(b"{", row, count=1) for row in rows]
    return [without_annotations(row) for row in rows]


def without_lone_surrogates(body: bytes) -> bytes:
    r"""Half a surrogate pair (`\ud800`) is no character: msgspec refuses the page for one, so it goes."""
    return _ESCAPE.sub(lambda found: found[1] or found[2] or b"", body)


def without_annotations(row: bytes) -> bytes:
    """The row without etag and other annotations: they change when nothing we map has changed."""
    if not _annotated(row):
        return row
    row = _ANNOTATION_FIRST.sub(b"{", row, count=1)
    if not _annotated(row):
        return row
    try:
        members = _key_members.decode(row)
    except msgspec.MsgspecError:
        return row  # not an object: whoever maps it says so
    return msgspec.json.encode({name: value for name, value in members.items() if "@" not in name})


def _annotated(row: bytes) -> bool:
    return b'"@' in row or b"@odata." in row


def renamed(row: bytes, names: Mapping[str, str]) -> bytes:
    """The row with its columns under our names; `names` are the server's by ours. What is no object stays."""
    try:
        members = _key_members.decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return row
    taken = set(names.values())
    kept = {name: value for name, value in members.items() if name not in taken and name not in names}
    return msgspec.json.encode(kept | {ours: members[name] for ours, name in names.items() if name in members})


def key_values(row: bytes, columns: Sequence[Column]) -> list[str] | None:
    """The row's values in these columns as text, None when one is missing or unreadable."""
    try:
        members = _key_members.decode(row)
        return [_as_text(bytes(members[column.name])) for column in columns]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, RecursionError):
        return None


def _as_text(raw: bytes) -> str:
    if raw[:1] == b'"':
        return msgspec.json.decode(raw, type=str)
    if raw[:1] in b"-0123456789":
        return raw.decode()
    raise KeyError(raw)


def innermost(reply: Reply) -> str:
    """What the reply says went wrong: the message of the innermost exception, without its stack trace, which
    may be many kB (contract 2.6); the beginning of the body where it has another form."""
    try:
        found: object = msgspec.json.decode(reply.body, type=dict[str, object]).get("error")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return reply.excerpt()
    message = ""
    while isinstance(found, dict):
        message = str(found.get("message") or message)
        found = found.get("innererror") or found.get("internalexception")
    return message[:600] or reply.excerpt()


@dataclass(frozen=True, slots=True)
class KeysetRead:
    """One ordered read of an entity set, continued by key until it ends.

    `select` and `where` are in the server's names; `names` are its names of columns that rows are given out
    with under ours, `options` what every request carries besides.
    """

    http: Http
    entity_set: str
    order: Sequence[Column]
    size: int
    select: Sequence[str] = ()
    where: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=lambda: {"cross-company": "true"})
    names: Mapping[str, str] = field(default_factory=dict)

    def pages(self, start: Sequence[str] = ()) -> Iterator[ODataPage]:
        """Pages after the key `start` (or the first columns of one), to the one without `more`, maybe empty.

        Raises UnexpectedReplyError when the server does not move on.
        """
        last, previous, repeated = list(start), frozenset[bytes](), False
        within = self._by_first and bool(last)
        count: int | None = None
        counted, seen = True, 0
        while True:
            got = self._page(self._following(last, within), counted)
            count, counted = got.count if counted else count, False
            fresh = [row for row in got.rows if row not in previous] if previous else got.rows
            seen += len(fresh)
            end = self._last_key(fresh)
            # A server that cuts pages without saying so is caught by its own count.
            promised = bool(got.rows) and count is not None and seen < count
            short = not got.more and len(got.rows) < self.size and not promised
            if (got.rows and not fresh) or (not short and end in (None, last)):
                # The same page once more happens (a proxy's cache); twice, and it would go on for ever.
                if repeated:
                    raise self._loop(last)
                repeated = True
                continue
            final = short and not within
            if fresh or final:
                yield ODataPage(fresh, not final, count)
            if final:
                return
            last, previous, repeated = end or last, frozenset(got.rows), False
            within = self._by_first and not short

    @property
    def _by_first(self) -> bool:
        """Orders of three columns and more are read one value of the first column (a company) at a time:
        a database seeks in `a = 1 and b >= 2 and …`, and scans through the general form."""
        return len(self.order) > 2 and self.order[0].name == "dataAreaId"

    def _following(self, last: Sequence[str], within: bool) -> list[str]:
        if not last:
            return []
        if not self._by_first:
            return [after(self.order[: len(last)], last)]
        first, second = self.order[:2]
        if not within:
            return [f"{first.asked} gt {first.literal(last[0])}"]
        bounds = [f"{first.asked} eq {first.literal(last[0])}", f"{second.asked} ge {second.literal(last[1])}"]
        return [*bounds, after(self.order[1 : len(last)], last[1:])]

    def bounds(self, parts: int, least: int) -> tuple[int, list[list[str]]]:
        """How many rows there are, and the keys that end all parts of them but the last: at most so many parts
        with at least so many rows each. One request, and one a bound; offsets are used for nothing but this."""
        select = [column.asked for column in self.order]
        count = self._ask(self.where, select, top=1, counted=True).count or 0
        parts = min(parts, count // max(1, least))
        ends = [count * part // parts for part in range(1, parts)]
        found = [self._last_key(self._ask(self.where, select, top=1, skip=end - 1).rows) for end in ends]
        return count, [key for key in found if key]

    def _page(self, following: Sequence[str], counted: bool) -> ODataPage:
        return self._ask([*self.where, *following], self.select, self.size, counted)

    def _ask(
        self, where: Sequence[str], select: Sequence[str], top: int, counted: bool = False, skip: int = 0
    ) -> ODataPage:
        options = {
            **self.options,
            "$filter": " and ".join(where),
            "$select": ",".join(select),
            "$orderby": ",".join(column.asked for column in self.order),
            "$skip": str(skip) if skip else "",
            "$top": str(top),
            "$count": "true" if counted else "",
        }
        got = page(self.http.get(address(self.entity_set, options), headers=HEADERS))
        return replace(got, rows=[renamed(row, self.names) for row in got.rows]) if self.names else got

    def _last_key(self, rows: Sequence[bytes]) -> list[str] | None:
        """The key of the last row that has one: a broken row at the end must not stop the read."""
        return next((key for row in reversed(rows) if (key := key_values(row, self.order))), None)

    def _loop(self, last: Sequence[str]) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{self.http.system} sent the same page of {self.entity_set} again and again.",
            system=self.http.system,
            request=f"GET {self.entity_set}",
            reply="after " + " ".join(last),
            remedy="Check whether something between here and the system caches its answers.",
        )
