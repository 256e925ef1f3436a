"""Reads what a client writes: names and types that fit the table, lookups bound by address (dynamics365.md 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from connectors.emulators.dataverse.addresses import Address, address_of
from connectors.emulators.dataverse.errors import DataverseError, bad_payload, missing_row
from connectors.emulators.dataverse.filter_values import GUID
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.schema import Column, Table

_SERVICE_ROOT = "/api/data/v9."
_WHOLE = ("int", "bigint")
_NUMBERS = ("decimal", "money", "double")


@dataclass
class Payload:
    """`values` by property name, null for "clear it"; `nested` rows (table, values) to be created behind a lookup."""

    values: dict[str, Any] = field(default_factory=dict)
    nested: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)


def json_of(body: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError as error:
        raise bad_payload(f"the body is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise bad_payload("a JSON object is expected")
    return value


def objects_of(given: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of JSON objects, empty when there is none. DataverseError 400 for anything else."""
    found = given.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise bad_payload(f"'{name}' must be a list of objects.")
    return found


def payload_of(organisation: Organisation, table: Table, given: Mapping[str, Any]) -> Payload:
    """DataverseError 400 for an unknown property or a value of the wrong type; read-only columns are passed over."""
    payload = Payload()
    for name, value in given.items():
        bare, _, annotation = name.partition("@")
        if annotation == "odata.bind":
            column, target = _navigated(table, bare)
            payload.values[column.property_name] = bound(organisation, target, value)
        elif annotation or not bare:
            continue
        elif bare in table.navigation and not isinstance(value, str | int):
            _nest(table, payload, bare, value)
        elif (known := table.properties.get(bare)) is None or known.kind == "lookup":
            raise bad_payload(f"Invalid property '{bare}' was found in entity '{table.type}'.")
        elif known.writable:
            payload.values[bare] = typed(table, known, value)
    return payload


def _navigated(table: Table, name: str) -> tuple[Column, str]:
    if name not in table.navigation:
        raise bad_payload(f"Invalid property '{name}' was found in entity '{table.type}'.")
    return table.navigation[name]


def _nest(table: Table, payload: Payload, name: str, value: Any) -> None:
    column, target = table.navigation[name]
    if value is None:
        payload.values[column.property_name] = None
    elif isinstance(value, dict):
        payload.nested[column.property_name] = target, value
    else:
        raise bad_payload(f"The navigation property '{name}' takes an object or null.")


def bound(organisation: Organisation, target: str, value: Any) -> str | None:
    """The id behind `/contacts(…)`, relative or absolute. DataverseError when there is no such row."""
    if value is None:
        return None
    address = referred(organisation, str(value))
    if address.table.name != target:
        raise bad_payload(f"A row of '{target}' is expected, not one of '{address.table.name}'.")
    if not address.row_id or organisation.rows(target).get(address.row_id) is None:
        raise missing_row(target, address.row_id or str(address.key))
    return address.row_id


def referred(organisation: Organisation, text: str) -> Address:
    """The row an address in a payload names."""
    path = unquote(text)
    if _SERVICE_ROOT in path:
        path = path.rpartition(_SERVICE_ROOT)[2].partition("/")[2]
    address = address_of(organisation, path)
    if address.row_id is None:
        raise bad_payload(f"'{text}' does not name a row.")
    return address


def typed(table: Table, column: Column, value: Any) -> Any:
    """The value as it is stored."""
    if value is None:
        return None
    if column.kind in ("string", "memo"):
        return _text(table, column, value)
    if column.kind == "bool":
        return value if isinstance(value, bool) else _refuse(column, value)
    if column.kind == "guid":
        return value.lower() if isinstance(value, str) and GUID.fullmatch(value) else _refuse(column, value)
    if column.kind in ("datetime", "date"):
        return _dated(column, value)
    return _numeric(table, column, value)


def _text(table: Table, column: Column, value: Any) -> str:
    if not isinstance(value, str):
        raise _refuse(column, value)
    if column.length and len(value) > column.length:
        raise DataverseError(
            400, "0x80044331",
            f"A validation error occurred. The length of the '{column.name}' attribute of the '{table.name}' entity "
            f"exceeded the maximum allowed length of '{column.length}'.",
        )  # fmt: skip
    return value


def _dated(column: Column, value: Any) -> str:
    try:
        if column.kind == "date":
            return date.fromisoformat(value).isoformat()
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise _refuse(column, value) from None
    utc = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{utc:%Y-%m-%dT%H:%M:%SZ}"


def _numeric(table: Table, column: Column, value: Any) -> Any:
    fits = isinstance(value, int) or (column.kind in _NUMBERS and isinstance(value, float))
    if isinstance(value, bool) or not fits:
        raise _refuse(column, value)
    if column.options and value not in column.options:
        words = f"The value {value} of '{column.name}' on record of type '{table.name}' is outside the valid range. "
        raise DataverseError(400, "0x8004431b", words + f"Accepted values are {', '.join(map(str, column.options))}.")
    low, high = column.minimum, column.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        words = f"A validation error occurred. The value of '{column.name}' on record of type '{table.name}' is outside"
        raise DataverseError(400, "0x80044330", f"{words} the valid range.")
    return value


def _refuse(column: Column, value: Any) -> DataverseError:
    shown = type(value).__name__
    raise bad_payload(f"Cannot convert a value of type '{shown}' to the expected target type '{column.edm}' "
                      f"(property '{column.name}').")  # fmt: skip
