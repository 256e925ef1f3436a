"""Endpoints of exports: five ways to ask for one, its status, its file (contract 3.11)."""

from datetime import datetime, timedelta
from typing import Any

from connectors.emulators.emarsys import export_requests
from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.export_files import lines_of
from connectors.emulators.emarsys.export_requests import invalid
from connectors.emulators.emarsys.exports import DONE, ERROR, shown
from connectors.emulators.emarsys.replies import ApiError, reply, whole_number
from connectors.emulators.store import Record
from connectors.emulators.system import Response

_MOST_ROWS = 10_000_000
_SAME = "An export with the same setting is currently running. It is not possible to run the same export twice."


def changes(call: Call) -> Response:
    request = export_requests.common(call)
    origin, numbers = export_requests.origin(request)
    between = _texts(export_requests.time_range(request, days_only=True))
    return _start(call, "changes", request | {"origin": origin, "origin_ids": numbers, "between": between})


def registrations(call: Call) -> Response:
    request = export_requests.common(call)
    between = _texts(export_requests.time_range(request))
    listed = export_requests.contact_list(call)
    return _start(call, "registrations", request | {"between": between, "contactlist": listed})


def responses(call: Call) -> Response:
    request = export_requests.common(call)
    between = _texts(export_requests.time_range(request))
    more = {"sources": export_requests.sources(request), "analysis_fields": export_requests.analysis(request)}
    listed = export_requests.contact_list(call)
    return _start(call, "responses", {**request, **more, "between": between, "contactlist": listed})


def contact_list(call: Call) -> Response:
    request = export_requests.common(call, methods=("local", "ftp", "sftp", "mail"))
    return _start(call, "contactlist", request | {"contactlist": export_requests.contact_list(call, is_required=True)})


def segment(call: Call) -> Response:
    request = export_requests.common(call, methods=("local", "ftp", "sftp", "mail"))
    if "filter" not in request:
        raise invalid("Missing parameter: filter")
    if str(request["filter"]) not in call.account.segments.records:
        raise invalid("Invalid data format for filter. Integer expected")
    return _start(call, "segment", request)


def _texts(between: tuple[datetime, datetime]) -> list[str]:
    return [one.isoformat() for one in between]


def _start(call: Call, kind: str, request: dict[str, Any]) -> Response:
    account = call.account
    settle(call)
    if account.exports.running(kind, request) is not None:
        raise ApiError(400, 4001, _SAME)
    export = account.exports.start(kind, request, account.now(), int(account.settings["export_seconds"]))
    account.wake()
    return reply({"id": int(export["id"])}, records=1)


def settle(call: Call) -> None:
    """What should have ended by now has ended; those who asked to be told will be."""
    call.account.settle_exports(lines_of)


def status(call: Call) -> Response:
    export = _export(call)
    types = str(call.account.settings["export_status_types"])
    if types and export["type"] not in types.split(","):
        raise ApiError(400, 4002, "Invalid export type")
    return reply(shown(export), records=1)


def _export(call: Call) -> Record:
    settle(call)
    export = call.account.exports.records.get(call.parts[0])
    if export is None:
        raise invalid("Invalid export ID")
    return export


def data(call: Call) -> Response:
    """The file, or a part of it by rows; the header stands on every part unless a switch says otherwise."""
    export = _export(call)
    if export["request"]["distribution_method"] != "local":
        raise ApiError(404, 4004, '"distribution_method" of this export is not compatible.')
    if export["status"] not in (DONE, ERROR):
        raise ApiError(404, 4005, "Export is currently in progress. Please wait until that has finished.")
    kept = timedelta(hours=int(call.account.settings["export_keep_hours"]))
    if call.account.now() - datetime.fromisoformat(export["done_at"]) > kept:
        raise ApiError(410, 4003, "Exported data is not available.")
    file = call.account.exports.files.get(export["id"])
    if file is None:
        raise ApiError(404, 4006, "Internal error occurred. File was not found.")
    return _page(call, export, file["lines"])


def _page(call: Call, export: Record, lines: list[str]) -> Response:
    offset = whole_number(call.query.get("offset"), "offset", 0)
    limit = whole_number(call.query.get("limit"), "limit", _MOST_ROWS)
    if offset < 0 or not 1 <= limit <= _MOST_ROWS:
        raise invalid(f"Invalid value for limit: {limit}")
    has_header = export["request"]["add_field_names_header"] == "1"
    header, rows = (lines[:1], lines[1:]) if has_header else ([], lines)
    shows_header = offset == 0 or bool(call.account.settings["export_header_on_every_page"])
    page = rows[offset : offset + limit]
    text = "".join([*(header if shows_header else []), *page])
    return Response(200, text.encode(), {"Content-Type": "text/csv;charset=UTF-8"}, len(page))
