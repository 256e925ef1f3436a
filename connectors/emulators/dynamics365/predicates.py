"""Turns a filter into a test on rows, refusing what the types do not allow (dynamics365.md 2.4)."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.emulators.dynamics365.filter_grammar import (
    Arithmetic,
    Both,
    Comparison,
    Either,
    Literal,
    Name,
    Negation,
    Node,
    Operand,
)
from connectors.emulators.dynamics365.replies import ODataError, unknown_property
from connectors.emulators.dynamics365.schema import ENUMS, NAMESPACE, EntitySet, comparable

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
Value = Callable[[Row], Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
_COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "divby": operator.truediv, "mod": operator.mod,
}  # fmt: skip
_KINDS = {"decimal": "number", "int": "number", "long": "number", "moment": "date"}
_EDM = {"string": "Edm.String", "number": "Edm.Decimal", "date": "Edm.DateTimeOffset", "bool": "Edm.Boolean",
        "day": "Edm.Date"}  # fmt: skip
_VERBS = {"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual", "lt": "LessThan",
          "le": "LessThanOrEqual"}  # fmt: skip


def test_of(entity: EntitySet, node: Node) -> Test:
    """A function that says whether a row passes. A row whose values have other types than declared does not."""
    test = _boolean(entity, node)

    def passes(row: Row) -> bool:
        try:
            return test(row)
        except (TypeError, AttributeError, ZeroDivisionError, KeyError):
            return False

    return passes


def _boolean(entity: EntitySet, node: Node) -> Test:
    if isinstance(node, Both):
        tests = [_boolean(entity, part) for part in node.parts]
        return lambda row: all(test(row) for test in tests)
    if isinstance(node, Either):
        tests = [_boolean(entity, part) for part in node.parts]
        return lambda row: any(test(row) for test in tests)
    if isinstance(node, Negation):
        negated = _boolean(entity, node.part)
        return lambda row: not negated(row)
    if isinstance(node, Comparison):
        return _comparison(entity, node)
    if isinstance(node, Literal) and node.kind == "bool":
        return lambda row: bool(node.value)
    raise ODataError(400, "The $filter expression must evaluate to a single boolean value.")


def _comparison(entity: EntitySet, node: Comparison) -> Test:
    kind = _allowed(entity, node)
    compare, left, right = _COMPARE[node.operator], _value(entity, node.left), _value(entity, node.right)
    if isinstance(node.right, Literal):
        constant = literal_of(entity, node)
        if kind == "string" and node.operator in ("eq", "ne") and "*" in constant:
            return _wildcard(left, constant, node.operator == "eq")
        return lambda row: compare(left(row), constant)
    return lambda row: compare(left(row), right(row))


def literal_of(entity: EntitySet, node: Comparison) -> Any:
    """The literal on the right, in the form the property on the left is compared in."""
    value = node.right.value if isinstance(node.right, Literal) else None
    if isinstance(node.left, Name) and isinstance(value, str):
        return comparable(entity.properties[node.left.name], value)
    return value


def _wildcard(left: Value, pattern: str, wanted: bool) -> Test:
    """`*` stands for anything; letter case does not count, as in the database below (inferred)."""
    found = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE | re.DOTALL)
    return lambda row: (found.fullmatch(left(row)) is not None) == wanted


def _value(entity: EntitySet, operand: Operand) -> Value:
    if isinstance(operand, Name):
        declared, name = entity.properties[operand.name], operand.name
        if declared.kind in ("date", "moment") or name == "dataAreaId":
            return lambda row: comparable(declared, row[name])
        return lambda row: row[name]
    if isinstance(operand, Arithmetic):
        compute, left, right = _COMPUTE[operand.operator], _value(entity, operand.left), _value(entity, operand.right)
        return lambda row: compute(left(row), right(row))
    constant = operand.value
    return lambda row: constant


def _allowed(entity: EntitySet, node: Comparison) -> str:
    """The kind both sides share; ODataError 400 when there is none or the operator does not fit it."""
    left, right = _kind(entity, node.left), _kind(entity, node.right)
    if "null" in (left, right):
        if node.operator not in ("eq", "ne"):
            raise _mismatch(left, right, node.operator)
        return "null"
    if left != right or left == "day" or (left in ENUMS and node.operator not in ("eq", "ne")):
        raise _mismatch(left, right, node.operator)
    return left


def _kind(entity: EntitySet, operand: Operand) -> str:
    if isinstance(operand, Literal):
        return operand.kind
    if isinstance(operand, Name):
        if operand.name not in entity.properties:
            raise unknown_property(operand.name, entity.type)
        kind = entity.properties[operand.name].kind
        return _KINDS.get(kind, kind)
    if {_kind(entity, operand.left), _kind(entity, operand.right)} != {"number"}:
        raise ODataError(400, f"The operator '{operand.operator}' needs two numbers.")
    return "number"


def _mismatch(left: str, right: str, verb: str) -> ODataError:
    names = [_EDM.get(kind, "<null>" if kind == "null" else f"{NAMESPACE}.{kind}") for kind in (left, right)]
    return ODataError(
        400,
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{names[0]}' and '{names[1]}' for operator kind '{_VERBS[verb]}'.",
    )
