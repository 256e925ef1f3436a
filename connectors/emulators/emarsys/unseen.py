"""Contacts that were written and do not show yet: what a reader sees while `visible_seconds` are not over."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from connectors.emulators.emarsys.contacts import Contact, Contacts


class Unseen:
    """Of each contact the state that still shows, and until when. Imports and people's edits show at once."""

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts
        self._before: dict[str, tuple[datetime, Contact | None]] = {}

    def written(self, ids: Iterable[str], until: datetime) -> None:
        """Told before the new state is stored. What showed before the first of several writes shows until the last."""
        for contact_id in ids:
            _, shown = self._before.get(contact_id, (until, self._contacts.records.get(contact_id)))
            self._before[contact_id] = (until, shown)

    def shows(self, contact_id: str) -> None:
        self._before.pop(contact_id, None)

    def now(self, moment: datetime) -> "Contacts | Shown":
        for contact_id in [one for one, (until, _) in self._before.items() if until <= moment]:
            del self._before[contact_id]
        hidden = {one: contact for one, (_, contact) in self._before.items() if one in self._contacts.records}
        return Shown(self._contacts, hidden) if hidden else self._contacts


class Shown:
    """The contacts as a reader sees them: these ones as they were (None: not at all)."""

    def __init__(self, contacts: Contacts, hidden: Mapping[str, Contact | None]) -> None:
        self._contacts, self._hidden = contacts, hidden
        self.records = self

    def get(self, contact_id: str) -> Contact | None:
        return self._hidden[contact_id] if contact_id in self._hidden else self._contacts.records.get(contact_id)

    def values(self) -> Iterator[Contact]:
        for contact in self._contacts.records.values():
            if (shown := self._hidden.get(contact["id"], contact)) is not None:
                yield shown

    def find(self, key: str, value: str) -> list[str]:
        found = [one for one in self._contacts.find(key, value) if one not in self._hidden]
        if key in ("id", "uid"):
            return found or [one for one in self._contacts.find(key, value) if self._hidden[one] is not None]
        return found + [one for one, contact in self._hidden.items() if contact and contact.get(key) == value]
