"""Reads `$filter`: the documented operators and nothing else (dynamics365.md 2.4).

`has`, `in`, lambda and every function are refused. Precedence as in OData: unary, multiplicative, additive,
comparison, `and`, `or`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.emulators.dynamics365.replies import ODataError
from connectors.emulators.dynamics365.schema import ENUMS, NAMESPACE

COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
_SUMS = ("add", "sub")
_PRODUCTS = ("mul", "div", "divby", "mod")
_FLIPPED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_DEEPEST = 100

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+-]\d\d:\d\d))
  | (?P<day>\d{4}-\d\d-\d\d(?!\d))
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<typed>[A-Za-z_][\w.]*'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>[A-Za-z_@$][\w.]*)
  | (?P<mark>[(),/:-])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Name:
    """A property of the row."""

    name: str


@dataclass(frozen=True)
class Literal:
    """`kind` is string, number, date, bool, null, or the name of an enum."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Arithmetic:
    operator: str
    left: "Operand"
    right: "Operand"


@dataclass(frozen=True)
class Comparison:
    """A property stands left wherever there is one."""

    operator: str
    left: "Operand"
    right: "Operand"


@dataclass(frozen=True)
class Both:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Either:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Negation:
    part: "Node"


Operand = Name | Literal | Arithmetic
Node = Comparison | Both | Either | Negation | Name | Literal | Arithmetic


def _syntax(text: str, at: int) -> ODataError:
    return ODataError(400, f"Syntax error at position {at} in '{text}'.")


def _moment(text: str) -> str:
    """Canonical UTC without the Z, fraction only where there is one."""
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text).astimezone(UTC)
    except ValueError:
        raise ODataError(400, f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.") from None
    return moment.replace(tzinfo=None).isoformat()


def _typed(text: str) -> Literal:
    type_name, _, rest = text.partition("'")
    member = rest[:-1]
    enum = type_name.removeprefix(f"{NAMESPACE}.")
    if not type_name.startswith(f"{NAMESPACE}.") or enum not in ENUMS:
        raise ODataError(400, f"Unrecognized literal '{text}'.")
    if member not in ENUMS[enum]:
        raise ODataError(400, f"The string '{member}' is not a valid enumeration type constant.")
    return Literal(enum, member)


class Parser:
    """One `$filter` text; `tree()` gives its meaning or raises ODataError 400."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        self._next = 0
        self._depth = 0
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if not found or found.lastgroup is None:
                raise _syntax(text, at)
            self._tokens.append((found.lastgroup, found[found.lastgroup], at))
            at = found.end()
        self._tokens.append(("end", "", at))

    def tree(self) -> Node:
        node = self._either()
        if self._tokens[self._next][0] != "end":
            raise self._unexpected()
        return node

    def _unexpected(self) -> ODataError:
        kind, word, at = self._tokens[self._next]
        if kind == "name" and word in ("in", "has"):
            return ODataError(400, f"The operator '{word}' is not supported in $filter.")
        return _syntax(self._text, at)

    def _word(self, *words: str) -> str:
        """Consumes one of these words and returns it; "" when something else comes next."""
        kind, word, _ = self._tokens[self._next]
        if kind in ("name", "mark") and word in words:
            self._next += 1
            return word
        return ""

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ODataError(400, "The node count limit of '100' has been exceeded.")
        parts = [self._both()]
        while self._word("or"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Node:
        parts = [self._comparison()]
        while self._word("and"):
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _comparison(self) -> Node:
        if self._word("not"):
            return Negation(self._comparison())
        left = self._sum()
        operator = self._word(*COMPARISONS)
        if not operator:
            return left
        right = self._sum()
        if not isinstance(left, Operand) or not isinstance(right, Operand):
            raise self._unexpected()
        if isinstance(right, Name) and isinstance(left, Literal):
            return Comparison(_FLIPPED.get(operator, operator), right, left)
        return Comparison(operator, left, right)

    def _sum(self) -> Node:
        left = self._product()
        while operator := self._word(*_SUMS):
            left = self._arithmetic(operator, left, self._product())
        return left

    def _product(self) -> Node:
        left = self._single()
        while operator := self._word(*_PRODUCTS):
            left = self._arithmetic(operator, left, self._single())
        return left

    def _arithmetic(self, operator: str, left: Node, right: Node) -> Arithmetic:
        if not isinstance(left, Operand) or not isinstance(right, Operand):
            raise self._unexpected()
        return Arithmetic(operator, left, right)

    def _single(self) -> Node:
        if self._word("("):
            inner = self._either()
            if not self._word(")"):
                raise self._unexpected()
            return inner
        kind, word, _ = self._tokens[self._next]
        following = self._tokens[self._next + 1][1] if kind != "end" else ""
        if kind == "name" and following in ("(", "/"):
            raise ODataError(400, f"The function or path '{word}' is not supported in $filter.")
        if kind in ("end", "mark") or word in ("and", "or", *COMPARISONS, *_SUMS, *_PRODUCTS):
            raise self._unexpected()
        self._next += 1
        return _leaf(kind, word)


def _leaf(kind: str, word: str) -> Name | Literal:
    if kind == "string":
        return Literal("string", word[1:-1].replace("''", "'"))
    if kind == "number":
        return Literal("number", float(word) if set(word) & set(".eE") else int(word))
    if kind == "moment":
        return Literal("date", _moment(word))
    if kind == "day":
        return Literal("day", word)
    if kind == "typed":
        return _typed(word)
    if word in ("true", "false"):
        return Literal("bool", word == "true")
    return Literal("null", None) if word == "null" else Name(word)
