"""Answers a read of an entity set: which rows, in which order, how many, and where the next page is."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from connectors.emulators.dynamics365.bounds import LAST, Bounds, bounds, parts_of
from connectors.emulators.dynamics365.filter_grammar import Either, Node, Parser
from connectors.emulators.dynamics365.predicates import Test, test_of
from connectors.emulators.dynamics365.replies import ODataError, unknown_property
from connectors.emulators.dynamics365.schema import EntitySet
from connectors.emulators.dynamics365.tables import Index, Row, Table

_KNOWN = frozenset(("$filter", "$orderby", "$select", "$top", "$skip", "$count", "$expand", "$format", "cross-company"))
# A list of keys to fetch is an `or` of as many branches; integrations stay near 25 (2.4).
_MOST_ALTERNATIVES = 500
_LINK_ENDS = re.compile(r"(?:^|&)(?:\$|%24)skip=\d+&(?:\$|%24)top=\d+$")


@dataclass(frozen=True)
class Options:
    """The query options of one request, checked against the entity set."""

    where: Node | None
    order: tuple[tuple[str, bool], ...]  # (property, descending)
    select: tuple[str, ...]
    expand: tuple[tuple[str, tuple[str, ...]], ...]  # (navigation property, properties selected there)
    top: int | None
    skip: int
    count: bool
    cross_company: bool


def options_of(entity: EntitySet, query: Mapping[str, str]) -> Options:
    """ODataError 400 for an option, a property or a value that is not known."""
    for name in query:
        if name not in _KNOWN and (name.startswith("$") or name.lower() == "cross-company"):
            raise ODataError(400, f"The query parameter '{name}' is not supported.")
    expand = expansions(entity, query.get("$expand", ""))
    where = Parser(query["$filter"]).tree() if query.get("$filter", "").strip() else None
    select = tuple(name for name in _names(query.get("$select", "")) if name != "*")
    for name in select:
        if name not in entity.properties:
            raise unknown_property(name, entity.type)
    return Options(
        where=where,
        order=_order(entity, query.get("$orderby", "")),
        select=tuple(dict.fromkeys(select)),
        expand=expand,
        top=_whole(query, "$top"),
        skip=_whole(query, "$skip") or 0,
        count=_yes(query, "$count"),
        cross_company=_yes(query, "cross-company"),
    )


_EXPANSION = re.compile(r"\s*(?P<name>[\w/]+)\s*(?:\((?P<inner>[^()]*(?:\([^()]*\)[^()]*)*)\))?\s*(?:,|$)")


def expansions(entity: EntitySet, text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """`Lines,Header($select=A,B)`; one level only (2.1): anything deeper is refused."""
    found = []
    at, end = 0, len(text.rstrip())
    while at < end:
        part = _EXPANSION.match(text, at)
        if not part:
            raise ODataError(400, f"Syntax error in $expand '{text}'.")
        name, inner = part["name"], part["inner"] or ""
        if "/" in name or "$expand" in inner:
            raise ODataError(400, "The request includes a $expand path which is too deep. The maximum depth is 1.")
        if name not in entity.navigation:
            raise ODataError(400, f"Property '{name}' on type '{entity.type}' is not a navigation property.")
        if inner and not inner.strip().startswith("$select="):
            raise ODataError(400, f"The option '{inner}' inside $expand is not supported.")
        found.append((name, _names(inner.strip().removeprefix("$select="))))
        at = part.end()
    return tuple(found)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _whole(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,9}", text):  # an Edm.Int32
        raise ODataError(400, f"Invalid value '{text}' for {name} query option found.")
    return int(text)


def _yes(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise ODataError(400, f"Invalid value '{text}' for {name} query option found.")
    return text == "true"


def _order(entity: EntitySet, text: str) -> tuple[tuple[str, bool], ...]:
    order = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        if name not in entity.properties:
            raise unknown_property(name, entity.type)
        if direction.strip() not in ("", "asc", "desc"):
            raise ODataError(400, f"Syntax error in $orderby '{text}'.")
        order.append((name, direction.strip() == "desc"))
    return tuple(order)


@dataclass
class Matches:
    """The rows that match, as stretches of one index (`sorted_rows` instead where no index has the order)."""

    index: Index
    stretches: list[tuple[int, int]]
    test: Test | None
    sorted_rows: list[Row] | None = None

    def count(self) -> int:
        if self.sorted_rows is not None:
            return len(self.sorted_rows)
        if self.test is None:
            return sum(end - start for start, end in self.stretches)
        return sum(1 for _ in self.rows(0))

    def rows(self, skip: int) -> Iterator[Row]:
        if self.sorted_rows is not None:
            return iter(self.sorted_rows[skip:])
        if self.test is not None:
            return islice(self._tested(), skip, None)
        return self._plain(skip)

    def _plain(self, skip: int) -> Iterator[Row]:
        for start, end in self.stretches:
            jump = min(skip, end - start)
            skip -= jump
            yield from self.index.rows(start + jump, end)

    def _tested(self) -> Iterator[Row]:
        test = self.test
        for start, end in self.stretches:
            for row in self.index.rows(start, end):
                if test is None or test(row):
                    yield row


def matches(table: Table, options: Options, company: str | None) -> Matches:
    """`company` is the only one the request may see; None sees all."""
    entity = table.entity
    test = test_of(entity, options.where) if options.where is not None else None
    visible = [company] if company is not None and not entity.is_shared else table.companies()
    plans = [_plan(table, index, options, visible, test) for index in table.indexes()]
    fitting = [plan for plan in plans if _in_order(plan.index, options.order, visible)]
    best = min(plans, key=lambda plan: _total(plan.stretches))
    if fitting:
        walk = min(fitting, key=lambda plan: _total(plan.stretches)) if options.order else best
        # Sorting a small stretch beats walking a large one.
        if not options.order or _total(walk.stretches) <= 20_000 + 4 * _total(best.stretches):
            return walk
    rows = list(best.rows(0))
    for name, descending in reversed(options.order):
        rows.sort(key=_by(name), reverse=descending)
    return Matches(best.index, best.stretches, None, rows)


def _by(name: str) -> Callable[[Row], tuple[int, Any]]:
    return lambda row: _sortable(row.get(name))


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _plan(table: Table, index: Index, options: Options, visible: Sequence[str], test: Test | None) -> Matches:
    parts = parts_of(options.where)
    best, exact = _stretches(table, index, parts, visible)
    for either in parts:
        if isinstance(either, Either) and not exact and len(either.parts) <= _MOST_ALTERNATIVES:
            others = [part for part in parts if part is not either]
            found = [_stretches(table, index, [*others, *parts_of(part)], visible) for part in either.parts]
            union = _joined(stretch for stretches, _ in found for stretch in stretches)
            if _total(union) < _total(best):
                best, exact = union, all(exactly for _, exactly in found)
    return Matches(index, best, None if exact else test)


def _stretches(
    table: Table, index: Index, parts: Sequence[Node], visible: Sequence[str]
) -> tuple[list[tuple[int, int]], bool]:
    """Where rows that pass can be, and whether all rows there do."""
    stretches, exact = [], True
    for found in _by_company(table.entity, parts, index.columns, visible):
        start, end = index.position(found.low), index.position(found.high)
        exact = exact and found.exact
        if start < end:
            stretches.append((start, end))
    return stretches, exact


def _joined(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same positions in order, none of them twice."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _total(stretches: Sequence[tuple[int, int]]) -> int:
    return sum(end - start for start, end in stretches)


def _by_company(
    entity: EntitySet, parts: Sequence[Node], columns: tuple[str, ...], visible: Sequence[str]
) -> Iterator[Bounds]:
    """One stretch over all companies where the filter leads with the company, else one for each."""
    whole = bounds(entity, parts, columns, None)
    if len(visible) > 1 and (whole.depth > 0 or not parts):
        yield whole
        return
    for company in visible:
        narrow = bounds(entity, parts, columns, company)
        # A keyset over (company, account) narrows as it stands; the company alone would hide it.
        if whole.depth and not narrow.exact and whole.exact:
            low, high = max(whole.low, (company,)), min(whole.high, (company, LAST))
            narrow = Bounds(low, high, True, whole.depth)
        yield narrow


def _in_order(index: Index, order: Sequence[tuple[str, bool]], visible: Sequence[str]) -> bool:
    """Whether walking the index gives this order; within one company the company does not count."""
    if any(descending for _, descending in order):
        return False
    names = [name for name, _ in order]
    columns = list(index.columns)
    if len(visible) <= 1:
        names = [name for name in names if name != "dataAreaId"]
        columns = [column for column in columns if column != "dataAreaId"]
    return names == columns[: len(names)] or names[: len(columns)] == columns


def limit_of(options: Options, page: int) -> int:
    return page if options.top is None else min(options.top, page)


def next_link(base: str, target: str, options: Options, given: int, page: int, more: bool) -> str:
    """Offset based, `$skip` and `$top` at the end (2.5); "" on the last page.

    A `$top` up to the page size is what the client asked for and ends there, except in a link of ours.
    """
    path, _, query = target.partition("?")
    ours = bool(_LINK_ENDS.search(query))
    endless = options.top is None or (ours and options.top == page)
    if not more or (not endless and (options.top or 0) <= given):
        return ""
    kept = [part for part in query.split("&") if part and not re.match(r"(\$|%24)(skip|top)=", part)]
    skip, top = options.skip + given, page if endless else (options.top or 0) - given
    ends = [f"$skip={skip}", f"$top={top}"]
    if not endless and top == page:
        ends.reverse()  # so that it is not taken for an endless one
    return f"{base}{quote(path, safe='/()=,%$' + chr(39))}?{'&'.join([*kept, *ends])}"
