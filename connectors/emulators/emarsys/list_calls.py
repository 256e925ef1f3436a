"""Endpoints for contact lists (contract 3.9)."""

from collections.abc import Callable
from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.lists import MAX_KEYS
from connectors.emulators.emarsys.replies import ApiError, bare, reply, whole_number
from connectors.emulators.system import Response

_DEFAULT_PAGE, _MAX_PAGE, _OLD_MAX_PAGE = 10_000, 100_000, 1_000_000

RowErrors = dict[str, dict[str, str]]


def listing(call: Call) -> Response:
    lists = call.account.lists.shown()
    return reply(lists, records=len(lists))


def create(call: Call) -> Response:
    name = _new_name(call)
    ids, errors = _resolved(call) if "external_ids" in call.body else ([], {})
    list_id = call.account.lists.create(name, ids, call.account.now())
    shown: dict[str, Any] = {"id": int(list_id)}
    return reply(shown | {"errors": errors or []} if "external_ids" in call.body else shown, records=len(ids))


def _new_name(call: Call) -> str:
    name = call.body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(400, 3004, "Invalid contact list name")
    own = call.parts[0] if call.parts else ""
    if any(one["name"] == name and one["id"] != own for one in call.account.lists.records.values()):
        raise ApiError(400, 3005, f"A contact list with this name already exists: {name}")
    return name


def add(call: Call) -> Response:
    return _changing(call, "inserted_contacts", lambda list_id, ids: call.account.lists.change(list_id, add=ids))


def take_off(call: Call) -> Response:
    return _changing(call, "deleted_contacts", lambda list_id, ids: call.account.lists.change(list_id, remove=ids))


def replace(call: Call) -> Response:
    def change(list_id: str, ids: list[str]) -> int:
        lists = call.account.lists
        lists.change(list_id, remove=list(lists.members(list_id)))
        return lists.change(list_id, add=ids)

    return _changing(call, "inserted_contacts", change)


def _changing(call: Call, counted: str, change: Callable[[str, list[str]], int]) -> Response:
    list_id = _list_id(call)
    ids, errors = _resolved(call)
    count = change(list_id, ids)
    return reply({counted: count, "errors": errors or []}, records=count)


def _list_id(call: Call) -> str:
    list_id = call.parts[0]
    if not list_id.isdecimal():
        raise ApiError(400, 1, f"Action {list_id} is invalid.")
    if list_id not in call.account.lists.records:
        raise ApiError(404, 3006, f"Contact list not found: {list_id}")
    return list_id


def _resolved(call: Call) -> tuple[list[str], RowErrors]:
    key = call.account.fields.as_key(call.body.get("key_id", "3"))
    values = call.body.get("external_ids")
    if not isinstance(values, list):
        raise ApiError(400, 3003, "external_ids must be an array")
    if len(values) > MAX_KEYS:
        raise ApiError(400, 3002, f"The number of external_ids exceeds {MAX_KEYS}")
    ids: list[str] = []
    errors: RowErrors = {}
    for value in map(str, values):
        found = call.account.contacts.find(key, value)
        if len(found) == 1:
            ids += found
        elif found:
            errors[value] = {"2010": f"More contacts found with the external id: {key}"}
        else:
            errors[value] = {"2008": f"No contact found with the external id: {key}"}
    return ids, errors


def rename(call: Call) -> Response:
    list_id, name = _list_id(call), _new_name(call)
    call.account.lists.records.patch(list_id, {"name": name})
    return reply({"id": int(list_id), "name": name})


def delete_list(call: Call) -> Response:
    """The contacts themselves stay."""
    list_id = _list_id(call)
    if call.account.segments.use_list(list_id):
        raise ApiError(400, 3008, "The contact list is in use.")
    call.account.lists.delete(list_id)
    return reply({})


def count(call: Call) -> Response:
    return reply(len(call.account.lists.members(_list_id(call))))


def contact_ids(call: Call) -> Response:
    """Pages without an envelope; `next` is null at the end."""
    list_id = _list_id(call)
    skip = whole_number(call.query.get("$skiptoken"), "$skiptoken", 0)
    top = whole_number(call.query.get("$top"), "$top", _DEFAULT_PAGE)
    if not 1 <= top <= _MAX_PAGE or skip < 0:
        raise ApiError(400, 10001, f"$top must be between 1 and {_MAX_PAGE}")
    members = list(call.account.lists.members(list_id))
    page = [int(one) for one in members[skip : skip + top]]
    more = skip + top < len(members)
    following = f"/contactlist/{list_id}/contactIds?$skiptoken={skip + top}&$top={top}" if more else None
    return bare({"value": page, "next": following}, records=len(page))


def member_page(call: Call) -> Response:
    """The old listing, deprecated in December 2024: ids as strings."""
    members = list(call.account.lists.members(_list_id(call)))
    limit = whole_number(call.query.get("limit"), "limit", _OLD_MAX_PAGE)
    offset = whole_number(call.query.get("offset"), "offset", 0)
    if not 1 <= limit <= _OLD_MAX_PAGE or offset < 0:
        raise ApiError(400, 10001, f"limit must be between 1 and {_OLD_MAX_PAGE}")
    page = members[offset : offset + limit]
    return reply(page, records=len(page))


def has_member(call: Call) -> Response:
    members = call.account.lists.members(_list_id(call))
    if not call.parts[1].isdecimal():
        raise ApiError(400, 2012, f"Invalid contact id: {call.parts[1]}")
    return reply(call.parts[1] in members)
