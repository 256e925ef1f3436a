"""The `/data` service: routes, company scope, reads and writes (dynamics365.md 2)."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec

from connectors.emulators.dynamics365 import metadata, metadata_service
from connectors.emulators.dynamics365.query import (
    limit_of,
    matches,
    next_link,
    options_of,
)
from connectors.emulators.dynamics365.replies import ODataError, encode, odata, unknown_property
from connectors.emulators.dynamics365.representation import Representation
from connectors.emulators.dynamics365.schema import ENUMS, ETAG, NAMESPACE, EntitySet
from connectors.emulators.dynamics365.tables import RecordTable, Row, Table
from connectors.emulators.system import Request, Response

_PAGE = 10_000
_PATH = re.compile(r"^/data/(?P<set>[A-Za-z]\w*)(?:\((?P<key>.*)\))?(?P<count>/\$count)?/?$", re.DOTALL)
_KEY_PART = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<value>'(?:[^']|'')*'|[^',]+)\s*(?:,|$)")
_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "date": str, "decimal": (int, float), "int": int}


class Data:
    """Serves the tables to whoever has passed the door; `company` is the caller's default company."""

    def __init__(self, tables: Mapping[str, Table], settings: Mapping[str, str]) -> None:
        self._tables = tables
        self._settings = settings
        self._last: dict[str, Response] = {}  # the page a `duplicate_page` fault gives once more

    def handle(self, request: Request, company: str) -> Response:
        """ODataError for everything that is not answered with rows."""
        root = f"{request.base}/data"
        if request.method == "GET" and request.path.lower().startswith("/metadata/"):
            return metadata_service.answer(request.path, request.base)
        if request.path.rstrip("/") == "/data":
            return odata(metadata.service_document(root))
        if request.path == "/data/$metadata":
            return Response(200, metadata.edmx(), {"Content-Type": "application/xml", "OData-Version": "4.0"})
        found = _PATH.match(request.path)
        if not found or found["set"] not in self._tables:
            raise ODataError(404, f"No HTTP resource was found that matches the request URI '{root}'.")
        table = self._tables[found["set"]]
        if found["key"] is not None:
            return self._one(request, table, found["key"], company)
        if request.method == "POST" and not found["count"]:
            return self._create(request, table)
        if request.method != "GET":
            raise ODataError(405, f"The requested resource does not support http method '{request.method}'.")
        return self._many(request, table, company, bare_count=bool(found["count"]))

    def _many(self, request: Request, table: Table, company: str, bare_count: bool) -> Response:
        entity = table.entity
        options = options_of(entity, request.query)
        found = matches(table, options, None if options.cross_company else company.lower())
        if bare_count:
            return Response(200, str(found.count()).encode(), {"Content-Type": "text/plain", "OData-Version": "4.0"})
        page = int(self._settings.get("page_size", str(_PAGE)))
        if self._settings.get("honour_maxpagesize") == "yes":
            asked = re.search(r"odata\.maxpagesize=(\d+)", request.headers.get("prefer", ""))
            page = min(page, int(asked[1])) if asked else page
        limit = limit_of(options, page)
        fault = request.fault or {}
        if fault.get("kind") == "duplicate_page" and entity.name in self._last:
            return self._last[entity.name]
        if fault.get("kind") == "partial":
            limit = min(limit, int(fault.get("rows", max(1, limit // 2))))
        walk = found.rows(options.skip)
        shown = Representation(request, entity, options, self._tables)
        rows = shown.rows(walk, limit)
        more = len(rows) == limit and next(islice(walk, 1), None) is not None
        count = found.count() if options.count else None
        link = next_link(request.base, request.target, options, len(rows), page, more)
        if fault.get("kind") == "repeat_next_link":
            link = f"{request.base}{request.target}"
        answer = odata(shown.page(rows, count, link), records=len(rows), detail=shown.detail)
        self._last[entity.name] = answer
        return answer

    def _one(self, request: Request, table: Table, key_text: str, company: str) -> Response:
        entity = table.entity
        key = key_of(entity, key_text)
        cross_company = request.query.get("cross-company", "false").lower() == "true"
        row = _row_of(table, key)
        if row is None or (not cross_company and str(key["dataAreaId"]).lower() != company.lower()):
            raise ODataError(404, f"No row of {entity.name} has this key in the companies you asked for.")
        if request.method in ("PATCH", "PUT", "DELETE"):
            return self._change(request, table, row)
        if request.method != "GET":
            raise ODataError(405, f"The requested resource does not support http method '{request.method}'.")
        shown = Representation(request, entity, options_of(entity, request.query), self._tables)
        return odata(shown.one(row), records=1, detail=shown.detail, ETag=str(row[ETAG]))

    def _change(self, request: Request, table: Table, row: Row) -> Response:
        if not isinstance(table, RecordTable) or not table.entity.writable:
            raise ODataError(400, f"Write failed for table row of type '{table.entity.type}'. The entity is read-only.")
        with table.records.lock:
            current = table.records.get(table.id_of(row))
            wanted = request.headers.get("if-match", "*")
            if current is None or wanted not in ("*", current[ETAG]):
                raise ODataError(412, "The record has been changed by another user.")
            if request.method == "DELETE":
                table.records.delete(table.id_of(row))
                return Response(204, headers={"OData-Version": "4.0"}, records=1)
            changes = _body(table.entity, request.body)
            for name in table.entity.key:
                if name in changes and changes[name] != current[name]:
                    raise ODataError(400, f"The key property '{name}' cannot be changed.")
            base = {} if request.method == "PUT" else current
            stored = table.completed(table.id_of(row), {**base, **changes})
            table.records.put(table.id_of(row), stored)
            return Response(204, headers={"OData-Version": "4.0", "ETag": stored[ETAG]}, records=1)

    def _create(self, request: Request, table: Table) -> Response:
        entity = table.entity
        if not isinstance(table, RecordTable) or not entity.writable:
            raise ODataError(400, f"Write failed for table row of type '{entity.type}'. The entity is read-only.")
        values = _body(entity, request.body)
        for name in entity.key:
            if not values.get(name):
                raise ODataError(400, f"Field '{name}' must be filled in.")
        values["dataAreaId"] = values["dataAreaId"].lower()
        with table.records.lock:
            key = table.id_of(values)
            if key in table.records:
                raise ODataError(400, f"Cannot create a record in {entity.name}. The record already exists.")
            stored = table.completed(key, values)
            table.records.put(key, stored)
        context = f"{request.base}/data/$metadata#{entity.name}/$entity"
        shown_key = ",".join(f"{name}='{values[name]}'" for name in entity.key)
        location = f"{request.base}/data/{entity.name}({shown_key})"
        return odata(encode({"@odata.context": context, **stored}), 201, 1, Location=location, ETag=stored[ETAG])


def key_of(entity: EntitySet, text: str) -> dict[str, Any]:
    """The key in a path such as `(dataAreaId='usmf',CustomerAccount='C-1')`; every key property is required (2.1)."""
    values: dict[str, Any] = {}
    at = 0
    while at < len(text):
        found = _KEY_PART.match(text, at)
        if not found or found["name"] not in entity.key or found["name"] in values:
            raise ODataError(400, f"The key in the request URI is not valid for resource '{entity.name}'.")
        raw = found["value"].strip()
        values[found["name"]] = raw[1:-1].replace("''", "'") if raw.startswith("'") else raw
        at = found.end()
    missing = [name for name in entity.key if name not in values]
    if missing:
        words = f"The number of keys specified in the URI does not match number of key properties for '{entity.name}'"
        raise ODataError(400, f"{words}: {', '.join(missing)} missing.")
    return values


def _row_of(table: Table, key: Mapping[str, Any]) -> Row | None:
    columns = table.id_columns if isinstance(table, RecordTable) else table.entity.key
    row = table.find("|".join(str(key[column]) for column in columns))
    if row is None:
        row = table.find("|".join(str(key[c]).lower() if c == "dataAreaId" else str(key[c]) for c in columns))
    # The rest of the key must agree too: the date and the voucher of an invoice are not part of its id.
    agrees = row is not None and all(str(row[name]) == str(value) for name, value in key.items() if name not in columns)
    return row if agrees else None


def _body(entity: EntitySet, body: bytes) -> dict[str, Any]:
    """A payload whose names and types fit the entity; null becomes the property's empty value (2.2)."""
    try:
        values = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ODataError(400, f"An error occurred while reading the payload: {error}.") from None
    if not isinstance(values, dict):
        raise ODataError(400, "An unexpected 'StartArray' node was found in the payload.")
    checked = {}
    for name, value in values.items():
        if name.startswith("@"):
            continue
        if name not in entity.properties:
            raise ODataError(400, unknown_property(name, entity.type).message.replace("Could not find a property named",
                             "The property").replace(" on type", " does not exist on type"))  # fmt: skip
        declared = entity.properties[name]
        if value is None:
            value = declared.default
        elif declared.kind in ENUMS and value not in ENUMS[declared.kind]:
            raise ODataError(400, f"Requested value '{value}' was not found in '{NAMESPACE}.{declared.kind}'.")
        elif declared.kind in _TYPES and (isinstance(value, bool) or not isinstance(value, _TYPES[declared.kind])):
            raise ODataError(400, f"Cannot convert a value of property '{name}' to the expected type '{declared.edm}'.")
        checked[name] = value
    return checked
