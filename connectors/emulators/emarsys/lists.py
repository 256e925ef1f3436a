"""Contact lists, as far as imports and segment runs need them (contract 3.9)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from connectors.emulators.emarsys.local_time import written
from connectors.emulators.store import Collection, Record

MAX_KEYS = 10_000
_FIRST_ID = 330_000_001


class Lists:
    """A list is `{"id", "name", "created", "type", "contacts": [id, …]}`; `type` 1 is the result of a segment run."""

    def __init__(self, records: Collection) -> None:
        self.records = records
        self._members: dict[str, dict[str, None]] = {}
        records.edited = self._edited

    def _edited(self, list_id: str, before: Record | None, after: Record | None) -> None:
        self._members.pop(list_id, None)

    def create(self, name: str, ids: Iterable[str], now: datetime, *, kind: int = 0) -> str:
        list_id = str(max((int(one) for one in self.records), default=_FIRST_ID - 1) + 1)
        record = {"id": list_id, "name": name, "created": written(now), "type": kind, "contacts": list(ids)}
        self.records.put(list_id, record)
        return list_id

    def members(self, list_id: str) -> dict[str, None]:
        """The ids on a list, in the order they came; KeyError when there is no such list."""
        if list_id not in self._members:
            record = self.records.get(list_id)
            if record is None:
                raise KeyError(list_id)
            self._members[list_id] = dict.fromkeys(record["contacts"])
        return self._members[list_id]

    def change(self, list_id: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> int:
        """How many contacts came or went."""
        members = self.members(list_id)
        before = set(members)
        members.update(dict.fromkeys(add))
        for one in remove:
            members.pop(one, None)
        self.records.patch(list_id, {"contacts": list(members)})
        return len(before ^ set(members))

    def forget(self, ids: Iterable[str]) -> None:
        """Deleted contacts are on no list any more."""
        gone = set(ids)
        for list_id in list(self.records) if gone else ():
            on_list = gone.intersection(self.members(list_id))
            if on_list:
                self.change(list_id, remove=on_list)

    def delete(self, list_id: str) -> bool:
        self._members.pop(list_id, None)
        return self.records.delete(list_id)

    def shown(self) -> list[dict[str, Any]]:
        return [{key: one[key] for key in ("id", "name", "created", "type")} for one in self.records.values()]
