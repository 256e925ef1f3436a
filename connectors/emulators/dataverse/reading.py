"""Answers a read of many rows: which, in which order, one page of them (dynamics365.md 3.2)."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.paging import Position, link, position_of, skip_token, sortable
from connectors.emulators.dataverse.preferences import MOST_ROWS, Preferences
from connectors.emulators.dataverse.query import Options
from connectors.emulators.dataverse.replies import answer
from connectors.emulators.dataverse.representation import Representation
from connectors.emulators.dataverse.rows import Row
from connectors.emulators.dataverse.schema import Table
from connectors.emulators.system import Request, Response

_LIMIT = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"
_TOTAL = "Microsoft.Dynamics.CRM.totalrecordcount"


def page_size(organisation: Organisation, preferences: Preferences) -> int:
    most = min(MOST_ROWS, int(organisation.setting("page_size", str(MOST_ROWS))))
    return min(most, preferences.page) if preferences.page else most


def context(request: Request, table: Table, options: Options) -> str:
    """`@odata.context` of a page: selected and expanded names in brackets."""
    names = [*options.select, *(f"{found.name}({','.join(found.select)})" for found in options.expand)]
    bracket = f"({','.join(names)})" if names else ""
    return f"{request.base}/$metadata#{table.set_name}{bracket}"


def matching(organisation: Organisation, table: Table, options: Options, position: Position) -> Iterator[Row]:
    """Rows that pass, in order, from behind a position. Without an order they come by id."""
    rows, test, id_column = organisation.rows(table.name), options.test, table.id_column
    last_id = str(position.values[-1]) if position.values else ""
    if not options.order:
        return (row for row in rows.walk(last_id) if test is None or test(row))
    found, start = rows.in_order(options.order), 0
    if position.values:
        last = _Place(position.values[:-1], last_id, options.order)
        start = bisect_right(
            found, last, key=lambda row: _Place(sortable(row, options.order), row[id_column], options.order)
        )
    return (row for row in islice(found, start, None) if test is None or test(row))


class _Place:
    """Where a row stands in an order."""

    def __init__(self, values: Sequence[Any], row_id: str, order: Sequence[tuple[str, bool]]) -> None:
        self._values = values
        self._id = row_id
        self._order = order

    def __lt__(self, other: "_Place") -> bool:
        for first, second, (_, descending) in zip(self._values, other._values, self._order, strict=True):
            if first != second:
                return bool((first < second) != descending)
        return self._id < other._id


def count_of(organisation: Organisation, table: Table, options: Options) -> tuple[int, bool]:
    """How many rows match, never more than 5,000, and whether there are more (3.2)."""
    unlimited = Options(options.test, (), (), (), None, count=False)
    found = sum(1 for _ in islice(matching(organisation, table, unlimited, Position()), MOST_ROWS + 1))
    return min(found, MOST_ROWS), found > MOST_ROWS


def read_page(
    organisation: Organisation, table: Table, request: Request, options: Options, preferences: Preferences
) -> Response:
    token = request.query.get("$skiptoken", "")
    position = position_of(token) if token else Position()
    size = page_size(organisation, preferences)
    # `$top` counts for nothing beside maxpagesize (3.2).
    top = None if preferences.page else options.top
    limit = size if top is None else min(top, size)
    fault = request.fault or {}
    if fault.get("kind") == "partial":
        limit = min(limit, int(fault.get("rows", max(1, limit // 2))))
    walk = matching(organisation, table, options, position)
    rows = list(islice(walk, limit))
    more = next(walk, None) is not None and (top is None or fault.get("kind") == "partial")
    body: dict[str, Any] = {"@odata.context": context(request, table, options)}
    if options.count:
        body["@odata.count"], exceeded = count_of(organisation, table, options)
        if preferences.wants(_LIMIT):
            body[f"@{_TOTAL}"], body[f"@{_LIMIT}"] = body["@odata.count"], exceeded
    shown = Representation(organisation, table, options.select, preferences, options.expand)
    body["value"] = shown.many(rows)
    if more:
        token = next_token(table, options, position, rows)
        body["@odata.nextLink"] = link(request.base, request.target, skiptoken=token)
    return answer(body, records=len(rows), Preference_Applied=preferences.applied)


def next_token(table: Table, options: Options, position: Position, rows: Sequence[Row]) -> str:
    first, last = rows[0][table.id_column], rows[-1][table.id_column]
    values = [*sortable(rows[-1], options.order), last]
    behind = Position(position.page + 1, values, position.tracking, position.start)
    return skip_token(behind, table.id_column, first, last)
