"""The query options of a read, checked against its table (dynamics365.md 3.2)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.emulators.dataverse.errors import DataverseError, bad_query, missing_property
from connectors.emulators.dataverse.filter_grammar import test_of
from connectors.emulators.dataverse.filter_values import Row, Test, Value
from connectors.emulators.dataverse.schema import Table

if TYPE_CHECKING:
    from connectors.emulators.dataverse.organisation import Organisation

_KNOWN = frozenset(
    ("$filter", "$select", "$orderby", "$top", "$count", "$expand", "$skiptoken", "$deltatoken", "$format")
)


@dataclass(frozen=True)
class Expansion:
    """One navigation property shown with its row, and which of that row's columns (empty: all)."""

    name: str
    select: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """`select` holds property names, empty for all; `order` (property, descending)."""

    test: Test | None
    select: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]
    expand: tuple[Expansion, ...]
    top: int | None
    count: bool


def options_of(organisation: "Organisation", table: Table, query: Mapping[str, str]) -> Options:
    """DataverseError 400 for an option, a property or a value that is not known."""
    if "$skip" in query:
        raise bad_query("Skip Clause is not supported in CRM")
    for name in query:
        if name.startswith("$") and name not in _KNOWN:
            raise bad_query(f"The query parameter {name} is not supported")
    condition = query.get("$filter", "").strip()
    return Options(
        test=test_of(condition, lambda name: resolved(organisation, table, name)) if condition else None,
        select=selected(table, query.get("$select", "")),
        order=tuple(_order(table, query.get("$orderby", ""))),
        expand=tuple(_expansions(organisation, table, query.get("$expand", ""))),
        top=_top(query.get("$top")),
        count=query.get("$count", "false").lower() == "true",
    )


def resolved(organisation: "Organisation", table: Table, name: str) -> tuple[str, Value]:
    """(kind, value of a row) of a property, also of one behind a lookup: `parentcustomerid_account/name`."""
    if "/" in name:
        return _behind(organisation, table, name)
    column = table.properties.get(name)
    if column is None:
        raise missing_property(name, table.type)
    return column.kind, lambda row: row.get(name)


def _behind(organisation: "Organisation", table: Table, path: str) -> tuple[str, Value]:
    navigation, _, name = path.partition("/")
    if navigation not in table.navigation or "/" in name:
        raise missing_property(navigation, table.type)
    lookup, target = table.navigation[navigation]
    related = organisation.rows(target)
    kind, value = resolved(organisation, related.table, name)

    def read(row: Row) -> Any:
        other = related.get(row.get(lookup.property_name, ""))
        return None if other is None else value(other)

    return kind, read


def selected(table: Table, text: str) -> tuple[str, ...]:
    """Property names; a lookup's column name is understood as the property it reads as."""
    names = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name == "*":
            return ()
        if name not in table.properties:
            raise missing_property(name, table.type)
        names.append(name)
    return tuple(dict.fromkeys(names))


def _order(table: Table, text: str) -> Iterator[tuple[str, bool]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        if name not in table.properties:
            raise missing_property(name, table.type)
        if direction.strip() not in ("", "asc", "desc"):
            raise bad_query(f"Syntax error in $orderby '{text}'.")
        yield name, direction.strip() == "desc"


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) == 0:
        raise bad_query(f"Invalid value '{text}' for $top query option found. It must be a positive integer.")
    return int(text)


def _expansions(organisation: "Organisation", table: Table, text: str) -> Iterator[Expansion]:
    for part in _outside_brackets(text):
        found = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", part, re.DOTALL)
        if not found or found[1] not in table.navigation:
            raise missing_property(found[1] if found else part, table.type)
        inner = dict(piece.strip().partition("=")[::2] for piece in (found[2] or "").split(";") if piece.strip())
        if set(inner) - {"$select"}:
            raise _nested(found[1])
        target = organisation.rows(table.navigation[found[1]][1]).table
        yield Expansion(found[1], selected(target, inner.get("$select", "")))


def _nested(name: str) -> DataverseError:
    return bad_query(f"Only $select is supported inside $expand of the single-valued property '{name}'.")


def _outside_brackets(text: str) -> Iterator[str]:
    """The parts between commas that are in no brackets."""
    depth, part = 0, ""
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield part
            part = ""
        else:
            part += character
    if part.strip():
        yield part
