"""Reads `$filter` into a test on rows: comparisons, and, or, not, and the functions Dataverse has (3.2)."""

import re
from collections.abc import Callable
from typing import Any

from connectors.emulators.dataverse.errors import DataverseError, bad_query
from connectors.emulators.dataverse.filter_values import (
    COMPARISONS,
    Row,
    Test,
    Value,
    comparable,
    comparison,
    literal_for,
    moment,
    text_test,
)

# Says what a name in a filter means: (its kind, the value of a row). DataverseError for an unknown one.
Resolve = Callable[[str], tuple[str, Value]]
_DEEPEST = 100
_TEXT_FUNCTIONS = ("contains", "startswith", "endswith")
_FLIPPED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
  | (?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:\d\d))?(?![\w-]))
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w))
  | (?P<typed>[A-Za-z_][\w.]*'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<quoted>"[^"]*")
  | (?P<name>[A-Za-z_@$][\w./]*)
  | (?P<mark>[(),=:\[\]])
    )""",
    re.VERBOSE,
)
Token = tuple[str, str, int]


def test_of(text: str, resolve: Resolve) -> Test:
    """A function that says whether a row passes; one whose values are not of the declared types does not.

    DataverseError 400 for a filter that is not understood.
    """
    test = _Parser(text, resolve).whole()

    def passes(row: Row) -> bool:
        try:
            return test(row)
        except (TypeError, AttributeError, DataverseError):
            return False

    return passes


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if not found or found.lastgroup is None:
            raise bad_query(f"Syntax error at position {at} in '{text}'.")
        tokens.append((found.lastgroup, found[found.lastgroup], at))
        at = found.end()
    return [*tokens, ("end", "", at)]


class _Parser:
    def __init__(self, text: str, resolve: Resolve) -> None:
        self._text = text
        self._resolve = resolve
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Test:
        test = self._either()
        if self._tokens[self._next][0] != "end":
            raise self._unexpected()
        return test

    def _unexpected(self) -> DataverseError:
        return bad_query(f"Syntax error at position {self._tokens[self._next][2]} in '{self._text}'.")

    def _take(self) -> Token:
        token = self._tokens[self._next]
        if token[0] != "end":
            self._next += 1
        return token

    def _word(self, *words: str) -> str:
        kind, word, _ = self._tokens[self._next]
        if kind in ("name", "mark") and word in words:
            self._next += 1
            return word
        return ""

    def _expect(self, mark: str) -> None:
        if not self._word(mark):
            raise self._unexpected()

    def _either(self) -> Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise bad_query("The recursion limit has been exceeded.")
        tests = [self._both()]
        while self._word("or"):
            tests.append(self._both())
        self._depth -= 1
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _both(self) -> Test:
        tests = [self._single()]
        while self._word("and"):
            tests.append(self._single())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _single(self) -> Test:
        if self._word("not"):
            negated = self._single()
            return lambda row: not negated(row)
        if self._word("("):
            inner = self._either()
            self._expect(")")
            return inner
        kind, word, _ = self._tokens[self._next]
        if kind == "name" and self._tokens[self._next + 1][1] == "(":
            return self._call(word)
        return self._comparison()

    def _call(self, function: str) -> Test:
        if function.startswith("Microsoft.Dynamics.CRM."):
            return self._query_function(function)
        if function not in _TEXT_FUNCTIONS:
            raise bad_query(f"An unknown function with name '{function}' was found.")
        self._next += 2
        kind, left = self._resolve(self._name())
        self._expect(",")
        literal, value = self._literal()
        self._expect(")")
        if kind not in ("string", "memo") or literal != "string":
            raise bad_query(f"No function signature for the function with name '{function}' matches the arguments.")
        return text_test(function, lambda row: comparable("string", left(row)), value.casefold())

    def _query_function(self, function: str) -> Test:
        """`In` and `NotIn` are the query functions that clients build for lists."""
        short = function.rpartition(".")[2]
        if short not in ("In", "NotIn"):
            raise bad_query(f"The query function {function} is not supported by this emulator.")
        self._next += 2
        self._argument("PropertyName")
        kind, left = self._resolve(str(self._literal()[1]))
        self._expect(",")
        self._argument("PropertyValues")
        self._expect("[")
        values = [self._loose(kind)]
        while self._word(","):
            values.append(self._loose(kind))
        self._expect("]")
        self._expect(")")
        wanted = set(values)
        return lambda row: (comparable(kind, left(row)) in wanted) == (short == "In")

    def _argument(self, name: str) -> None:
        if self._name() != name:
            raise self._unexpected()
        self._expect("=")

    def _loose(self, kind: str) -> Any:
        """A value of a list: always quoted by some clients, whatever the column's type."""
        given, value = self._literal()
        if given == "string" and kind not in ("string", "memo"):
            given, value, _ = _tokens(value)[0] if value else ("string", "", 0)
            value = _read(given, value)[1]
        return comparable(kind, value)

    def _comparison(self) -> Test:
        left = self._operand()
        verb = self._word(*COMPARISONS)
        if not verb:
            return self._bare(left)
        right = self._operand()
        if left[0] == "literal":
            left, right, verb = right, left, _FLIPPED.get(verb, verb)
        if left[0] != "column":
            raise bad_query("A comparison needs a property on one side.")
        _, kind, value = left
        return comparison(verb, _compared(kind, value), self._other_side(kind, right, verb))

    def _other_side(self, kind: str, right: tuple[str, Any, Any], verb: str) -> Value:
        if right[0] == "column":
            return _compared(right[1], right[2])
        constant = literal_for(kind, (right[1], right[2]), verb)
        return lambda row: constant

    @staticmethod
    def _bare(left: tuple[str, Any, Any]) -> Test:
        """A yes/no property stands for itself."""
        what, kind, value = left
        if kind != "bool":
            raise bad_query("The $filter expression must evaluate to a single boolean value.")
        return (lambda row: bool(value)) if what == "literal" else (lambda row: bool(value(row)))

    def _operand(self) -> tuple[str, Any, Any]:
        kind, word, _ = self._tokens[self._next]
        if kind == "name" and word not in ("true", "false", "null"):
            if word in ("and", "or", "not", *COMPARISONS):
                raise self._unexpected()
            self._next += 1
            return ("column", *self._resolve(word))
        return ("literal", *self._literal())

    def _name(self) -> str:
        kind, word, _ = self._take()
        if kind != "name":
            self._next -= 1
            raise self._unexpected()
        return word

    def _literal(self) -> tuple[str, Any]:
        kind, word, _ = self._take()
        if kind in ("mark", "end") or (kind == "name" and word not in ("true", "false", "null")):
            self._next -= kind != "end"
            raise self._unexpected()
        return _read(kind, word)


def _compared(kind: str, value: Value) -> Value:
    def read(row: Row) -> Any:
        return comparable(kind, value(row))

    return read


def _read(kind: str, word: str) -> tuple[str, Any]:
    """(kind, value) of a literal; an enum member reads as its name."""
    if kind == "string":
        return kind, word[1:-1].replace("''", "'")
    if kind == "quoted":
        return "string", word[1:-1]
    if kind == "typed":
        return "string", word.partition("'")[2][:-1]
    if kind == "number":
        return kind, float(word) if set(word) & set(".eE") else int(word)
    if kind == "moment":
        return kind, moment(word)
    if kind == "guid":
        return kind, word.lower()
    return ("null", None) if word == "null" else ("bool", word == "true")
