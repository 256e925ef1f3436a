"""`?sql=`: one SELECT on one table, put into the terms of the other query options (what the official SDK sends).

Understood: TOP, columns, WHERE with comparisons, AND, OR, NOT, LIKE, IN, IS NULL, and ORDER BY. Joins, aggregates and
`*` are refused.
"""

import re
from collections.abc import Iterator

from connectors.emulators.dataverse.errors import DataverseError, missing_property
from connectors.emulators.dataverse.filter_grammar import test_of
from connectors.emulators.dataverse.filter_values import family
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.query import Options, resolved
from connectors.emulators.dataverse.schema import Column, Table

_SELECT = re.compile(
    r"\s*select\s+(?:top\s*\(?\s*(?P<top>\d+)\s*\)?\s+)?(?P<columns>.+?)\s+from\s+(?P<table>\w+)"
    r"(?:\s+(?:as\s+)?(?P<alias>(?!where\b|order\b)\w+))?"
    r"(?:\s+where\s+(?P<where>.+?))?(?:\s+order\s+by\s+(?P<order>[^()]+?))?\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(r"\s*(?P<text>N?'(?:[^']|'')*'|<>|!=|<=|>=|[=<>(),]|[\w.]+|-\d[\d.]*)")
_VERBS = {"=": "eq", "<>": "ne", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def options_of_sql(organisation: Organisation, table: Table, text: str) -> Options:
    """DataverseError 400 for a statement that is not understood."""
    found = _SELECT.fullmatch(text)
    if not found or found["table"].lower() != table.name:
        raise _refused(text)
    aliases = (f"{found['alias'] or table.name}.".lower(), f"{table.name}.")
    columns = [_column(table, part, aliases) for part in found["columns"].split(",")]
    condition = " ".join(_Where(table, found["where"], aliases).parts()) if found["where"] else ""
    return Options(
        test=test_of(condition, lambda name: resolved(organisation, table, name)) if condition else None,
        select=tuple(dict.fromkeys(column.property_name for column in columns)),
        order=tuple(_order(table, found["order"] or "", aliases)),
        expand=(),
        top=int(found["top"]) if found["top"] else None,
        count=False,
    )


def _refused(text: str) -> DataverseError:
    words = f"The SQL query is not supported: {text[:200]!r}. It must be a simple SELECT on the table in the address."
    return DataverseError(400, "0x80040216", words)


def _column(table: Table, text: str, aliases: tuple[str, ...]) -> Column:
    name = text.strip().lower()
    for alias in aliases:
        name = name.removeprefix(alias)
    column = table.columns.get(name) or table.properties.get(name)
    if column is None:
        raise missing_property(name, table.type)
    return column


def _order(table: Table, text: str, aliases: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        yield _column(table, name, aliases).property_name, direction.strip().lower() == "desc"


class _Where:
    """A condition, piece by piece as `$filter` has it."""

    def __init__(self, table: Table, text: str, aliases: tuple[str, ...]) -> None:
        self._table = table
        self._text = text
        self._aliases = aliases
        self._tokens = [found["text"] for found in _TOKEN.finditer(text)]
        self._next = 0

    def parts(self) -> Iterator[str]:
        while self._next < len(self._tokens):
            word = self._take()
            if word.lower() in ("and", "or", "not") or word in "()":
                yield word.lower()
            else:
                yield self._condition(_column(self._table, word, self._aliases))

    def _take(self, wanted: str = "") -> str:
        if self._next >= len(self._tokens) or wanted not in ("", self._tokens[self._next].lower()):
            raise _refused(self._text)
        self._next += 1
        return self._tokens[self._next - 1]

    def _condition(self, column: Column) -> str:
        name, verb = column.property_name, self._take().lower()
        negated = verb == "not"
        if negated:
            verb = self._take().lower()
        if verb == "is":
            negated = self._tokens[self._next].lower() == "not"
            self._next += negated
            self._take("null")
            return f"{name} {'ne' if negated else 'eq'} null"
        if verb == "like":
            return f"not {self._like(name)}" if negated else self._like(name)
        if verb == "in":
            return f"not ({self._among(column)})" if negated else f"({self._among(column)})"
        if verb not in _VERBS:
            raise _refused(self._text)
        return f"{name} {_VERBS[verb]} {self._literal(column)}"

    def _like(self, name: str) -> str:
        pattern = self._take().removeprefix("N")[1:-1]
        function = {(True, True): "contains", (False, True): "startswith", (True, False): "endswith"}
        ends = pattern.startswith("%"), pattern.endswith("%")
        inner = pattern.strip("%")
        return f"{function[ends]}({name},'{inner}')" if any(ends) else f"{name} eq '{inner}'"

    def _among(self, column: Column) -> str:
        self._take("(")
        found = [self._literal(column)]
        while self._take() == ",":
            found.append(self._literal(column))
        return " or ".join(f"{column.property_name} eq {value}" for value in found)

    def _literal(self, column: Column) -> str:
        """Days, moments and yes/no are text and numbers in SQL."""
        text = self._take().removeprefix("N")
        if column.kind == "bool":
            return {"1": "true", "0": "false"}.get(text, text)
        bare = text[1:-1] if text.startswith("'") else text
        if family(column.kind) != "moment":
            return text
        day = bare.replace(" ", "T")
        return f"{day}Z" if "T" in day and not re.search(r"Z|[+-]\d\d:\d\d$", day) else day
