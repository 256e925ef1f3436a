"""Which stretch of an index a filter can match: equal values, a range, or a keyset.

A keyset is how a client reads on after its last row, e.g. over (dataAreaId, CustomerAccount):
`dataAreaId gt 'usmf' or (dataAreaId eq 'usmf' and CustomerAccount gt 'C-1')`; and, with `lt` and `le`, how it ends with
a certain row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

from connectors.emulators.dynamics365.filter_grammar import Both, Comparison, Either, Literal, Name, Node
from connectors.emulators.dynamics365.predicates import literal_of
from connectors.emulators.dynamics365.schema import EntitySet


@total_ordering
class _Last:
    """Sorts after every value."""

    def __eq__(self, other: object) -> bool:
        return other is self

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return other is not self

    __hash__ = object.__hash__


LAST = _Last()


@dataclass(frozen=True)
class Bounds:
    """Keys from `low` (included) to `high` (excluded); `exact` when they say all the filter says.

    `depth` counts the index columns they narrow: the more, the better the index fits.
    """

    low: tuple[Any, ...]
    high: tuple[Any, ...]
    exact: bool
    depth: int


def parts_of(node: Node | None) -> list[Node]:
    """The conditions that all must hold."""
    if node is None:
        return []
    if isinstance(node, Both):
        return [inner for part in node.parts for inner in parts_of(part)]
    return [node]


def bounds(entity: EntitySet, parts: Sequence[Node], columns: tuple[str, ...], company: str | None) -> Bounds:
    """`company` narrows the first column further where a request sees one company only."""
    left = list(parts)
    prefix: list[Any] = []
    for column in columns:
        value = company if column == "dataAreaId" and company is not None else _equal(entity, left, column)
        if value is None:
            break
        if column == "dataAreaId" and company is not None:
            named = _equal(entity, left, column)
            if named is not None and named != company:
                return Bounds((LAST,), (LAST,), True, len(columns))
        prefix.append(value)
    rest = columns[len(prefix) :]
    low, high = tuple(prefix), (*prefix, LAST)
    depth = len(prefix)
    if rest:
        low, high, narrowed = _range(entity, left, rest, low, high)
        depth += narrowed
    return Bounds(low, high, not left, depth)


def _simple(entity: EntitySet, node: Node, column: str) -> tuple[str, Any] | None:
    """(operator, value) of a plain comparison of this column with a literal, wildcards excepted."""
    if not isinstance(node, Comparison) or node.left != Name(column) or not isinstance(node.right, Literal):
        return None
    value = literal_of(entity, node)
    if value is None or (isinstance(value, str) and "*" in value and node.operator in ("eq", "ne")):
        return None
    return node.operator, value


def _equal(entity: EntitySet, left: list[Node], column: str) -> Any:
    """The value this column must have, the condition taken out of `left`; None when there is none."""
    for node in left:
        found = _simple(entity, node, column)
        if found and found[0] == "eq":
            left.remove(node)
            return found[1]
    return None


def _range(
    entity: EntitySet, left: list[Node], rest: tuple[str, ...], low: tuple[Any, ...], high: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...], int]:
    prefix, narrowed = low, 0
    for node in list(left):
        found = _simple(entity, node, rest[0])
        end = _keyset(entity, node, rest) if found is None else None
        if end is not None:
            operator, values = end
            found_key = (*prefix, *values) if operator == "lt" else (*prefix, *values, LAST)
            low, high = (max(low, found_key), high) if operator == "gt" else (low, min(high, found_key))
        elif found and found[0] == "gt":
            low = max(low, (*prefix, found[1], LAST))
        elif found and found[0] == "ge":
            low = max(low, (*prefix, found[1]))
        elif found and found[0] == "lt":
            high = min(high, (*prefix, found[1]))
        elif found and found[0] == "le":
            high = min(high, (*prefix, found[1], LAST))
        else:
            continue
        left.remove(node)
        narrowed = 1
    return low, high, narrowed


def _branches(node: Either) -> list[list[Node]]:
    """The alternatives, each a list of conditions; nested ones (`a eq 1 and (b gt 2 or …)`) are spread out."""
    found = []
    for part in node.parts:
        conditions: list[Node] = [part] if isinstance(part, Either) else parts_of(part)
        nested = [condition for condition in conditions if isinstance(condition, Either)]
        if len(nested) != 1:
            found.append(conditions)
            continue
        others = [condition for condition in conditions if condition is not nested[0]]
        found += [[*others, *branch] for branch in _branches(nested[0])]
    return found


_WAY_THERE = {"gt": "gt", "lt": "lt", "le": "lt"}
"""How a keyset compares its last column → how it compares the columns before, each in a branch of its own."""


def _keyset(entity: EntitySet, node: Node, columns: tuple[str, ...]) -> tuple[str, tuple[Any, ...]] | None:
    """(operator, key) when the condition is a keyset over these columns from the first on: what follows a key,
    what comes before it, or that and the key itself."""
    if not isinstance(node, Either):
        return None
    branches = sorted(_branches(node), key=len)
    last = branches[-1]
    found: list[tuple[str, Any]] = []
    for column in columns[: len(last)]:
        of_column = [pair for part in last if (pair := _simple(entity, part, column))]
        if len(of_column) != 1:
            return None
        found += of_column
    # The short branches must be the same keys with the comparison moved forward, one for each length.
    if len(found) != len(last) or [len(branch) for branch in branches] != list(range(1, len(last) + 1)):
        return None
    operator, values = found[-1][0], tuple(value for _, value in found)
    for branch in branches:
        way = operator if branch is last else _WAY_THERE.get(operator, "")
        wanted = [(columns[at], "eq", values[at]) for at in range(len(branch) - 1)]
        wanted.append((columns[len(branch) - 1], way, values[len(branch) - 1]))
        for column, verb, value in wanted:
            if not any(_simple(entity, part, column) == (verb, value) for part in branch):
                return None
    return (operator, values) if operator in _WAY_THERE else None
