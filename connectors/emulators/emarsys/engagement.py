"""Engagement Events: free JSON against a configured schema, without an envelope (contract 4.3)."""

from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.event_configuration import TYPES
from connectors.emulators.emarsys.replies import ApiError, bare, body_json
from connectors.emulators.store import Record
from connectors.emulators.system import Response

_MOST_BYTES = 1024 * 1024


def failure(status: int, code: str, message: str, target: str = "", details: list[Any] | None = None) -> Response:
    """The error shape of the newer endpoints."""
    shown = {"code": code, "message": message, "target": target, "details": details or [], "innererror": {}}
    return bare({"error": shown}, status=status)


def receive(call: Call) -> Response:
    if len(call.request.body) > _MOST_BYTES:
        return failure(413, "payload-too-large", "The payload is too large.")
    configuration = call.account.event_configurations.get("/".join(call.parts))
    if configuration is None:
        return failure(404, "not-found-error", "There is no such event configuration.", "eventConfigurationId")
    try:
        event = body_json(call.request.body)
    except ApiError:
        return failure(400, "invalid-request", "The payload is not a valid JSON.")
    if not isinstance(event, dict):
        return failure(400, "invalid-request", "The payload must be an object.")
    problems = _problems(configuration, event)
    if problems:
        return failure(422, "validation-error", "The event does not match its schema.", details=problems)
    number = str(len(call.account.engagement_events) + 1)
    is_draft = call.query.get("draft", "false").lower() == "true"
    kept = {"id": number, "at": call.account.now().isoformat(), "configuration": configuration["id"]}
    call.account.engagement_events.put(number, {**kept, "draft": is_draft, "event": event})
    return Response(202, b"", {}, 1)


def _problems(configuration: Record, event: dict[str, Any]) -> list[dict[str, str]]:
    missing = [one for one in configuration["required"] if one not in event]
    wrong = [
        name
        for name, kind in configuration["fields"].items()
        if name in event
        and (not isinstance(event[name], TYPES[kind]) or (kind == "number" and isinstance(event[name], bool)))
    ]
    found = [(name, "missing", "is required") for name in missing]
    found += [(name, "type", f"must be of type {configuration['fields'][name]}") for name in wrong]
    return [{"code": code, "message": f"{name} {text}", "target": name} for name, code, text in found]
