"""Contact criteria of segments, really evaluated on the stored contacts (contract 5).

A criterion is `{"type": "criteria", "field": string id, "operator": …, "value": …}`; groups are
`{"type": "and" | "or", "children": […]}`. Choice fields compare choice ids; `optin` also takes true and false.
"""

from collections.abc import Callable, Mapping
from typing import Any

Predicate = Callable[[Mapping[str, Any]], bool]
Test = Callable[[Any], bool]


class CriteriaError(ValueError):
    """The definition cannot be used; the text says why."""


def compile_criteria(node: Any, fields: Mapping[str, str]) -> Predicate:
    """The predicate for a definition; `fields` gives the field id of each string id."""
    if not isinstance(node, Mapping):
        raise CriteriaError("contactCriteria must be an object")
    kind = node.get("type")
    if kind in ("and", "or"):
        return _group(node, fields)
    if kind == "criteria":
        return _criterion(node, fields)
    raise CriteriaError(f"unknown type {kind!r}")


def _group(node: Mapping[str, Any], fields: Mapping[str, str]) -> Predicate:
    children = node.get("children")
    if not isinstance(children, list) or not children:
        raise CriteriaError("children must be a non-empty array")
    parts = [compile_criteria(child, fields) for child in children]
    if node["type"] == "and":
        return lambda contact: all(part(contact) for part in parts)
    return lambda contact: any(part(contact) for part in parts)


def _criterion(node: Mapping[str, Any], fields: Mapping[str, str]) -> Predicate:
    name = node.get("field")
    number = fields.get(str(name))
    if number is None:
        raise CriteriaError(f"unknown field {name!r}")
    test = _test(str(node.get("operator")), node.get("value"), number)
    return lambda contact: test(contact.get(number))


def _test(operator: str, value: Any, number: str) -> Test:
    if operator == "is_empty":
        return lambda stored: not stored
    if operator == "not_empty":
        return lambda stored: bool(stored)
    if operator in _LIST:
        wanted = frozenset(_text(one, number) for one in (value if isinstance(value, list) else [value]))
        inside = _inside(wanted)
        return inside if operator == "in" else lambda stored: not inside(stored)
    if operator not in _SINGLE:
        raise CriteriaError(f"unknown operator {operator!r}")
    if isinstance(value, list | dict) or value is None:
        raise CriteriaError(f"operator {operator!r} needs one value")
    return _SINGLE[operator](_text(value, number))


def _text(value: Any, number: str) -> str:
    if number == "31":
        return {"true": "1", "false": "2"}.get(str(value).lower(), str(value))
    return str(value)


def _inside(wanted: frozenset[str]) -> Test:
    return lambda stored: not wanted.isdisjoint(stored) if isinstance(stored, list) else stored in wanted


def _equals(wanted: str) -> Test:
    return _inside(frozenset({wanted}))


def _not_equals(wanted: str) -> Test:
    equal = _equals(wanted)
    return lambda stored: not equal(stored)


def _contains(wanted: str) -> Test:
    low = wanted.casefold()
    return lambda stored: isinstance(stored, str) and low in stored.casefold()


def _starts_with(wanted: str) -> Test:
    low = wanted.casefold()
    return lambda stored: isinstance(stored, str) and stored.casefold().startswith(low)


def _compares(sign: int) -> Callable[[str], Test]:
    """Numbers compare as numbers; everything else, dates among it, as text."""

    def build(wanted: str) -> Test:
        limit = _number(wanted)

        def test(stored: Any) -> bool:
            if not stored or isinstance(stored, list):
                return False
            number = _number(stored) if limit is not None else None
            if number is not None and limit is not None:
                return (number > limit) if sign > 0 else (number < limit)
            return bool(stored > wanted) if sign > 0 else bool(stored < wanted)

        return test

    return build


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_LIST = ("in", "not_in")
_SINGLE: dict[str, Callable[[str], Test]] = {
    "equals": _equals,
    "not_equals": _not_equals,
    "contains": _contains,
    "starts_with": _starts_with,
    "greater_than": _compares(1),
    "less_than": _compares(-1),
}
