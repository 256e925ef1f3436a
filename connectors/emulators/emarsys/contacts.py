"""One account's contacts with an index for every field that is used as a key (contract 3.1).

A contact is stored as `{"id", field id: text or list of texts}`; a blank field is left out. `uid` is computed
from the id and back, so it needs no room and no index.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connectors.emulators.emarsys.fields import Fields
from connectors.emulators.store import Collection

Contact = dict[str, Any]
Index = dict[str, str | list[str]]

_MODULUS = 1 << 40
_ODD = 0x9E3779B97F | 1
_INVERSE = pow(_ODD, -1, _MODULUS)
_FIRST_ID = 100_000_001


def uid_of(contact_id: str) -> str:
    """A random-looking id of ten characters, one to one with the internal id."""
    return format(int(contact_id) * _ODD % _MODULUS, "010X")


def _id_of(uid: str) -> str:
    try:
        return str(int(uid, 16) * _INVERSE % _MODULUS)
    except ValueError:
        return ""


class Contacts:
    """Reads by any key; writes keep the indexes true. `version` changes with every write."""

    def __init__(self, records: Collection, fields: Fields) -> None:
        self.records = records
        self.version = 0
        self.heard: Callable[[str, Contact | None, Contact | None], None] = lambda *_: None
        self._fields = fields
        self._indexes: dict[str, Index] = {}
        self._next = max((int(one) for one in records if one.isdecimal()), default=_FIRST_ID - 1) + 1
        records.accept = self._accept
        records.edited = self._edited

    def clear(self) -> None:
        self.records.clear()
        self._indexes.clear()
        self._next = _FIRST_ID
        self.version += 1

    def index(self, key: str) -> Index:
        """From a key field's value to the id that has it, or to the list of ids when several have."""
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = {}
            for contact in self.records.values():
                _enter(index, contact.get(key), contact["id"])
        return index

    def find(self, key: str, value: str) -> list[str]:
        """The ids of all contacts with this key value."""
        if key == "id":
            return [value] if value in self.records else []
        if key == "uid":
            contact_id = _id_of(value)
            return [contact_id] if contact_id in self.records else []
        index = self._indexes.get(key)
        found = (self.index(key) if index is None else index).get(value)
        if found is None:
            return []
        return [found] if isinstance(found, str) else found.copy()

    def new_id(self) -> str:
        number = self._next
        self._next = number + 1
        return str(number)

    def reindex(self, contact_id: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Follows one contact's change in every index that is in use."""
        before, after = before or {}, after or {}
        for key, index in self._indexes.items():
            old, new = before.get(key), after.get(key)
            if old != new:
                _leave(index, old, contact_id)
                _enter(index, new, contact_id)

    def store(self, changed: Mapping[str, Contact]) -> None:
        """Contacts already followed by `reindex`, in one journal frame."""
        if changed:
            self.records.put_many(changed)
            self.version += 1

    def save(self, changed: Iterable[Contact]) -> None:
        """Whole contacts, indexed and stored."""
        staged = {contact["id"]: contact for contact in changed}
        for contact_id, contact in staged.items():
            self.reindex(contact_id, self.records.get(contact_id), contact)
        self.store(staged)

    def delete(self, ids: Iterable[str]) -> int:
        gone = [one for one in ids if one in self.records]
        for contact_id in gone:
            self.reindex(contact_id, self.records.get(contact_id), None)
        self.version += 1
        return self.records.delete_many(gone)

    def _accept(self, contact_id: str, record: dict[str, Any]) -> Contact:
        """An edit from outside: any known field, stored the way the API would store it."""
        if not contact_id.isdecimal():
            raise ValueError("a contact's id is a whole number")
        contact: Contact = {"id": contact_id}
        for name, value in record.items():
            if name in ("id", "uid"):
                continue
            number = name if name in self._fields.records else self._fields.by_string.get(name)
            if number is None:
                raise ValueError(f"there is no contact field {name!r}")
            if value is not None and value != "":
                contact[number] = [str(one) for one in value] if isinstance(value, list) else str(value)
        return contact

    def _edited(self, contact_id: str, before: Contact | None, after: Contact | None) -> None:
        self.reindex(contact_id, before, after)
        self._next = max(self._next, int(contact_id) + 1)
        self.version += 1
        self.heard(contact_id, before, after)


def _enter(index: Index, value: Any, contact_id: str) -> None:
    if value is None or type(value) is list:
        return
    present = index.get(value)
    if present is None:
        index[value] = contact_id
    elif type(present) is list:
        present.append(contact_id)
    else:
        index[value] = [present, contact_id]  # type: ignore[list-item]  # present is one id here


def _leave(index: Index, value: Any, contact_id: str) -> None:
    if value is None or type(value) is list:
        return
    present = index.get(value)
    if type(present) is list:
        present.remove(contact_id)
        if len(present) == 1:
            index[value] = present[0]
    elif present == contact_id:
        del index[value]
