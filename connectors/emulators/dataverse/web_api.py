"""The routes below `/api/data/v9.x/` of one organisation (dynamics365.md 3)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from connectors.emulators.dataverse import actions, associating, change_tracking, definitions, edmx, fetch_xml, multiple
from connectors.emulators.dataverse.addresses import Address, address_of
from connectors.emulators.dataverse.batch import Batch
from connectors.emulators.dataverse.errors import BAD_QUERY, DataverseError, missing_property
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.preferences import Preferences, preferences_of
from connectors.emulators.dataverse.query import options_of
from connectors.emulators.dataverse.reading import count_of, read_page
from connectors.emulators.dataverse.replies import answer, empty, encode, headers, plain
from connectors.emulators.dataverse.row_calls import RowCalls, shown
from connectors.emulators.dataverse.rows import Row, etag
from connectors.emulators.dataverse.schema import Table
from connectors.emulators.dataverse.sql_query import options_of_sql
from connectors.emulators.system import Request, Response

Page = Callable[["Call", Table], Response]
_ROOT = re.compile(r"/api/data/v9\.[0-2](?=/|$)")
_WRITES = ("PATCH", "PUT", "DELETE")


@dataclass(frozen=True)
class Call:
    """One request below the service root; `user` is the application that calls."""

    request: Request
    user: str

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def preferences(self) -> Preferences:
        return preferences_of(self.request.headers)


def below_root(request: Request) -> Request | None:
    """The request with the service root moved from its path into its base; None when it is not for the Web API."""
    found = _ROOT.match(request.path)
    if not found:
        return None
    root = found[0]
    return replace(
        request, path=request.path[len(root) :] or "/", target=request.target[len(root) :] or "/",
        base=request.base + root,
    )  # fmt: skip


class WebApi:
    """Answers calls of an application that may come in; DataverseError for everything that is refused."""

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self._last: dict[str, Response] = {}  # the page a `duplicate_page` fault gives once more

    def handle(self, call: Call) -> Response:
        path, organisation = call.path, self._organisation
        if path == "/":
            return answer(edmx.service_document(organisation, call.request.base))
        if path == "/$metadata":
            return Response(200, edmx.document(organisation), {**headers(), "Content-Type": "application/xml"})
        if path == "/$batch":
            return self._batch(call)
        if definitions.is_about(path):
            return definitions.called(organisation, call.request)
        if name := actions.named(path):
            return actions.called(organisation, name, call.request, path, call.user)
        address = address_of(organisation, path)
        return self._collection(call, address) if address.row_id is None else self._one(call, address)

    def _batch(self, call: Call) -> Response:
        if call.method != "POST":
            raise DataverseError(405, BAD_QUERY, "$batch is called with POST.")

        def handle(inner: Request) -> Response:
            if inner.path == "/$batch":
                raise DataverseError(400, BAD_QUERY, "A batch cannot hold a batch.")
            return self.handle(Call(inner, call.user))

        return Batch(self._organisation, call.request, handle, call.preferences.continue_on_error).answered()

    def _collection(self, call: Call, address: Address) -> Response:
        table = address.table
        if address.rest in multiple.NAMES:
            return multiple.called(self._organisation, table, address.rest, call.request, call.user)
        if call.method == "POST" and not address.rest:
            return self._writes(call).create(table)
        if call.method != "GET":
            raise DataverseError(
                405, BAD_QUERY, f"The requested resource does not support http method '{call.method}'."
            )
        if address.rest == "$count":
            return self._bare_count(call.request, table)
        if address.rest:
            raise DataverseError(404, BAD_QUERY, f"Resource not found for the segment '{address.rest}'.")
        return self._acted_out(call, table, self._page)

    def _writes(self, call: Call) -> RowCalls:
        return RowCalls(self._organisation, call.request, call.preferences, call.user)

    def _page(self, call: Call, table: Table) -> Response:
        preferences, query = call.preferences, call.request.query
        if "fetchXml" in query:
            return fetch_xml.read(self._organisation, table, call.request, preferences)
        if "sql" in query:
            options = options_of_sql(self._organisation, table, query["sql"])
        else:
            options = options_of(self._organisation, table, query)
        if change_tracking.is_asked_for(call.request, preferences):
            return change_tracking.read_changes(self._organisation, table, call.request, options, preferences)
        return read_page(self._organisation, table, call.request, options, preferences)

    def _acted_out(self, call: Call, table: Table, page: Page) -> Response:
        """The faults only a page can act out: the last page once more, or a link back to the same page."""
        kind = (call.request.fault or {}).get("kind")
        if kind == "duplicate_page" and table.name in self._last:
            return self._last[table.name]
        found = page(call, table)
        if kind == "repeat_next_link":
            return repeated(found, call.request)
        self._last[table.name] = found
        return found

    def _bare_count(self, request: Request, table: Table) -> Response:
        if "$deltatoken" in request.query:
            return change_tracking.count_changes(self._organisation, table, request)
        options = options_of(self._organisation, table, request.query)
        return plain(str(count_of(self._organisation, table, options)[0]))

    def _one(self, call: Call, address: Address) -> Response:
        if address.rest:
            return self._below(call, address)
        if call.method in ("PATCH", "PUT"):
            return self._writes(call).change(address)
        if call.method == "DELETE":
            return self._writes(call).delete(address)
        if call.method != "GET":
            raise DataverseError(
                405, BAD_QUERY, f"The requested resource does not support http method '{call.method}'."
            )
        row = self._organisation.found(address.table, address.row_id or str(dict(address.key)))
        if call.request.headers.get("if-none-match") == etag(row):
            return empty(304)
        return shown(self._organisation, call.request, address.table, row, call.preferences)

    def _below(self, call: Call, address: Address) -> Response:
        """A relationship of the row, or one of its columns."""
        step = associating.step_of(self._organisation, address)
        if step is not None:
            return associating.taken(self._organisation, step, address, call.request, call.preferences, call.user)
        if call.method in _WRITES:
            return self._writes(call).change_property(address)
        row = self._organisation.found(address.table, address.row_id or "")
        return self._property(call, address.table, row, address.rest)

    def _property(self, call: Call, table: Table, row: Row, name: str) -> Response:
        bare = name.removesuffix("/$value")
        if bare not in table.properties:
            raise missing_property(bare, table.type)
        value = row.get(bare)
        if value is None:
            return empty(204)
        if name != bare:
            return plain(str(value))
        context = f"{call.request.base}/$metadata#{table.set_name}({row[table.id_column]})/{bare}"
        return answer({"@odata.context": context, "value": value}, records=1)


def repeated(page: Response, request: Request) -> Response:
    """The page with a link to itself instead of the next one."""
    body = msgspec.json.decode(page.body)
    body["@odata.nextLink"] = f"{request.base}{request.target}"
    return replace(page, body=encode(body))
