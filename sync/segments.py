"""Segment checks: who should be in a segment by the ERP's truth, and who is in it at Emarsys.

Only criteria that read fields we own can be judged; consent and behaviour belong to Emarsys. Criteria are the
target's own tree (contracts/emarsys.md section 5): `{"type": "and" | "or", "children": [...]}` over
`{"type": "criteria", "field": string id, "operator": ..., "value": ...}`. The operators and their meaning are
the emulated system's; a real account's others make a segment unreadable, never wrong.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

Criteria = Mapping[str, Any]
Values = Mapping[str, str]
"""A person's values by the field's string id at Emarsys, as Emarsys would store them; absent or "" is empty."""

_CANONICAL = {
    "zip_code": "postcode",
    "address": "street",
    "company_name": "organisation",
    "registration_language": "language",
}
"""String id at Emarsys → canonical field of a customer, where the two are not the same word."""


def canonical(string_id: str) -> str:
    """The customer's field that a criterion reads: by its known name, else by the same letters (`loyaltyTier`)."""
    if string_id in _CANONICAL:
        return _CANONICAL[string_id]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", string_id).lower()


class UnreadableError(Exception):
    """The criteria cannot be judged from the ERP; the text says why."""


def evaluate(criteria: Criteria, person: Values) -> bool:
    """Is this person in the segment? Raises UnreadableError for criteria of a form we do not know."""
    kind = criteria.get("type")
    if kind == "and":
        return all(evaluate(child, person) for child in _children(criteria))
    if kind == "or":
        return any(evaluate(child, person) for child in _children(criteria))
    if kind != "criteria":
        raise UnreadableError(f"It has a part of type {kind!r} that we cannot judge.")
    return _test(criteria)(person.get(str(criteria.get("field")), ""))


def fields_read(criteria: Criteria) -> Iterator[str]:
    """The string ids of the fields that the criteria read."""
    if criteria.get("type") in ("and", "or"):
        for child in _children(criteria):
            yield from fields_read(child)
    elif criteria.get("type") == "criteria":
        yield str(criteria.get("field"))


def why_not_readable(criteria: Criteria | None, owned: Collection[str]) -> str:
    """Empty when the ERP can say who belongs into the segment, else the sentence that says why not.

    `owned` are the canonical fields that we write into the target.
    """
    if not criteria:
        return "Emarsys does not show this segment's criteria (behaviour, purchases or a combination of segments)."
    try:
        foreign = sorted({field for field in fields_read(criteria) if canonical(field) not in owned})
        evaluate(criteria, {})
        _every_part(criteria)
    except UnreadableError as error:
        return str(error)
    if foreign:
        return f"It reads {', '.join(foreign)}: not the ERP's to say."
    return ""


def _every_part(criteria: Criteria) -> None:
    """`and` and `or` stop early: judge each part once, so that an unknown one is found before it matters."""
    if criteria.get("type") in ("and", "or"):
        for child in _children(criteria):
            _every_part(child)
    else:
        evaluate(criteria, {})


def _children(criteria: Criteria) -> list[Criteria]:
    children = criteria.get("children")
    if not isinstance(children, list) or not children or not all(isinstance(one, Mapping) for one in children):
        raise UnreadableError("It has a group without parts.")
    return children


def _test(criteria: Criteria) -> Callable[[str], bool]:
    operator, value = str(criteria.get("operator")), criteria.get("value")
    if operator in _EMPTINESS:
        return _EMPTINESS[operator]
    if operator in ("in", "not_in"):
        wanted = {str(one) for one in (value if isinstance(value, list) else [value])}
        return (lambda held: held in wanted) if operator == "in" else (lambda held: held not in wanted)
    if operator not in _SINGLE:
        raise UnreadableError(f"It compares by {operator!r}, which we do not know.")
    if value is None or isinstance(value, list | dict):
        raise UnreadableError(f"{operator} has no single value.")
    return _SINGLE[operator](str(value))


def _more(wanted: str) -> Callable[[str], bool]:
    return lambda held: bool(held) and _order(held, wanted) > 0


def _less(wanted: str) -> Callable[[str], bool]:
    return lambda held: bool(held) and _order(held, wanted) < 0


def _order(held: str, wanted: str) -> int:
    """Numbers compare as numbers, all else (ISO dates among it) as text."""
    left, right = _number(held), _number(wanted)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    return (held > wanted) - (held < wanted)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_EMPTINESS: dict[str, Callable[[str], bool]] = {"is_empty": lambda held: not held, "not_empty": lambda held: bool(held)}
_SINGLE: dict[str, Callable[[str], Callable[[str], bool]]] = {
    "equals": lambda wanted: lambda held: held == wanted,
    "not_equals": lambda wanted: lambda held: held != wanted,
    "contains": lambda wanted: lambda held: bool(held) and wanted.casefold() in held.casefold(),
    "starts_with": lambda wanted: lambda held: bool(held) and held.casefold().startswith(wanted.casefold()),
    "greater_than": _more,
    "less_than": _less,
}
