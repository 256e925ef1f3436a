"""How two values of a filter compare (dynamics365.md 3.2): text without case, moments in UTC, null as SQL has it."""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.emulators.dataverse.errors import DataverseError, bad_query
from connectors.emulators.dataverse.schema import EDM

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
Value = Callable[[Row], Any]

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
_VERBS = {"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual", "lt": "LessThan",
          "le": "LessThanOrEqual"}  # fmt: skip
GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Kinds of columns by the kind of literal they are compared with.
_FAMILIES = {
    "memo": "string", "int": "number", "bigint": "number", "picklist": "number", "state": "number", "status": "number",
    "decimal": "number", "money": "number", "double": "number", "lookup": "guid", "date": "moment",
    "datetime": "moment",
}  # fmt: skip
_SHOWN = {"string": "Edm.String", "number": "Edm.Int32", "guid": "Edm.Guid", "moment": "Edm.DateTimeOffset",
          "bool": "Edm.Boolean"}  # fmt: skip


def family(kind: str) -> str:
    return _FAMILIES.get(kind, kind)


def moment(text: str) -> str:
    """A moment or a day in a form that sorts: UTC without the Z."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise bad_query(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.") from None
    if read.tzinfo is not None:
        read = read.astimezone(UTC).replace(tzinfo=None)
    return read.isoformat()


def comparable(kind: str, value: Any) -> Any:
    """A stored value in the form it is compared in."""
    if value is None:
        return None
    group = family(kind)
    if group == "string":
        return str(value).casefold()
    if group == "moment":
        return moment(str(value))
    return str(value).lower() if group == "guid" else value


def literal_for(kind: str, literal: tuple[str, Any], verb: str) -> Any:
    """The literal in the form a column of this kind is compared in. DataverseError 400 when the types differ."""
    given, value = literal
    wanted = family(kind)
    if value is None:
        if verb not in ("eq", "ne"):
            raise _mismatch(kind, "null", verb)
        return None
    if given == "string" and wanted == "guid" and GUID.fullmatch(value):
        given = "guid"  # a quoted id is understood too
    if given != wanted:
        raise _mismatch(kind, given, verb)
    return comparable(kind, value)


def comparison(verb: str, left: Value, right: Value) -> Test:
    """A row whose value is null passes `ne` and nothing else."""
    compare = COMPARISONS[verb]

    def test(row: Row) -> bool:
        first, second = left(row), right(row)
        if first is None or second is None:
            return (first is second) if verb == "eq" else verb == "ne" and first is not second
        return compare(first, second)

    return test


def text_test(function: str, left: Value, wanted: str) -> Test:
    """`contains`, `startswith`, `endswith`; `%` in the text is a wildcard in the database below, but not here."""
    if function == "contains":
        return lambda row: wanted in (left(row) or "")
    if function == "startswith":
        return lambda row: (left(row) or "").startswith(wanted)
    return lambda row: (left(row) or "").endswith(wanted)


def _mismatch(kind: str, given: str, verb: str) -> DataverseError:
    names = EDM.get(kind, _SHOWN.get(kind, kind)), "<null>" if given == "null" else _SHOWN.get(given, given)
    return bad_query(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{names[0]}' and '{names[1]}' for operator kind '{_VERBS[verb]}'."
    )
