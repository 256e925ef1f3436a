"""A small Dataverse for tests: change tracking, pages by cookie, If-Match. It keeps what it was asked."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

Row = dict[str, Any]
API = "/api/data/v9.2/"
IDS = {
    "contacts": "contactid",
    "accounts": "accountid",
    "msdynmkt_contactpointconsent4s": "msdynmkt_contactpointconsent4id",
}
_TERM = re.compile(r"(\w+) (eq|ge) ('(?:[^']|'')*'|[^\s()]+)")


def guid(number: int, kind: str = "c") -> str:
    return f"00000000-0000-0000-0000-{kind}{number:011x}"


def contact(number: int, **values: Any) -> Row:
    return {
        "contactid": guid(number), "msdyn_contactpersonid": f"C-{number}", "firstname": "Ana", "lastname": f"N{number}",
        "emailaddress1": f"c{number}@example.com", "donotbulkemail": False, "donotemail": False, "donotsendmm": False,
        "statecode": 0, "merged": False, "_masterid_value": None, "modifiedon": "2026-01-01T00:00:00Z", **values,
    }  # fmt: skip


def refusal(status: int, code: str, message: str, **headers: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": message}})
    return Response(body, status, content_type="application/json", headers=headers)


class WebApi:
    """`tables` by set name; `page` is the most rows in an answer; `before` may answer in its place."""

    def __init__(self, server: HTTPServer, tables: dict[str, list[Row]], page: int = 5000) -> None:
        self.tables = {name: {row[IDS[name]]: dict(row) for row in rows} for name, rows in tables.items()}
        self.page, self.server = page, server
        self.version = 1000
        self.versions: dict[str, int] = {}
        self.deleted: list[tuple[int, str, str]] = []
        self.asked: list[Request] = []
        self.patched: list[tuple[str, str, Row]] = []
        self.before: Callable[[Request], Response | None] = lambda request: None
        self.tracked = {"contact", "account", "msdynmkt_contactpointconsent4"}
        self.columns = {"contacts": set(contact(1)), "accounts": {"accountid"}}
        for rows in self.tables.values():
            for key in rows:
                self._stamp(key)
        server.expect_request("/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
        server.expect_request(re.compile(f"{API}.*")).respond_with_handler(self._answer)

    # ---------------------------------------------------------------------------------------- what happens there

    def change(self, table: str, key: str, **values: Any) -> None:
        self.tables[table].setdefault(key, {IDS[table]: key}).update(values)
        self._stamp(key)

    def delete(self, table: str, key: str) -> None:
        self.tables[table].pop(key, None)
        self.version += 1
        self.deleted.append((self.version, table, key))

    def merge(self, lost: str, into: str) -> None:
        self.change("contacts", lost, statecode=1, statuscode=2, merged=True, _masterid_value=into)

    def _stamp(self, key: str) -> None:
        self.version += 1
        self.versions[key] = self.version

    # ---------------------------------------------------------------------------------------- what it answers

    def paths(self) -> list[str]:
        return [unquote(request.full_path) for request in self.asked]

    def _answer(self, request: Request) -> Response:
        path = request.path.removeprefix(API)
        if path == "$metadata":
            return Response("", 404)
        self.asked.append(request)
        early = self.before(request)
        if early:
            return early
        if path == "EntityDefinitions":
            return self._json({"value": [{"LogicalName": name} for name in sorted(self.tracked)]})
        if request.method == "PATCH":
            return self._patch(path, request)
        return self._read(path, request)

    def _read(self, table: str, request: Request) -> Response:
        options, prefer = request.args, request.headers.get("Prefer", "")
        tracking = "odata.track-changes" in prefer or "istracking" in options.get("$skiptoken", "")
        if tracking and {"$filter", "$orderby", "$top"} & options.keys():
            return refusal(400, "0x80060888", "The query parameter isn't supported when Change Tracking is enabled.")
        if "$skip" in options:
            return refusal(400, "0x80060888", "Skip Clause is not supported in CRM")
        if "$deltatoken" in options:
            return self._changes(table, int(options["$deltatoken"].split("!")[0]), options)
        size = min(self.page, int((re.search(r"maxpagesize=(\d+)", prefer) or ["", "5000"])[1]))
        found = self._found(table, options)
        return self._page(table, found, size, tracking, options)

    def _found(self, table: str, options: Any) -> list[Row]:
        rows = [row for row in self.tables[table].values() if matches(options.get("$filter", ""), row)]
        return sorted(
            rows,
            key=lambda row: [str(row.get(name, "")) for name in (options.get("$orderby") or IDS[table]).split(",")],
        )

    def _changes(self, table: str, since: int, options: Any) -> Response:
        rows = [row for key, row in self.tables[table].items() if self.versions[key] > since]
        rows.sort(key=lambda row: self.versions[row[IDS[table]]])
        told = f"{self._base}$metadata#{table}/$deletedEntity"
        lost = [{"@odata.context": told, "id": key, "reason": "deleted"}
                for version, name, key in self.deleted if name == table and version > since]  # fmt: skip
        return self._page(table, [*rows, *lost], self.page, True, options)

    def _page(self, table: str, rows: list[Row], size: int, tracking: bool, options: Any) -> Response:
        start = int((re.search(r'pagenumber="(\d+)"', options.get("$skiptoken", "")) or ["", "1"])[1]) - 1
        part = rows[start * size : (start + 1) * size]
        page: Row = {"value": [self._shown(table, row, options.get("$select", "")) for row in part]}
        if options.get("$count"):
            page["@odata.count"] = min(len(rows), 5000)
        kept = "&".join(
            f"{name}={quote(options[name])}"
            for name in ("$select", "$filter", "$orderby", "$deltatoken")
            if name in options
        )
        if len(rows) > (start + 1) * size:
            tracks = "istracking" if tracking else "isother"
            inner = quote("<cookie page=")
            cookie = f'<cookie pagenumber="{start + 2}" pagingcookie="{inner}{start + 1}" {tracks}="True" />'
            page["@odata.nextLink"] = f"{self._base}{table}?{kept}&$skiptoken={quote(cookie)}"
        elif tracking:
            select = quote(options.get("$select", ""), safe=",")
            token = quote(f"{self.version}!11/22/2026 09:00:00", safe="")
            page["@odata.deltaLink"] = f"{self._base}{table}?$select={select}&$deltatoken={token}"
        return self._json(page)

    def _shown(self, table: str, row: Row, select: str) -> Row:
        if "reason" in row:
            return row
        key = row[IDS[table]]
        wanted = {name: row[name] for name in (*select.split(","), IDS[table]) if name in row}
        return {"@odata.etag": f'W/"{self.versions[key]}"', **wanted}

    def _patch(self, path: str, request: Request) -> Response:
        found = re.fullmatch(r"(\w+)\(([^)]+)\)", path)
        assert found
        table, key = found[1], found[2]
        match = request.headers.get("If-Match", "")
        self.patched.append((key, match, json.loads(request.data)))
        row = self.tables[table].get(key)
        if row is None:
            if not match:
                raise AssertionError("a PATCH without If-Match creates a row")
            return refusal(404, "0x80040217", f"contact With Id = {key} Does Not Exist")
        if match not in ("*", f'W/"{self.versions[key]}"'):
            return refusal(
                412, "", "The version of the existing record doesn't match the RowVersion property provided."
            )
        if row.get("statecode") == 1:
            return refusal(400, "0x80040203", "The contact is inactive.")
        self.change(table, key, **json.loads(request.data))
        if "return=representation" not in request.headers.get("Prefer", ""):
            return Response("", 204, headers={"OData-EntityId": f"{self._base}{path}"})
        return self._json(self._shown(table, row, request.args.get("$select", "")))

    @property
    def _base(self) -> str:
        return self.server.url_for(API)

    def _json(self, value: Any) -> Response:
        return Response(json.dumps(value), 200, content_type="application/json")


def matches(expression: str, row: Row) -> bool:
    """Whether the row fits the filter; only what we send is understood."""
    if not expression:
        return True

    def term(found: re.Match[str]) -> str:
        name, operator, literal = found.groups()
        value = row.get(name)
        wanted = literal[1:-1].replace("''", "'") if literal.startswith("'") else literal
        held = str(value) if value is not None else ""
        return str(held >= wanted if operator == "ge" else held.lower() == wanted.lower())

    return bool(eval(_TERM.sub(term, expression), {"__builtins__": {}}))
