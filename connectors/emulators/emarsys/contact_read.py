"""Reading, resolving, scanning and deleting contacts (contract 3.4 to 3.7)."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.contacts import Contact, uid_of
from connectors.emulators.emarsys.replies import ApiError, reply, whole_number
from connectors.emulators.system import Response

MAX_KEYS = 1000
MAX_PAGE = 10_000
_PARAMETERS = frozenset({"return", "limit", "offset", "excludeempty"})


def getdata(call: Call) -> Response:
    """`result` is false when nothing was found; values are strings, arrays or null (contract 3.4)."""
    body = call.body
    key = _data_key(call.account, body.get("keyId", "id"))
    keys, fields = body.get("keyValues"), body.get("fields") or []
    if keys is None:
        raise ApiError(400, 10001, "Missing parameter: keyValues")
    if not isinstance(keys, list):
        raise ApiError(400, 10001, "keyValues must be an array")
    if not isinstance(fields, list):
        raise ApiError(400, 10001, "Fields must be an array")
    if len(keys) > MAX_KEYS:
        raise ApiError(400, 10001, f"Max. number of contacts: {MAX_KEYS}")
    wanted = _wanted(call.account, fields)
    result, errors = _found(call.account, key, keys, wanted)
    if call.query.get("stringids") == "1":
        result = [_by_string_id(call.account, row) for row in result]
    if call.account.settings["old_getdata"]:
        return reply(_as_in_2016(result, errors), records=len(result))
    return reply({"errors": errors, "result": result or False}, records=len(result))


def _by_string_id(account: Account, row: dict[str, Any]) -> dict[str, Any]:
    """Fields under their string ids, as Emarsys' own add-ons ask for them."""
    fields = account.fields.records
    return {(fields.get(name) or {}).get("string_id", name): value for name, value in row.items()}


def _as_in_2016(result: list[dict[str, Any]], errors: list[dict[str, Any]]) -> dict[str, Any]:
    shown: dict[str, Any] = {"errors": [{**one, "errorCode": str(one["errorCode"])} for one in errors]}
    return {**shown, "result": result} if result else shown


def _data_key(account: Account, key: Any) -> str:
    name = str(key)
    if name not in ("id", "uid") and not name.isdecimal():
        raise ApiError(400, 10001, "keyId must be an integer")
    return account.fields.as_key(name)


def _wanted(account: Account, fields: Iterable[Any]) -> list[str]:
    known = account.fields.records
    wanted = [str(one) for one in fields if str(one) not in ("id", "uid")]
    for number in wanted:
        if number not in known:
            raise ApiError(400, 2006, f"Invalid field id: {number}")
    return wanted or list(known)


def _found(
    account: Account, key: str, keys: Iterable[Any], wanted: list[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    result: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    shown = account.shown
    find, records = shown.find, shown.records
    for value in keys:
        ids = find(key, str(value))
        if len(ids) == 1:
            get = (records.get(ids[0]) or {}).get
            row: dict[str, Any] = {"id": ids[0], "uid": uid_of(ids[0])}
            for number in wanted:
                row[number] = get(number)
            result.append(row)
        else:
            code, text = _miss(key, ids)
            errors.append({"key": value, "errorCode": code, "errorMsg": text})
    return result, errors


def _miss(key: str, ids: list[str], value: str = "") -> tuple[int, str]:
    suffix = f" - {value}" if value else ""
    if ids:
        return 2010, f"More contacts found with the external id: {key}{suffix}"
    return 2008, f"No contact found with the external id: {key}{suffix}"


def checkids(call: Call) -> Response:
    """`get_multiple_ids` lists every id of each key; otherwise an ambiguous key is error 2010 (contract 3.5)."""
    body = call.body
    key = call.account.fields.as_key(body.get("key_id", "3"))
    values = _key_values(body.get("external_ids"))
    members = _list_members(call.account, body.get("contact_list_id"))
    several = body.get("get_multiple_ids") in (True, 1, "1", "true")
    ids: dict[str, Any] = {}
    errors: dict[str, dict[str, str]] = {}
    shown = call.account.shown
    for value in values:
        found = [one for one in shown.find(key, value) if members is None or one in members]
        if found and several:
            ids[value] = found
        elif len(found) == 1:
            ids[value] = found[0]
        else:
            code, text = _miss(key, found)
            errors[value] = {str(code): text}
    return reply({"ids": ids, "errors": errors or []}, records=len(ids))


def _key_values(values: Any) -> list[str]:
    if not isinstance(values, list):
        raise ApiError(400, 2003, "external_ids must be an array")
    if len(values) > MAX_KEYS:
        raise ApiError(400, 2002, f"The number of external_ids exceeds {MAX_KEYS}")
    return [str(value) for value in values]


def _list_members(account: Account, list_id: Any) -> Mapping[str, None] | None:
    if not list_id:
        return None
    try:
        return account.lists.members(str(list_id))
    except KeyError:
        raise ApiError(400, 2020, f"Invalid contact_list_id: {list_id}") from None


def query(call: Call) -> Response:
    """Every contact that matches, with one field; also how duplicates are found (contract 3.6)."""
    account, given = call.account, call.query
    shown = given.get("return", "")
    if shown not in account.fields.records and shown not in ("id", "uid"):
        raise ApiError(400, 2014, "No valid field to return was given.")
    limit = whole_number(given.get("limit"), "limit", MAX_PAGE)
    offset = whole_number(given.get("offset"), "offset", 0)
    if not 1 <= limit <= MAX_PAGE or offset < 0:
        raise ApiError(400, 2016, f"The limit must be between 1 and {MAX_PAGE}.")
    matching = _matching(account, {name: value for name, value in given.items() if name not in _PARAMETERS})
    if given.get("excludeempty", "").lower() in ("true", "1"):
        matching = (contact for contact in matching if contact.get(shown))
    value = uid_of if shown == "uid" else None
    result = [
        {"id": one["id"], shown: value(one["id"]) if value else one.get(shown)}
        for one in islice(matching, offset, offset + limit)
    ]
    return reply({"errors": [], "result": result}, records=len(result))


def _matching(account: Account, filters: Mapping[str, str]) -> Iterable[Contact]:
    """Contacts with these field values; an empty value matches a blank field. 2006 unknown, 2015 not indexed."""
    contacts = account.shown
    if not filters:
        return contacts.records.values()
    for field in filters:
        if field not in account.fields.records and field not in ("id", "uid"):
            raise ApiError(400, 2006, f"Invalid field id: {field}")
        account.fields.require_index(field)
    first, value = next(iter(filters.items()))
    rest = list(filters.items())[1:]
    if value:
        found: Iterable[Contact] = (contacts.records.get(one) or {} for one in contacts.find(first, value))
    else:
        found = (one for one in contacts.records.values() if not one.get(first))
    return (one for one in found if all((one.get(name) or "") == wanted for name, wanted in rest))


def lookup(call: Call) -> Response:
    """The old single look-up `GET /contact/3=ana@example.com` (contract 3.6)."""
    if len(call.query) != 1:
        raise ApiError(400, 10001, "One key field and its value are needed")
    key, value = next(iter(call.query.items()))
    ids = call.account.shown.find(call.account.fields.as_key(key), value)
    if len(ids) != 1:
        code, text = _miss(key, ids, value)
        raise ApiError(400, code, text)
    return reply({"id": ids[0]}, records=1)


def delete(call: Call) -> Response:
    """Ambiguous keys are not deleted. How an unknown single key is answered is a switch (contract 3.7)."""
    account, body = call.account, call.body
    key_id = body.get("key_id", "3")
    key = account.fields.as_key(key_id)
    values = body.get(str(key_id))
    if values is None:
        raise ApiError(400, 2005, f"No value provided for key field: {key}")
    keys = _key_values(values if isinstance(values, list) else [values])
    members = _list_members(account, body.get("contact_list_id"))
    errors = _delete_each(account, key, keys, lambda one: members is None or one in members)
    if errors and not isinstance(values, list):
        code, text = next(iter(errors[keys[0]].items()))
        status = int(account.settings["delete_unknown_status"]) if code == "2008" else 400
        raise ApiError(status, int(code), text)
    return reply({"errors": errors}, records=len(keys) - len(errors))


def _delete_each(
    account: Account, key: str, keys: Iterable[str], is_meant: Callable[[str], bool]
) -> dict[str, dict[str, str]]:
    gone: list[str] = []
    errors: dict[str, dict[str, str]] = {}
    for value in keys:
        ids = [one for one in account.contacts.find(key, value) if is_meant(one)]
        if len(ids) == 1:
            gone.append(ids[0])
        else:
            code, text = _miss(key, ids)
            errors[value] = {str(code): text}
    account.contacts.delete(gone)
    account.lists.forget(gone)
    return errors
