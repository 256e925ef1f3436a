"""An OData v4 service that is no Dynamics: a small shop system with names, types and manners of its own.

Below /odata/v4/shop.svc: no companies, snake_case columns, pages of its own size with relative `$skiptoken` links,
Int64 and Decimal as text (IEEE754Compatible), null for nothing, dates as Edm.Date, statuses as plain text. It
refuses what it does not know: a set, a column, a query option, a literal of the wrong type.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

Row = dict[str, Any]
Test = Callable[[Row], bool]
ROOT = "/odata/v4/shop.svc/"
OPTIONS = {"$filter", "$select", "$orderby", "$top", "$count", "$skiptoken"}
_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[(),]|[^\s(),']+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


class RefusedError(Exception):
    """What the caller asked for is not served: 400."""


class ShopServer:
    """`sets` by name: the columns with their types, the key, and the rows."""

    def __init__(self, server: HTTPServer, sets: dict[str, tuple[dict[str, str], str, list[Row]]]) -> None:
        self.sets, self.page, self.asked = sets, 3, list[Request]()
        self.describes_itself = True
        server.expect_request(re.compile(re.escape(ROOT) + ".*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix(ROOT)
        if name == "$metadata":
            body = self._metadata() if self.describes_itself else ""
            return Response(body, 200 if body else 404, content_type="application/xml")
        self.asked.append(request)
        try:
            found = self._page(name, dict(parse_qsl(request.query_string.decode())))
        except RefusedError as error:
            return Response(json.dumps({"error": {"code": "BadRequest", "message": str(error)}}), 400)
        return Response(json.dumps(found), content_type="application/json;IEEE754Compatible=true")

    def _page(self, name: str, options: dict[str, str]) -> Row:
        if name not in self.sets:
            raise RefusedError(f"Resource not found for the segment '{name}'.")
        if unknown := set(options) - OPTIONS:
            raise RefusedError(f"The query option '{unknown.pop()}' is not supported.")
        types, key, rows = self.sets[name]
        if "$filter" in options:
            fits = Filter(options["$filter"], types).test()
            rows = [row for row in rows if fits(row)]
        for column in reversed([*options.get("$orderby", "").split(","), key]):
            rows = sorted(rows, key=lambda row, name=column: row[known(name, types)]) if column else rows
        start = int(options.get("$skiptoken", 0))
        end = min(int(options.get("$top", 10**9)), start + self.page)
        columns = [known(column, types) for column in options["$select"].split(",")]
        page: Row = {
            "@odata.context": f"$metadata#{name}",
            "value": [shown(row, columns, types) for row in rows[start:end]],
        }
        if end < min(len(rows), int(options.get("$top", 10**9))):
            page["@odata.nextLink"] = f"{name}?$skiptoken={end}"
        return page

    def _metadata(self) -> str:
        types = "".join(
            f'<EntityType Name="{name}Type">'
            + "".join(f'<Property Name="{column}" Type="{kind}"/>' for column, kind in columns.items())
            + "</EntityType>"
            for name, (columns, _, _) in self.sets.items()
        )
        sets = "".join(f'<EntitySet Name="{name}" EntityType="Shop.{name}Type"/>' for name in self.sets)
        return (
            '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
            f'<Schema Namespace="Shop" xmlns="http://docs.oasis-open.org/odata/ns/edm">{types}'
            f'<EntityContainer Name="C">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
        )


def known(column: str, types: dict[str, str]) -> str:
    if column not in types:
        raise RefusedError(f"Could not find a property named '{column}'.")
    return column


def shown(row: Row, columns: list[str], types: dict[str, str]) -> Row:
    found: Row = {"@odata.etag": f'W/"{id(row)}"'}
    for column in columns:
        value = row[column]
        found[column] = str(value) if value is not None and types[column] in ("Edm.Int64", "Edm.Decimal") else value
    return found


class Filter:
    """`$filter` by recursive descent: `or` below `and` below comparisons and parentheses."""

    def __init__(self, text: str, types: dict[str, str]) -> None:
        self._words, self._types = _TOKEN.findall(text), types

    def test(self) -> Test:
        found = self._any()
        if self._words:
            raise RefusedError(f"Syntax error at '{self._words[0]}'.")
        return found

    def _any(self) -> Test:
        tests = [self._all()]
        while self._words[:1] == ["or"]:
            self._words.pop(0)
            tests.append(self._all())
        return lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._words[:1] == ["and"]:
            self._words.pop(0)
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        word = self._words.pop(0)
        if word == "(":
            inner = self._any()
            if self._words.pop(0) != ")":
                raise RefusedError("A parenthesis is not closed.")
            return inner
        column, compare = known(word, self._types), _COMPARE[self._words.pop(0)]
        value = self._literal(self._words.pop(0), self._types[column])
        return lambda row: row[column] is not None and compare(row[column], value)

    @staticmethod
    def _literal(word: str, kind: str) -> Any:
        forms = {
            "Edm.String": r"'.*'",
            "Edm.Int64": r"-?\d+",
            "Edm.Date": r"\d{4}-\d\d-\d\d",
            "Edm.DateTimeOffset": r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)",
        }
        if not re.fullmatch(forms[kind], word):
            raise RefusedError(f"A literal of type {kind} was expected, not {word}.")
        return word[1:-1].replace("''", "'") if kind == "Edm.String" else int(word) if kind == "Edm.Int64" else word
