"""An account's contact fields: which there are, what may be a key, and the field endpoints (contract 3.10)."""

import re
from typing import Any

from connectors.emulators.emarsys.field_table import FieldRecord, field
from connectors.emulators.emarsys.languages import choice_label, field_name
from connectors.emulators.emarsys.replies import ApiError
from connectors.emulators.emarsys.values import Check, check_for, is_text
from connectors.emulators.store import Collection

FIRST_CUSTOM_ID = 100
_CREATABLE = ("shorttext", "longtext", "largetext", "date", "url", "numeric")
_RESERVED = frozenset({"id", "uid", "eid", "user_id", "key_id", "source_id"})
QUOTAS = {"shorttext": 163, "numeric": 123, "date": 123, "largetext": 30, "url": 30, "longtext": 21}


class Fields:
    """The fields of one account, with the checks made from them; edits from outside count at once."""

    def __init__(self, records: Collection) -> None:
        self.records = records
        records.accept = self._accept
        records.edited = lambda *_: self.refresh()
        self.refresh()

    def refresh(self) -> None:
        self.checks: dict[str, Check] = {number: check_for(record) for number, record in self.records.items()}
        self.texts = frozenset(number for number, record in self.records.items() if is_text(record))
        self.by_string = {record["string_id"]: number for number, record in self.records.items()}

    @staticmethod
    def _accept(number: str, record: dict[str, Any]) -> dict[str, Any]:
        if not number.isdecimal() or "name" not in record:
            raise ValueError("a field needs a numeric id and a name")
        defaults = field(number, record["name"], "shorttext", _string_id(record["name"]))
        return {**defaults, **record, "id": number}

    def as_key(self, key: Any, *, creating: bool = False) -> str:
        """`id`, `uid` or a field id usable as key; 2004 when there is none, 2015 when it is not indexed."""
        number = str(key)
        if number in ("id", "uid"):
            if creating:
                raise ApiError(400, 2004, f"Invalid key field id: {number}")
            return number
        if number not in self.records:
            raise ApiError(400, 2004, f"Invalid key field id: {number}")
        self.require_index(number)
        return number

    def require_index(self, number: str) -> None:
        """Custom fields must be indexed by Support before they are keys or filters (contract 3.1)."""
        record = self.records.get(number)
        if record is not None and int(number) >= FIRST_CUSTOM_ID and not record.get("indexed"):
            raise ApiError(400, 2015, f"The requested column is not indexed: {number}")

    def create(self, name: Any, kind: Any, string_id: Any = None) -> str:
        """A new custom field; its id. Errors 9001 to 9006."""
        if not isinstance(name, str) or not name.strip():
            raise ApiError(400, 9001, "Invalid field name.")
        if name.lower() in _RESERVED:
            raise ApiError(400, 9003, f"The field name is reserved: {name}")
        if any(record["name"].lower() == name.lower() for record in self.records.values()):
            raise ApiError(400, 9002, f"A field with this name already exists: {name}")
        if kind not in _CREATABLE:
            raise ApiError(400, 9006, f"Invalid application type: {kind}")
        self._require_slot(kind)
        number = str(max(FIRST_CUSTOM_ID, *(int(one) + 1 for one in self.records)))
        self.records.put(number, field(number, name, kind, str(string_id or _string_id(name))))
        self.refresh()
        return number

    def _require_slot(self, kind: str) -> None:
        used = sum(
            1
            for number, record in self.records.items()
            if int(number) >= FIRST_CUSTOM_ID and record["application_type"] == kind
        )
        if used >= QUOTAS[kind]:
            raise ApiError(500, 9004, "There are no free slots for fields of this type.")

    def remove(self, number: str) -> None:
        if int(number) < FIRST_CUSTOM_ID or not self.records.delete(number):
            raise ApiError(400, 2006, f"Invalid field id: {number}")
        self.refresh()

    def choices(self, number: str, language: str = "en") -> list[dict[str, str]]:
        """The choices of one field, labelled in a language; 1007 when there is no such field."""
        record: FieldRecord | None = self.records.get(number)
        if record is None:
            raise ApiError(400, 1007, f"No such field: {number}")
        labels = {one: choice_label(record, one, language) for one in record.get("choices", {})}
        return [{"id": one, "choice": label, "bit_position": "0"} for one, label in labels.items()]

    def listing(self, language: str = "en") -> list[dict[str, str]]:
        shown = ("id", "name", "application_type", "string_id")
        return [
            {name: record[name] for name in shown} | {"name": field_name(record, language)}
            for record in self.records.values()
        ]


def _string_id(name: str) -> str:
    """A name that is already an identifier stays; others become lower case with underscores."""
    return name if re.fullmatch(r"\w+", name) else re.sub(r"\W+", "_", name.lower()).strip("_")
