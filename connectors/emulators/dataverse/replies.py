"""Answers as the Web API gives them: JSON with its headers, and the error envelope (dynamics365.md 3.1)."""

import uuid
from typing import Any

import msgspec

from connectors.emulators.dataverse.errors import DataverseError
from connectors.emulators.system import Response

encode = msgspec.json.Encoder().encode
_JSON = "application/json; odata.metadata=minimal"


def headers(**more: str) -> dict[str, str]:
    """`Preference_Applied="…"` becomes `Preference-Applied`; empty ones are left out."""
    request_id = str(uuid.uuid4())
    common = {"OData-Version": "4.0", "x-ms-service-request-id": request_id, "REQ_ID": request_id}
    return {**common, **{name.replace("_", "-"): value for name, value in more.items() if value}}


def answer(value: Any, status: int = 200, records: int = 0, **more: str) -> Response:
    return Response(status, encode(value), {"Content-Type": _JSON, **headers(**more)}, records)


def empty(status: int = 204, records: int = 0, **more: str) -> Response:
    return Response(status, b"", headers(**more), records)


def plain(text: str) -> Response:
    return Response(200, text.encode(), {"Content-Type": "text/plain", **headers()})


def failed(error: DataverseError, detailed: bool = False) -> Response:
    """`detailed`: the caller asked for all annotations and gets the details that come with them (3.1)."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if detailed:
        body["@Microsoft.PowerApps.CDS.ErrorDetails.HttpStatusCode"] = str(error.status)
        body["@Microsoft.PowerApps.CDS.InnerError"] = error.message
        body["@Microsoft.PowerApps.CDS.TraceText"] = f"[Emulated: {error.code or error.status}]"
    refusal = answer({"error": body}, error.status)
    refusal.headers.update(error.headers)
    return refusal
