"""Triggering an external event for one contact or for up to a thousand (contract 4.2)."""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import msgspec

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.event_calls import event_of
from connectors.emulators.emarsys.events import connected_to, runs_something, sends_mail
from connectors.emulators.emarsys.partial import Refused, refusals
from connectors.emulators.emarsys.replies import ApiError, reply, require_size
from connectors.emulators.emarsys.values import RowError
from connectors.emulators.store import Record
from connectors.emulators.system import Response

BATCH = 1000
_MOST_BYTES = 1024 * 1024
_MOST_FOR_INTERACTIONS = 100 * 1024
_EVENT_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{3})?Z")


@dataclass(frozen=True)
class Trigger:
    """What is asked for one contact, checked as far as it can be without the contact."""

    external_id: Any
    trigger_id: str
    event_time: str | None
    data: dict[str, Any]
    attachments: list[dict[str, Any]]


def trigger(call: Call) -> Response:
    """Nothing is triggered when anything but a single contact of a batch is wrong."""
    event = event_of(call, code=5001)
    require_size(call, _MOST_BYTES)
    account, body = call.account, call.body
    key = _key(account, body.get("key_id", "3"))
    is_batch = body.get("contacts") is not None
    wanted = [_checked(account, one) for one in (_contacts(body) if is_batch else [body])]
    if not runs_something(event) and not account.settings["interactions"]:
        raise ApiError(400, 5005, "No program or campaign is triggered.")
    refused = refusals(call.request.fault, [one.external_id for one in wanted])
    reach = _batch if is_batch else _single
    reached = reach(account, event, key, wanted, refused)
    if account.settings["interactions"]:
        reached = {**reached, "connectedTo": connected_to(event, is_realtime=bool(account.settings["realtime"]))}
    return reply(reached, records=len(wanted))


def _key(account: Account, key_id: Any) -> str:
    """A field's id or string name, `id` or `uid`."""
    name = str(key_id)
    return account.fields.as_key(account.fields.by_string.get(name, name))


def _contacts(body: dict[str, Any]) -> list[dict[str, Any]]:
    contacts = body["contacts"]
    if not isinstance(contacts, list) or not all(isinstance(one, dict) for one in contacts):
        raise ApiError(400, 10001, "contacts must be an array of objects")
    if len(contacts) > BATCH:
        raise ApiError(400, 1000, f"The maximum batch size of {BATCH} contacts is exceeded.")
    return contacts


def _checked(account: Account, one: dict[str, Any]) -> Trigger:
    moment = one.get("event_time")
    if moment is not None and (not isinstance(moment, str) or not _EVENT_TIME.fullmatch(moment)):
        raise ApiError(400, 5010, "Invalid event_time format. Expected: 2007-03-01T13:00:00Z")
    data = _data(account, one.get("data"))
    return Trigger(one.get("external_id"), str(one.get("trigger_id") or ""), moment, data, _attachments(one))


def _data(account: Account, given: Any) -> dict[str, Any]:
    """The event's data as an object; as text it has to be JSON. The reserved key is ignored."""
    if given is None or given == "":
        return {}
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            raise ApiError(400, 5009, "The event data is not a valid JSON.") from None
    if not isinstance(given, dict):
        raise ApiError(400, 5011, "The event data must be an object.")
    if account.settings["interactions"] and len(msgspec.json.encode(given)) > _MOST_FOR_INTERACTIONS:
        raise ApiError(400, 5008, "The event data exceeds 100 kB.")
    return {name: value for name, value in given.items() if name != "ems_event_time"}


def _attachments(one: dict[str, Any]) -> list[dict[str, Any]]:
    """Names and sizes of what came as base64."""
    given = one.get("attachment") or []
    if not isinstance(given, list):
        raise ApiError(400, 10001, "attachment must be an array")
    try:
        return [
            {"filename": str(each["filename"]), "bytes": len(b64decode(each["data"], validate=True))} for each in given
        ]
    except (KeyError, TypeError, binascii.Error):
        raise ApiError(400, 10001, "An attachment needs a filename and data in base64") from None


def _single(account: Account, event: Record, key: str, wanted: list[Trigger], refused: Refused) -> dict[str, Any]:
    try:
        if refused:
            raise RowError(*refused[0])
        contact_id = _contact(account, key, wanted[0].external_id)
    except RowError as error:
        raise ApiError(400, error.code, error.text) from None
    _process(account, event, contact_id, wanted[0])
    return {}


def _batch(account: Account, event: Record, key: str, wanted: list[Trigger], refused: Refused) -> dict[str, Any]:
    ids: list[str] = []
    errors: dict[str, dict[str, str]] = {}
    for at, one in enumerate(wanted):
        try:
            if at in refused:
                raise RowError(*refused[at])
            contact_id = _contact(account, key, one.external_id)
        except RowError as error:
            errors.setdefault(str(one.external_id), {})[str(error.code)] = error.text
        else:
            _process(account, event, contact_id, one)
            ids.append(contact_id)
    if not errors and not account.settings["trigger_ids"]:
        return {}
    return {"ids": ids, "errors": errors or []}


def _contact(account: Account, key: str, value: Any) -> str:
    """The one contact with this key; it must exist already."""
    if value is None or value == "":
        raise RowError(2005, f"No value provided for key field: {key}")
    found = account.contacts.find(key, str(value))
    if len(found) > 1:
        raise RowError(2010, f"More contacts found with the external id: {key} - {value}")
    if not found and key == "id":
        raise RowError(2012, "Invalid contact id for customer.")
    if not found:
        raise RowError(2008, f"No contact found with the external id: {key} - {value}")
    return found[0]


def _process(account: Account, event: Record, contact_id: str, wanted: Trigger) -> None:
    """The first event with a trigger id counts; a repeated one is answered the same and does nothing."""
    now = account.now()
    hours = int(account.settings["trigger_window_hours"])
    is_repeated = bool(wanted.trigger_id) and account.events.has_seen(wanted.trigger_id, now, hours)
    kept = account.events.keep(
        {
            "event_id": event["id"],
            "event": event["name"],
            "contact_id": contact_id,
            "trigger_id": wanted.trigger_id,
            "event_time": wanted.event_time,
            "data": wanted.data,
            "attachments": wanted.attachments,
            "duplicate": is_repeated,
        },
        now,
    )
    if not is_repeated and sends_mail(event):
        account.mail.send_triggered(event, kept, account.contacts.records.get(contact_id) or {}, now)
