"""Data packages: exports asked for by name, and exports that wait in a queue (dynamics365.md 2.8).

A data project is a record of the control API's collection `data_projects`: `{"entities": [sets], "company": ""}`,
`"changes_only": true` for SQL change tracking: the rows that were created or changed since the project last ran, never
those that went. An export takes `package_polls` (1) questions to succeed; `package_result` names how it ends.
`package_urls` = `nested` gives the value inside a value. A recurring export is a data project whose id is a GUID.
"""

import csv
import io
import uuid
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import msgspec

from connectors.emulators.dynamics365.replies import ODataError, encode, odata
from connectors.emulators.dynamics365.schema import ETAG, EntitySet
from connectors.emulators.dynamics365.tables import Row, Table
from connectors.emulators.store import Store
from connectors.emulators.system import Request, Response

_GROUPS = "/data/DataManagementDefinitionGroups"
_ACTIONS = f"{_GROUPS}/Microsoft.Dynamics.DataEntities."
_BLOBS = "/blobs/"
_REAPPEARS = timedelta(minutes=30)
_KEPT = timedelta(days=7)
_LADDER = ("NotRun", "Executing")


class Packages:
    """Runs exports of the tables a tenant shows."""

    def __init__(
        self,
        store: Store,
        tables: Callable[[], Mapping[str, Table]],
        now: Callable[[], datetime],
        settings: Mapping[str, str],
    ) -> None:
        self.projects = store.collection("data_projects")
        self._runs = store.collection("package_runs")
        self._digests = store.collection("package_digests")
        self._queue = store.collection("package_queue")
        self._tables = tables
        self._now = now
        self._settings = settings
        self.projects.accept = self._accepted

    def _accepted(self, key: str, project: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in project.get("entities", ()) if name not in self._tables()]
        if unknown or not project.get("entities"):
            raise ValueError(f"a data project has entities, and there is no {', '.join(unknown) or 'empty one'}")
        return {"company": "", "changes_only": False, **project}

    def handles(self, path: str) -> bool:
        return path.startswith((_ACTIONS, "/api/connector/")) or path == _GROUPS

    def handle(self, request: Request) -> Response:
        """ODataError for what cannot be done."""
        if request.path == _GROUPS:
            return self._listed(request)
        if request.path.startswith(_ACTIONS):
            return self._act(request, request.path.removeprefix(_ACTIONS))
        verb, _, activity = request.path.removeprefix("/api/connector/").partition("/")
        if verb == "dequeue" and request.method == "GET":
            return self._dequeue(request, activity)
        if verb == "ack" and request.method == "POST":
            return self._acknowledge(request, activity)
        raise ODataError(404, f"There is no recurring integration call {request.method} {verb}.")

    def _listed(self, request: Request) -> Response:
        """The data projects, so that every set of the service document can be read."""
        if request.method != "GET":
            raise ODataError(405, f"The requested resource does not support http method '{request.method}'.")
        rows = [{"Name": name, "Description": "", "ProjectCategory": "Project"} for name in self.projects]
        context = f"{request.base}/data/$metadata#DataManagementDefinitionGroups"
        return odata(encode({"@odata.context": context, "value": rows}), records=len(rows))

    def _act(self, request: Request, action: str) -> Response:
        if request.method != "POST":
            raise ODataError(405, f"The requested resource does not support http method '{request.method}'.")
        try:
            wanted = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ODataError(400, f"An error occurred while reading the payload: {error}.") from None
        if action == "ExportToPackage":
            value = self._export(wanted)
        elif action == "GetExecutionSummaryStatus":
            value = self._status(str(wanted.get("executionId", "")))
        elif action == "GetExportedPackageUrl":
            value = self._address(request, str(wanted.get("executionId", "")))
        else:
            raise ODataError(404, f"The action '{action}' is not known here.")
        shown: Any = value
        if self._settings.get("package_urls") == "nested" and action != "GetExecutionSummaryStatus":
            shown = {"value": value}
        return odata(encode({"@odata.context": f"{request.base}/data/$metadata#Edm.String", "value": shown}))

    def _export(self, wanted: Mapping[str, Any]) -> str:
        """Starts a run and gives its id; the project must exist beforehand."""
        name = str(wanted.get("definitionGroupId", ""))
        project = self.projects.get(name)
        if project is None:
            raise ODataError(400, f"The data project '{name}' does not exist.")
        execution = str(wanted.get("executionId") or f"{name}-{uuid.uuid4()}")
        if self._runs.get(execution) is not None and not wanted.get("reExecute"):
            raise ODataError(400, f"The execution '{execution}' exists and reExecute is false.")
        company = str(wanted.get("legalEntityId") or project["company"]).lower()
        self._runs.put(execution, self._run(name, project, company))
        return execution

    def _run(self, name: str, project: Mapping[str, Any], company: str) -> dict[str, Any]:
        content = _zipped({entity: self._rows(name, project, entity, company) for entity in project["entities"]})
        return {"polls": 0, "content": content, "blob": f"{uuid.uuid4()}.zip", "at": self._now().isoformat()}

    def _rows(self, name: str, project: Mapping[str, Any], entity: str, company: str) -> "tuple[EntitySet, list[Row]]":
        table = self._tables()[entity]
        rows = list(table.indexes()[0].rows(0, len(table.indexes()[0])))
        if company and not table.entity.is_shared:
            rows = [row for row in rows if str(row["dataAreaId"]).lower() == company]
        if not project["changes_only"]:
            return table.entity, rows
        key = f"{name}|{entity}|{company}"
        before: Mapping[str, int] = (self._digests.get(key) or {}).get("rows", {})
        now = {_place(table, row): _digest(row) for row in rows}
        self._digests.put(key, {"rows": now})
        return table.entity, [row for row in rows if before.get(_place(table, row)) != now[_place(table, row)]]

    def _status(self, execution: str) -> str:
        run = self._runs.get(execution)
        if run is None:
            return "Unknown"
        self._runs.patch(execution, {"polls": run["polls"] + 1})
        left = int(self._settings.get("package_polls", "1")) - run["polls"]
        if left > 0:
            return _LADDER[0] if run["polls"] == 0 else _LADDER[1]
        return self._settings.get("package_result", "Succeeded")

    def _address(self, request: Request, execution: str) -> str:
        run = self._runs.get(execution)
        if run is None:
            raise ODataError(400, f"The execution '{execution}' does not exist.")
        return f"{request.base}{_BLOBS}{run['blob']}?sv=2024-05-04&sr=b&sig={_signature(run['blob'])}"

    def blob(self, request: Request) -> Response | None:
        """The zip behind a signed address, without a token; None when the path is no blob's."""
        if request.method != "GET" or not request.path.startswith(_BLOBS):
            return None
        name = request.path.removeprefix(_BLOBS)
        runs = (run for collection in (self._runs, self._queue) for run in collection.values())
        run = next((run for run in runs if run["blob"] == name), None)
        gone = run is None or datetime.fromisoformat(run["at"]) + _KEPT < self._now()
        if run is None or gone:
            return Response(404, b'{"error":{"code":"BlobNotFound"}}')
        if request.query.get("sig") != _signature(name):
            return Response(403, b'{"error":{"code":"AuthenticationFailed"}}')
        return Response(200, run["content"], {"Content-Type": "application/zip"}, records=1)

    def _dequeue(self, request: Request, activity: str) -> Response:
        """The oldest message that waits; a new export when none does and there is something to say."""
        project = self.projects.get(activity)
        if project is None:
            raise ODataError(404, f"The recurring integration '{activity}' does not exist.")
        message = self._waiting(activity) or self._fresh(activity, project)
        if message is None:
            return Response(204)
        name, kept = message
        self._queue.patch(name, {"hidden": (self._now() + _REAPPEARS).isoformat()})
        scheme, host = ("http", request.base.partition("://")[2])
        location = f"{scheme}://{host}{_BLOBS}{kept['blob']}?sv=2024-05-04&sr=b&sig={_signature(kept['blob'])}"
        body = {"CorrelationId": name, "PopReceipt": kept["blob"][:36], "DownloadLocation": location,
                "IsDownLoadFileExist": True, "FileDownLoadErrorMessage": ""}  # fmt: skip
        return Response(200, encode(body), records=1)

    def _waiting(self, activity: str) -> tuple[str, dict[str, Any]] | None:
        now = self._now()
        for name, kept in list(self._queue.items()):
            if kept["activity"] == activity and datetime.fromisoformat(kept["hidden"]) <= now:
                return name, kept
        return None

    def _fresh(self, activity: str, project: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
        if any(kept["activity"] == activity for kept in self._queue.values()):
            return None  # handed out and not acknowledged yet
        run = self._run(activity, {**project, "changes_only": True}, project["company"])
        with zipfile.ZipFile(io.BytesIO(run["content"])) as package:
            if not any(package.read(name).count(b"\n") > 1 for name in package.namelist() if name.endswith(".csv")):
                return None
        name = str(uuid.uuid4())
        kept = {**run, "activity": activity, "hidden": self._now().isoformat()}
        self._queue.put(name, kept)
        return name, kept

    def _acknowledge(self, request: Request, activity: str) -> Response:
        """With the same body that the dequeue answered."""
        try:
            given = msgspec.json.decode(request.body, type=dict[str, Any])
        except msgspec.DecodeError:
            given = {}
        name = str(given.get("CorrelationId", ""))
        kept = self._queue.get(name)
        if kept is None or kept["activity"] != activity or given.get("PopReceipt") != kept["blob"][:36]:
            raise ODataError(400, "The message to acknowledge is not known; send the body of the dequeue unchanged.")
        self._queue.delete(name)
        return Response(200, b"", records=1)

    def clear(self) -> None:
        for collection in (self.projects, self._runs, self._digests, self._queue):
            collection.clear()


def _place(table: Table, row: Row) -> str:
    return "|".join(str(row[name]) for name in table.entity.key)


def _digest(row: Row) -> int:
    return crc32(repr([value for name, value in row.items() if name != ETAG]).encode())


def _signature(blob: str) -> str:
    return f"{crc32(blob.encode()):08x}"


def _zipped(sets: "Mapping[str, tuple[EntitySet, list[Row]]]") -> bytes:
    """A CSV file for each set, column names in capitals as data management writes them, and a manifest."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        names = "".join(f"<Entity>{name}</Entity>" for name in sets)
        package.writestr("Manifest.xml", f'<?xml version="1.0" encoding="utf-8"?><Package>{names}</Package>')
        for name, (entity, rows) in sets.items():
            text = io.StringIO(newline="")
            writer = csv.writer(text)
            writer.writerow([column.upper() for column in entity.properties])
            writer.writerows([row.get(column, "") for column in entity.properties] for row in rows)
            package.writestr(f"{name}.csv", "\ufeff" + text.getvalue())
    return packed.getvalue()
