"""What an address below the service root names: a table, one of its rows, and what is asked of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.emulators.dataverse.errors import BAD_QUERY, DataverseError, bad_query
from connectors.emulators.dataverse.filter_values import GUID, comparable
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.schema import Table

_ADDRESS = re.compile(r"/?(?P<set>\w+)(?:\((?P<key>.*?)\))?(?:/(?P<rest>.*))?", re.DOTALL)
# A bracket inside a quoted key value does not end the key.
_KEYED = re.compile(r"/?(?P<set>\w+)\((?P<key>(?:'(?:[^']|'')*'|[^')])*)\)(?:/(?P<rest>.*))?", re.DOTALL)
_PART = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<value>'(?:[^']|'')*'|[^',]+)\s*(?:,|$)")


@dataclass(frozen=True)
class Address:
    """`row_id` is None for a whole table. `key` holds the alternate key a row was named by; its row need not exist."""

    table: Table
    row_id: str | None = None
    rest: str = ""
    key: Mapping[str, Any] = field(default_factory=dict)


def address_of(organisation: Organisation, path: str) -> Address:
    """DataverseError 404 for an unknown table, 400 for a key that is none. A row named by an alternate key that
    no row has gets the id "".
    """
    found = _KEYED.fullmatch(path) or _ADDRESS.fullmatch(path)
    table = organisation.table_of_set(found["set"]) if found else None
    if found is None or table is None:
        segment = path.strip("/").partition("/")[0].partition("(")[0]
        raise DataverseError(404, BAD_QUERY, f"Resource not found for the segment '{segment}'.")
    rest = (found["rest"] or "").strip("/")
    if found["key"] is None:
        return Address(table, None, rest)
    text = found["key"].strip()
    own = re.fullmatch(rf"(?:{table.id_column}\s*=\s*)?'?({GUID.pattern})'?", text)
    if own:
        return Address(table, own[1].lower(), rest)
    key = _alternate_key(organisation, table, text)
    return Address(table, _row_with(organisation, table, key), rest, key)


def _alternate_key(organisation: Organisation, table: Table, text: str) -> dict[str, Any]:
    """The values of an alternate key; it must be one that is defined (3.6)."""
    values: dict[str, Any] = {}
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        if not part or part["name"] in values:
            raise bad_query(f"Bad Request - Error in query syntax: '{text}'.")
        raw = part["value"].strip()
        values[part["name"]] = raw[1:-1].replace("''", "'") if raw.startswith("'") else _bare(raw)
        at = part.end()
    defined = organisation.alternate_keys(table)
    if not any(sorted(columns) == sorted(values) for columns in defined):
        raise bad_query(f"The key in the request URI is not valid for resource '{table.type}'.")
    return values


def _bare(raw: str) -> Any:
    if raw in ("true", "false"):
        return raw == "true"
    return int(raw) if re.fullmatch(r"-?\d+", raw) else raw


def _row_with(organisation: Organisation, table: Table, key: Mapping[str, Any]) -> str:
    wanted = {name: comparable(table.columns[name].kind, value) for name, value in key.items()}
    for row in organisation.rows(table.name).walk():
        if all(_holds(table, row, name, value) for name, value in wanted.items()):
            return str(row[table.id_column])
    return ""


def _holds(table: Table, row: Mapping[str, Any], name: str, wanted: Any) -> bool:
    column = table.columns[name]
    return bool(comparable(column.kind, row.get(column.property_name)) == wanted)
