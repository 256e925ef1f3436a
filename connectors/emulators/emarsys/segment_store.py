"""The segments of an account and who is in them now (contract 5)."""

from collections.abc import Callable
from typing import Any
from zlib import crc32

from connectors.emulators.emarsys.combined_members import COMBINED, members_of
from connectors.emulators.emarsys.contacts import Contacts
from connectors.emulators.emarsys.criteria import Predicate, compile_criteria
from connectors.emulators.emarsys.fields import Fields
from connectors.emulators.emarsys.lists import Lists
from connectors.emulators.store import Collection

_FIRST_ID = 100_024_001


class Segments:
    """Evaluates criteria when asked; a result counts while contacts are unchanged."""

    def __init__(self, records: Collection, contacts: Contacts, fields: Fields, lists: Lists) -> None:
        self.records = records
        self._contacts = contacts
        self._fields = fields
        self._lists = lists
        self._results: dict[str, tuple[int, list[str]]] = {}
        self._asked: dict[str, int] = {}
        records.accept = self._accept
        records.edited = lambda segment_id, *_: self.forget(segment_id)

    def _accept(self, segment_id: str, record: dict[str, Any]) -> dict[str, Any]:
        if not segment_id.isdecimal():
            raise ValueError("a segment's id is a whole number")
        if record.get("contactCriteria"):
            compile_criteria(record["contactCriteria"], self._fields.by_string)
        return {"name": segment_id, "description": "", "type": "standard", "criteriaTypes": ["contact"]} | {
            **record,
            "id": segment_id,
        }

    def create(self, record: dict[str, Any]) -> str:
        segment_id = str(max((int(one) for one in self.records), default=_FIRST_ID - 1) + 1)
        self.records.put(segment_id, self._accept(segment_id, record))
        return segment_id

    def forget(self, segment_id: str) -> None:
        self._results.pop(segment_id, None)

    def is_pending(self, segment_id: str, answers: int) -> bool:
        """True for the first `answers` questions after contacts changed: "being evaluated"."""
        if self._current(segment_id) is not None:
            return False
        asked = self._asked.get(segment_id, 0)
        self._asked[segment_id] = asked + 1 if asked < answers else 0
        return asked < answers

    def members(self, segment_id: str, *, kept: bool = False) -> list[str]:
        """Ids of the contacts in a segment, ascending; `kept` for the later pages of one listing."""
        current = self._current(segment_id, kept=kept)
        if current is None:
            current = self._evaluate(segment_id)
            self._results[segment_id] = (self._contacts.version, current)
        return current

    def _current(self, segment_id: str, *, kept: bool = False) -> list[str] | None:
        version, ids = self._results.get(segment_id, (-1, []))
        return ids if version == self._contacts.version or (kept and version >= 0) else None

    def _evaluate(self, segment_id: str) -> list[str]:
        segment = self.records.get(segment_id) or {}
        if segment.get("type") == COMBINED:
            return members_of(segment["definition"], self.members)
        matches = self._predicate(segment)
        found = (one["id"] for one in self._contacts.records.values() if matches(one))
        base = str(segment.get("baseContactListId") or "0")
        if base != "0":
            listed = self._lists.members(base) if base in self._lists.records else {}
            found = (one for one in found if one in listed)
        return sorted(found, key=int)

    def use_list(self, list_id: str) -> bool:
        """Whether a segment is drawn from this contact list."""
        return any(str(one.get("baseContactListId")) == list_id for one in self.records.values())

    def is_combined(self, segment_id: str) -> bool:
        """Whether a combined segment is made of this one, among others."""
        sides = (side for one in self.records.values() for side in one.get("definition", {}).values())
        return any(segment_id in map(str, side["segment_ids"]) for side in sides)

    def _predicate(self, segment: dict[str, Any]) -> Predicate:
        criteria = segment.get("contactCriteria")
        if criteria:
            return compile_criteria(criteria, self._fields.by_string)
        return _by_chance(int(segment.get("share") or 0))


def _by_chance(percent: int) -> Callable[[Any], bool]:
    """Stands for criteria of other types (behaviour, purchases): a fixed share of the contacts."""
    return lambda contact: crc32(contact["id"].encode()) % 100 < percent
