"""Endpoints of the event registry (contract 4.1)."""

from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.events import is_in_use
from connectors.emulators.emarsys.replies import ApiError, reply
from connectors.emulators.store import Record
from connectors.emulators.system import Response

_SHOWN = ("id", "name", "created")


def event_of(call: Call, code: int = 5004) -> Record:
    """The event in the path; 400 with the given code when there is none."""
    event_id = call.parts[0]
    event = call.account.events.records.get(event_id)
    if event is None:
        raise ApiError(400, code, "Invalid event ID for customer." if code == 5001 else f"Invalid event ID: {event_id}")
    return event


def listing(call: Call) -> Response:
    events = [{name: event[name] for name in _SHOWN} for event in call.account.events.records.values()]
    return reply(events, records=len(events))


def single(call: Call) -> Response:
    """An array of one."""
    event = event_of(call)
    return reply([{name: event[name] for name in _SHOWN}], records=1)


def create(call: Call) -> Response:
    name = _new_name(call)
    is_attached = bool(call.account.settings["programs_attached"])
    event = call.account.events.create(name, call.account.now(), is_attached=is_attached)
    return reply({"id": event["id"], "name": name}, records=1)


def rename(call: Call) -> Response:
    event = event_of(call)
    name = _new_name(call, but=event["id"])
    call.account.events.records.patch(event["id"], {"name": name})
    return reply({"id": event["id"], "name": name}, records=1)


def _new_name(call: Call, but: str = "") -> str:
    name: Any = call.body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(400, 5002, "Parameter name is required.")
    present = call.account.events.named(name)
    if present is not None and present["id"] != but:
        raise ApiError(400, 5003, "An external event with this name already exists.")
    return name


def usages(call: Call) -> Response:
    """Of e-mails only launched ones appear."""
    event = event_of(call)
    return reply({name: event[name] for name in ("program_ids", "email_ids", "interactions_program_ids")})


def delete(call: Call) -> Response:
    """An event something hangs on stays (5012)."""
    event = event_of(call)
    if is_in_use(event):
        raise ApiError(400, 5012, "The external event is in use and cannot be deleted.")
    call.account.events.records.delete(event["id"])
    return reply({}, records=1)
