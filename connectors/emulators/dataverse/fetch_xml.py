"""`?fetchXml=`: a query on one table with filters, orders and pages (what the independent clients send).

Joins (`link-entity`) and aggregates are refused.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from lxml import etree

from connectors.emulators.dataverse.errors import DataverseError, missing_property
from connectors.emulators.dataverse.filter_values import Row, Test, comparable, comparison, family, moment
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.paging import Position, inner_position, outer_cookie, sortable
from connectors.emulators.dataverse.preferences import MOST_ROWS, Preferences
from connectors.emulators.dataverse.query import Options
from connectors.emulators.dataverse.reading import count_of, matching
from connectors.emulators.dataverse.replies import answer
from connectors.emulators.dataverse.representation import Representation
from connectors.emulators.dataverse.schema import Column, Table
from connectors.emulators.system import Request, Response

_COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
_MORE = "Microsoft.Dynamics.CRM.morerecords"
_COMPARED = {"eq": "eq", "ne": "ne", "neq": "ne", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le",
             "on-or-after": "ge", "on-or-before": "le"}  # fmt: skip
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "begins-with": str.startswith,
    "ends-with": str.endswith,
    "like": lambda value, pattern: _like(value, pattern),
}


def _refused(words: str) -> DataverseError:
    return DataverseError(400, "0x80041103", f"Invalid FetchXML: {words}.")


def _parsed(text: str, table: Table) -> tuple[Any, Any]:
    """The `fetch` and `entity` elements; no entities are resolved."""
    try:
        fetch = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise _refused(str(error)) from None
    entity = fetch.find("entity")
    if fetch.tag != "fetch" or entity is None or entity.get("name") != table.name:
        raise _refused(f"a fetch on the entity '{table.name}' is expected")
    if fetch.get("aggregate") == "true" or entity.find(".//link-entity") is not None:
        raise _refused("this emulator knows neither aggregates nor link-entity")
    return fetch, entity


def read(organisation: Organisation, table: Table, request: Request, preferences: Preferences) -> Response:
    fetch, entity = _parsed(request.query["fetchXml"], table)
    options = _options(table, fetch, entity)
    page = _whole(fetch, "page") or 1
    size = min(_whole(fetch, "count") or MOST_ROWS, MOST_ROWS)
    cookie = fetch.get("paging-cookie")
    position = inner_position(cookie, page) if cookie else Position(page)
    walk = matching(organisation, table, options, position)
    if not cookie:
        walk = islice(walk, (page - 1) * size, None)
    rows = list(islice(walk, size if options.top is None else min(size, options.top)))
    body: dict[str, Any] = {"@odata.context": f"{request.base}/$metadata#{table.set_name}"}
    if options.count:
        body["@Microsoft.Dynamics.CRM.totalrecordcount"], _ = count_of(organisation, table, options)
    if rows and options.top is None and next(walk, None) is not None:
        ends = rows[0][table.id_column], rows[-1][table.id_column]
        behind = Position(page + 1, [*sortable(rows[-1], options.order), ends[1]])
        body[f"@{_COOKIE}"], body[f"@{_MORE}"] = outer_cookie(behind, table.id_column, *ends), True
    body["value"] = Representation(organisation, table, options.select, preferences).many(rows)
    return answer(body, records=len(rows), Preference_Applied=preferences.applied)


def _options(table: Table, fetch: Any, entity: Any) -> Options:
    names = [_column(table, found.get("name")).property_name for found in entity.findall("attribute")]
    orders = entity.findall("order")
    tests = [_filter(table, found) for found in entity.findall("filter")]
    return Options(
        test=(lambda row: all(test(row) for test in tests)) if tests else None,
        select=() if entity.find("all-attributes") is not None else tuple(dict.fromkeys(names)),
        order=tuple((_column(table, o.get("attribute")).property_name, o.get("descending") == "true") for o in orders),
        expand=(),
        top=_whole(fetch, "top"),
        count=fetch.get("returntotalrecordcount") == "true",
    )


def _whole(element: Any, name: str) -> int | None:
    text = element.get(name)
    if text is None:
        return None
    if not text.isdigit() or int(text) == 0:
        raise _refused(f"{name} must be a whole number above 0, not '{text}'")
    return int(text)


def _column(table: Table, name: str | None) -> Column:
    column = table.columns.get(name or "")
    if column is None:
        raise missing_property(str(name), table.type)
    return column


def _filter(table: Table, element: Any) -> Test:
    tests = list(_tests(table, element))
    if element.get("type") == "or":
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _tests(table: Table, element: Any) -> Iterator[Test]:
    for child in element:
        if child.tag == "filter":
            yield _filter(table, child)
        elif child.tag == "condition":
            yield _condition(table, child)


def _condition(table: Table, element: Any) -> Test:
    column, operator = _column(table, element.get("attribute")), str(element.get("operator"))
    values = [str(found.text) for found in element.findall("value")] or [str(element.get("value", ""))]

    def left(row: Row) -> Any:
        return comparable(column.kind, row.get(column.property_name))

    if operator in ("null", "not-null"):
        return lambda row: (left(row) is None) == (operator == "null")
    positive = operator.removeprefix("not-")
    if positive in _TEXT:
        passes, wanted = _TEXT[positive], values[0].casefold()
        return lambda row: passes(left(row) or "", wanted) == (positive == operator)
    literals = [_literal(column, value) for value in values]
    if positive == "in":
        return lambda row: (left(row) in literals) == (positive == operator)
    if operator == "between" and len(literals) == 2:
        return lambda row: left(row) is not None and literals[0] <= left(row) <= literals[1]
    if operator not in _COMPARED:
        raise _refused(f"this emulator does not know the operator '{operator}'")
    return comparison(_COMPARED[operator], left, lambda row: literals[0])


def _literal(column: Column, text: str) -> Any:
    """FetchXML writes every value as text."""
    group = family(column.kind)
    if group == "bool":
        return text.lower() in ("1", "true")
    try:
        if group == "number":
            return float(text) if "." in text else int(text)
    except ValueError:
        raise _refused(f"'{text}' is no value for '{column.name}'") from None
    return moment(text) if group == "moment" else comparable(column.kind, text.strip("{}"))


def _like(value: str, pattern: str) -> bool:
    inner = pattern.strip("%")
    if pattern.startswith("%") and pattern.endswith("%"):
        return inner in value
    if pattern.startswith("%"):
        return value.endswith(inner)
    return value.startswith(inner) if pattern.endswith("%") else value == inner
