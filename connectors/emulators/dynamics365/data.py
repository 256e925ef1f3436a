"""The `/data` service: routes, company scope, reads (dynamics365.md 2)."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from connectors.emulators.dynamics365 import metadata, metadata_service, page_faults, versions, writing
from connectors.emulators.dynamics365.batch import Atomic, answer_batch
from connectors.emulators.dynamics365.entity_sets.catalogue import Catalogue, catalogue
from connectors.emulators.dynamics365.query import limit_of, matches, next_link, options_of
from connectors.emulators.dynamics365.replies import ODataError, odata
from connectors.emulators.dynamics365.representation import Representation
from connectors.emulators.dynamics365.schema import ETAG, EntitySet
from connectors.emulators.dynamics365.tables import Renamed, Row, Table
from connectors.emulators.system import Request, Response

_PAGE = 10_000
_PATH = re.compile(r"^/data/(?P<set>[A-Za-z]\w*)(?:\((?P<key>.*)\))?(?P<count>/\$count)?/?$", re.DOTALL)
_KEY_PART = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<value>'(?:[^']|'')*'|[^',]+)\s*(?:,|$)")


class Tables(Mapping[str, Table]):
    """The tables under the names the tenant has for them."""

    def __init__(self, ours: Mapping[str, Table], shown: Catalogue) -> None:
        self._ours = ours
        self.catalogue = shown

    def __getitem__(self, name: str) -> Table:
        entity, table = self.catalogue.shown[name], self._ours[self.catalogue.base[name]]
        return table if table.entity is entity else Renamed(table, entity)

    def __iter__(self) -> Any:
        return iter(self.catalogue.shown)

    def __len__(self) -> int:
        return len(self.catalogue.shown)


class Data:
    """Serves the tables to whoever has passed the door; `company` is the caller's default company."""

    def __init__(self, tables: Mapping[str, Table], settings: Mapping[str, str], atomic: Atomic) -> None:
        self._atomic = atomic
        self._ours = tables
        self._settings = settings
        self._pages = page_faults.Pages()

    def tables(self) -> Tables:
        return Tables(self._ours, catalogue(self._settings))

    def handle(self, request: Request, company: str) -> Response:
        """ODataError for everything that is not answered with rows."""
        root = f"{request.base}/data"
        tables = self.tables()
        if request.method == "GET" and request.path.lower().startswith("/metadata/"):
            return metadata_service.answer(request.path, request.base, tables.catalogue.shown, request.query)
        if request.path.rstrip("/") == "/data":
            return odata(metadata.service_document(root, tables.catalogue.shown))
        if request.path == "/data/$metadata":
            document = metadata.edmx(tables.catalogue.shown)
            return Response(200, document, {"Content-Type": "application/xml", "OData-Version": "4.0"})
        if request.path == "/data/$batch" and request.method == "POST":
            return answer_batch(request, lambda part: self.handle(part, company), self._atomic)
        if known := versions.answer(request):
            return known
        found = _PATH.match(request.path)
        if not found or found["set"] not in tables:
            raise ODataError(404, f"No HTTP resource was found that matches the request URI '{root}'.")
        table = tables[found["set"]]
        if found["key"] is not None and not found["count"]:
            return self._one(request, table, tables, found["key"], company)
        if request.method == "POST" and not found["count"]:
            return writing.create(request, table, company)
        if request.method != "GET":
            raise ODataError(405, f"The requested resource does not support http method '{request.method}'.")
        return self._many(request, table, tables, company, bare_count=bool(found["count"]))

    def _many(self, request: Request, table: Table, tables: Tables, company: str, bare_count: bool) -> Response:
        entity = table.entity
        page_faults.refuse_stale(request)
        options = options_of(entity, request.query)
        found = matches(table, options, None if options.cross_company else company.lower())
        if bare_count:
            return Response(200, str(found.count()).encode(), {"Content-Type": "text/plain", "OData-Version": "4.0"})
        page = self._page_size(request)
        fault = request.fault or {}
        if repeated := self._pages.again(fault, entity.name):
            return repeated
        limit = page_faults.shortened(fault, limit_of(options, page))
        walk = found.rows(options.skip)
        shown = Representation(request, entity, tables.catalogue.base[entity.name], options, tables)
        rows = shown.rows(walk, limit)
        more = len(rows) == limit and next(islice(walk, 1), None) is not None
        count = found.count() if options.count else None
        link = next_link(request.base, request.target, options, len(rows), page, more)
        link = page_faults.link(fault, request, link)
        rows = self._pages.with_repeats(fault, entity.name, rows)
        answer = odata(shown.page(rows, count, link), records=len(rows), detail=shown.detail)
        self._pages.keep(entity.name, answer, rows)
        page_faults.mutate(fault, table, found.rows(options.skip))
        return answer

    def _page_size(self, request: Request) -> int:
        page = int(self._settings.get("page_size", str(_PAGE)))
        if self._settings.get("honour_maxpagesize") != "yes":
            return page
        asked = re.search(r"odata\.maxpagesize=(\d+)", request.headers.get("prefer", ""))
        return max(1, min(page, int(asked[1]))) if asked else page

    def _one(self, request: Request, table: Table, tables: Tables, key_text: str, company: str) -> Response:
        entity = table.entity
        key = key_of(entity, key_text)
        row = _row_of(table, key)
        scope = entity.is_shared or request.query.get("cross-company", "false").lower() == "true"
        if row is None or (not scope and str(key["dataAreaId"]).lower() != company.lower()):
            raise ODataError(404, f"No row of {entity.name} has this key in the companies you asked for.")
        if request.method in ("PATCH", "PUT", "DELETE"):
            return writing.change(request, table, row)
        if request.method != "GET":
            raise ODataError(405, f"The requested resource does not support http method '{request.method}'.")
        base = tables.catalogue.base[entity.name]
        shown = Representation(request, entity, base, options_of(entity, request.query), tables)
        return odata(shown.one(row), records=1, detail=shown.detail, ETag=str(row[ETAG]))


def key_of(entity: EntitySet, text: str) -> dict[str, Any]:
    """The key in a path such as `(dataAreaId='usmf',CustomerAccount='C-1')`; every key property is required (2.1)."""
    values: dict[str, Any] = {}
    if len(entity.key) == 1 and re.fullmatch(r"\s*'(?:[^']|'')*'\s*", text):
        return {entity.key[0]: text.strip()[1:-1].replace("''", "'")}
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
    columns = table.id_columns
    row = table.find("|".join(str(key[column]) for column in columns))
    if row is None:
        row = table.find("|".join(str(key[c]).lower() if c == "dataAreaId" else str(key[c]) for c in columns))
    # The rest of the key must agree too: the date and the voucher of an invoice are not part of its id.
    agrees = row is not None and all(str(row[name]) == str(value) for name, value in key.items() if name not in columns)
    return row if agrees else None
