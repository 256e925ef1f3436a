"""Creating and updating contacts: `POST /contact` and `PUT /contact` (contract 3.2, 3.3)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.changes import NO_SOURCE, Written
from connectors.emulators.emarsys.contacts import Contact
from connectors.emulators.emarsys.lists import Lists
from connectors.emulators.emarsys.partial import refusals
from connectors.emulators.emarsys.replies import ApiError, reply, require_size
from connectors.emulators.emarsys.values import ALWAYS_FITS, Check, RowError
from connectors.emulators.system import Response

BATCH = 1000
NO_KEY = "<NO_KEY_ID>"
_CREATE_BYTES = 10 * 1024 * 1024
_UPDATE_BYTES = 8 * 1024 * 1024
_NOT_FIELDS = ("key_id", "contacts", "contact_list_id")

RowErrors = dict[str, dict[str, str]]


def create(call: Call) -> Response:
    return _write(call, Upsert(call.account, creates=True, updates=False), _CREATE_BYTES)


def update(call: Call) -> Response:
    creates = call.query.get("create_if_not_exists", "0").lower() in ("1", "true")
    return _write(call, Upsert(call.account, creates=creates, updates=True), _UPDATE_BYTES)


class Upsert:
    """Writes rows one after another; what a row has done counts for the next. Stored in one frame by `store`."""

    def __init__(self, account: Account, *, creates: bool, updates: bool) -> None:
        self._account = account
        self._contacts = account.contacts
        self._sources = account.collection("sources")
        self._checks: Mapping[str, Check] = account.fields.checks
        self._texts = account.fields.texts
        self._creates = creates
        self._updates = updates
        self.staged: dict[str, Contact] = {}
        self._written = Written()

    def write(self, key: str, row: dict[str, Any]) -> tuple[str, bool]:
        """The contact's id and whether it was created; RowError when the row is refused."""
        name = row.get(key)
        if type(name) is not str or not name:
            name = _key_text(key, name)
        source = self._source(row["source_id"]) if "source_id" in row else NO_SOURCE
        ids = self._contacts.find(key, name)
        if len(ids) == 1 and self._updates:
            self._change(ids[0], self._checked(key, row), source)
            return ids[0], False
        if len(ids) > 1:
            raise RowError(2010, f"More contacts found with the external id: {key} - {name}")
        if ids:
            raise RowError(2009, f"Contact with the external id already exists: {key}")
        return self._create(key, name, row, source), True

    def _create(self, key: str, name: str, row: dict[str, Any], source: str) -> str:
        if not self._creates or key in ("id", "uid"):
            raise RowError(2008, f"No contact found with the external id: {key} - {name}")
        contact: Contact = {"id": "", **self._checked(key, row)}
        contact_id = contact["id"] = self._contacts.new_id()
        if None in contact.values():
            contact = _without_blanks(contact)
        self._contacts.reindex(contact_id, None, contact)
        self._written.add(contact_id, None, contact, source)
        self.staged[contact_id] = contact
        return contact_id

    def _source(self, value: Any) -> str:
        """The source a contact's change is tagged with; 2013 when there is no such source."""
        if value in (None, "", 0, "0"):
            return NO_SOURCE
        if str(value) not in self._sources:
            raise RowError(2013, f"Invalid source id: {value}")
        return str(value)

    def _change(self, contact_id: str, changes: dict[str, Any], source: str) -> None:
        before = self.staged.get(contact_id) or self._contacts.records.get(contact_id) or {}
        after = {**before, **changes}
        if None in changes.values():
            after = _without_blanks(after)
        self._contacts.reindex(contact_id, before, after)
        self._written.add(contact_id, before, after, source)
        self.staged[contact_id] = after

    def _checked(self, key: str, row: dict[str, Any]) -> dict[str, Any]:
        """The row's fields as they are stored; RowError 2006 for an unknown field, 2007 for a wrong value.

        The row itself is changed: most values are text and stay as they came.
        """
        texts, checks = self._texts, self._checks
        try:
            for field, value in row.items():
                if field not in texts or type(value) is not str or not 0 < len(value) <= ALWAYS_FITS:
                    row[field] = checks[field](value)
        except KeyError:
            return self._checked(key, self._known(key, row))
        return row

    def _known(self, key: str, row: dict[str, Any]) -> dict[str, Any]:
        """The row without what is no field but allowed: the source, and `id` or `uid` as the key."""
        known = {field: value for field, value in row.items() if field != "source_id" and field != key}
        if key in self._checks:
            known[key] = row[key]
        for field in known:
            if field in ("id", "uid"):
                raise RowError(2007, f"The field cannot be set: {field}")
            if field not in self._checks:
                raise RowError(2006, f"Invalid field id: {field}")
        return known

    def store(self) -> None:
        if later := int(self._account.settings["visible_seconds"]):
            self._account.unseen.written(self.staged, self._account.now() + timedelta(seconds=later))
        self._contacts.store(self.staged)
        self._written.note(self._account.changes, self._account.now())


def _key_text(key: str, value: Any) -> str:
    """A key value that is not text; RowError 2005 when it cannot be a key."""
    if value is None or value == "" or isinstance(value, bool | list | dict):
        raise RowError(2005, f"No value provided for key field: {key}")
    return str(value)


def _without_blanks(contact: Contact) -> Contact:
    return {field: value for field, value in contact.items() if value is not None}


def _write(call: Call, upsert: Upsert, limit: int) -> Response:
    require_size(call, limit)
    body = call.body
    if "contacts" in body:
        return _batch(call, upsert, body)
    return _single(call, upsert, body)


def _single(call: Call, upsert: Upsert, body: dict[str, Any]) -> Response:
    """Without `contacts` the object itself is the contact; whatever is wrong with it is a 400."""
    key = call.account.fields.as_key(body.get("key_id", "3"), creating=call.request.method == "POST")
    list_id = _contact_list(call.account.lists, body)
    row = {field: value for field, value in body.items() if field not in _NOT_FIELDS}
    refused = refusals(call.request.fault, [row.get(key)])
    try:
        if refused:
            raise RowError(*refused[0])
        contact_id, created = upsert.write(key, row)
    except RowError as error:
        raise ApiError(400, error.code, error.text) from None
    upsert.store()
    if list_id:
        call.account.lists.change(list_id, add=[contact_id])
    return reply({"id": int(contact_id) if created else contact_id}, records=1)


def _batch(call: Call, upsert: Upsert, body: dict[str, Any]) -> Response:
    """One refused contact does not stop the others: the reply is 200 with `errors` by key value."""
    rows = body["contacts"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ApiError(400, 10001, "contacts must be an array of objects")
    if len(rows) > BATCH:
        raise ApiError(400, 1000, f"The maximum batch size of {BATCH} contacts is exceeded.")
    key_id = str(body.get("key_id", "3"))
    try:
        key = call.account.fields.as_key(key_id, creating=call.request.method == "POST")
    except ApiError as error:
        if error.code != 2004 or key_id in ("id", "uid"):
            raise
        return reply({"ids": [], "errors": {NO_KEY: {"2004": error.text}}})
    list_id = _contact_list(call.account.lists, body)
    ids, errors = _rows(upsert, key, rows, refusals(call.request.fault, [row.get(key) for row in rows]))
    upsert.store()
    if list_id:
        call.account.lists.change(list_id, add=[str(one) for one in ids])
    return reply({"ids": ids, "errors": errors} if errors else {"ids": ids}, records=len(ids))


def _rows(
    upsert: Upsert, key: str, rows: list[dict[str, Any]], refused: Mapping[int, tuple[int, str]]
) -> tuple[list[str | int], RowErrors]:
    """Ids of the contacts written, updated ones as strings and created ones as integers, and what was refused."""
    ids: list[str | int] = []
    errors: RowErrors = {}
    write = upsert.write
    for at, row in enumerate(rows):
        try:
            if at in refused:
                raise RowError(*refused[at])
            contact_id, created = write(key, row)
        except RowError as error:
            name = str(row.get(key) or NO_KEY)
            errors.setdefault(name, {})[str(error.code)] = error.text
        else:
            ids.append(int(contact_id) if created else contact_id)
    return ids, errors


def _contact_list(lists: Lists, body: Mapping[str, Any]) -> str:
    list_id = str(body.get("contact_list_id") or "")
    if list_id and list_id not in lists.records:
        raise ApiError(400, 2020, f"Invalid contact_list_id: {list_id}")
    return list_id
