"""Relational data: tables somebody set up, read and written in batches of up to 1000 records (contract 8).

Replies carry a code and a text.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.replies import ApiError, bare, body_json, reply, whole_number
from connectors.emulators.store import Record
from connectors.emulators.system import Response

BATCH = 1000
Row = dict[str, Any]


def _table(call: Call) -> Record:
    found = call.account.tables.get("/".join(call.parts))
    if found is None:
        raise ApiError(404, 15004, "Table not exists")
    return found


def _items(call: Call) -> list[Any]:
    try:
        items = body_json(call.request.body)
    except ApiError:
        raise ApiError(400, 15005, "Invalid JSON format") from None
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise ApiError(400, 15005, "Invalid JSON format")
    if len(items) > BATCH:
        raise ApiError(400, 15002, "Too many rows")
    return items


def _same_fields(items: Iterable[Row]) -> None:
    if len({frozenset(one) for one in items}) > 1:
        raise ApiError(400, 15001, "Fields are not the same in each record")


def _known_fields(table: Record, items: Iterable[Row], *, whole: bool = False) -> None:
    """Every column named is in the table; a whole record has every required one."""
    for item in items:
        wrong = sorted(set(item) - set(table["columns"]))
        wrong += [one for one in table["required"] if whole and item.get(one) is None]
        if wrong:
            raise ApiError(400, 15003, f"Missing fields: {', '.join(wrong)}")


def _criteria(table: Record, items: Iterable[Row]) -> None:
    for item in items:
        if not item:
            raise ApiError(400, 15008, "No criteria given")
        _known_fields(table, [item])
        if set(item) - set(table["indexed"]):
            raise ApiError(400, 15007, "Criteria fields are not indexed")


def _matching(rows: Iterable[Row], criteria: Mapping[str, Any]) -> list[Row]:
    return [row for row in rows if all(row.get(name) == value for name, value in criteria.items())]


def _done(call: Call, table: Record, rows: list[Row], verb: str, count: int) -> Response:
    call.account.tables.patch(table["id"], {"rows": rows})
    return bare({"replyCode": 0, "replyText": f"Rows {verb}: {count}"}, records=count)


def read(call: Call) -> Response:
    """All records, or those whose indexed columns have the values in the query; `limit` and `offset` page."""
    table = _table(call)
    criteria = {name: value for name, value in call.query.items() if name not in ("limit", "offset")}
    if criteria:
        _criteria(table, [criteria])
    limit, offset = (whole_number(call.query.get(name), name, at) for name, at in (("limit", BATCH), ("offset", 0)))
    found = [row for row in table["rows"] if all(str(row.get(name)) == value for name, value in criteria.items())]
    page = found[offset : offset + limit]
    return reply(page, records=len(page))


def insert(call: Call) -> Response:
    """Records whose key is there already are left as they are."""
    table, items = _table(call), _items(call)
    _same_fields(items)
    _known_fields(table, items, whole=True)
    return _merged(call, table, items, "inserted", lambda before, after: before)


def upsert(call: Call) -> Response:
    table, items = _table(call), _items(call)
    _same_fields(items)
    _known_fields(table, items, whole=True)
    return _merged(call, table, items, "upserted", lambda before, after: {**before, **after})


def _merged(call: Call, table: Record, items: list[Row], verb: str, both: Callable[[Row, Row], Row]) -> Response:
    rows = {_key(table, row): row for row in table["rows"]}
    count = 0
    for item in items:
        before = rows.get(_key(table, item))
        after = both(before, item) if before is not None else item
        count += after is not before
        rows[_key(table, item)] = after
    return _done(call, table, list(rows.values()), verb, count)


def _key(table: Record, row: Row) -> tuple[Any, ...]:
    return tuple(row.get(one) for one in table["key"])


def replace(call: Call) -> Response:
    """The whole table is what was sent."""
    table, items = _table(call), _items(call)
    _same_fields(items)
    _known_fields(table, items, whole=True)
    return _done(call, table, items, "replaced", len(items))


def update(call: Call) -> Response:
    table, items = _table(call), _items(call)
    searches, updates = ([one.get(name) or {} for one in items] for name in ("search", "update"))
    _criteria(table, searches)
    _known_fields(table, updates)
    rows = [dict(row) for row in table["rows"]]
    count = 0
    for search, changes in zip(searches, updates, strict=True):
        for row in _matching(rows, search):
            row.update(changes)
            count += 1
    return _done(call, table, rows, "updated", count)


def remove(call: Call) -> Response:
    """Records that match any of the criteria."""
    table, items = _table(call), _items(call)
    if not items:
        raise ApiError(400, 15008, "No criteria given")
    _criteria(table, items)
    gone = {id(row) for item in items for row in _matching(table["rows"], item)}
    rest = [row for row in table["rows"] if id(row) not in gone]
    return _done(call, table, rest, "deleted", len(gone))
