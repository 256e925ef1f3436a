"""Stored records as the attribute-only XML of one site (contract 4.1)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import islice
from typing import Any
from xml.sax.saxutils import escape

from connectors.emulators.prima.dialect import Dialect
from connectors.emulators.prima.quirks import quirk_of
from connectors.emulators.prima.vocabulary import AMOUNT, DATA, LOGICAL, MOMENT, QUANTITY, Part

Record = Mapping[str, Any]
_QUOTED = {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
_ROWS_AT_ONCE = 500
_CREDITS = frozenset(("Credit", "CreditLine"))


@dataclass(frozen=True)
class Manner:
    """How a site writes: its dialect and the switches that touch every element."""

    dialect: Dialect
    absent: str = "empty"
    letters: str = "as_is"
    quirks: frozenset[str] = frozenset()
    declaration: bool = False

    def spelt(self, name: str) -> str:
        return name.lower() if self.letters == "lower" else name.upper() if self.letters == "upper" else name


@dataclass
class Reply:
    """The payload of a reply: attributes of `Data`, and rows of one part below it."""

    data: Mapping[str, str] = field(default_factory=dict)
    part: Part | None = None
    rows: Iterable[Record] = ()
    count: int = 0


class Writer:
    """Writes the rows of one part. Building it once per reply keeps the loop over rows free of questions."""

    def __init__(self, manner: Manner, part: Part) -> None:
        dialect = manner.dialect
        *around, element = [manner.spelt(step) for step in dialect.element(part).split("/")]
        self._element = element
        self.opening = "".join(f"<{step}>" for step in around)
        self.closing = "".join(f"</{step}>" for step in reversed(around))
        self._own: list[tuple[str, str, Callable[[str], str]]] = []
        self._groups: dict[str, list[tuple[str, str, Callable[[str], str]]]] = {}
        for name, kind in part.attributes.items():
            *group, last = [manner.spelt(step) for step in dialect.attribute(part, name).split("/")]
            into = self._groups.setdefault("/".join(group), []) if group else self._own
            into.append((name, f' {last}="', _value(manner, part, name, kind)))
        self._skips_empty = manner.absent == "missing"
        self._children = [(child.stored, Writer(manner, child)) for child in part.children]
        self._line_price = dialect.price_basis == "line" and "LineValue" in part.attributes

    def row(self, record: Record) -> str:
        if self._line_price and "Price" in record:
            record = {**record, "Price": record.get("LineValue", record["Price"])}
        inside = "".join(self._inside(record))
        head = f"<{self._element}{self._attributes(self._own, record)}"
        return f"{head}>{inside}</{self._element}>" if inside else f"{head}/>"

    def _inside(self, record: Record) -> Iterator[str]:
        for path, attributes in self._groups.items():
            if written := self._attributes(attributes, record):
                *around, element = path.split("/")
                opening, closing = (f"<{step}>" for step in around), (f"</{step}>" for step in reversed(around))
                yield f"{''.join(opening)}<{element}{written}/>{''.join(closing)}"
        for stored, writer in self._children:
            if rows := record.get(stored):
                yield writer.opening
                yield from map(writer.row, rows)
                yield writer.closing

    def _attributes(self, attributes: list[tuple[str, str, Callable[[str], str]]], record: Record) -> str:
        parts = []
        for name, opening, written in attributes:
            value = record.get(name)
            if value is None or (value == "" and self._skips_empty):
                continue
            parts.append(f'{opening}{written(value)}"')
        return "".join(parts)


def _value(manner: Manner, part: Part, name: str, kind: str) -> Callable[[str], str]:
    """The way of one attribute's value: sign, site's form, quirk, escape. Values repeat, so they are remembered."""
    dialect, quirk = manner.dialect, quirk_of(manner.quirks, name)
    negative = dialect.credit_sign == "negative" and part.element in _CREDITS and kind in (AMOUNT, QUANTITY)
    plain = kind not in (MOMENT, LOGICAL, "date") and name not in dialect.tables

    def written(stored: str) -> str:
        text = stored if isinstance(stored, str) else str(stored)
        if negative:
            text = _negated(text)
        if not plain and text:
            text = dialect.write(name, kind, text)
        if quirk is not None:
            text = quirk(text)
        if not text:
            return "?" if manner.absent == "question" else ""
        return _escaped(text, manner.declaration)

    return lru_cache(maxsize=4_096)(written)


def _negated(text: str) -> str:
    try:
        return f"{-Decimal(text):f}" if text else text
    except InvalidOperation:
        return text


def _escaped(text: str, latin: bool) -> str:
    written = escape(text, _QUOTED)
    # A document that says it is ISO-8859-1 writes everything beyond as a reference (fact 11).
    return written.encode("latin-1", "xmlcharrefreplace").decode("latin-1") if latin else written


def _head(manner: Manner, status: str, error: str = "") -> str:
    declaration = '<?xml version="1.0" encoding="ISO-8859-1"?>' if manner.declaration else ""
    said = f' {manner.spelt("RequestError")}="{_escaped(error, manner.declaration)}"' if error else ""
    return f'{declaration}<{manner.spelt(manner.dialect.root)} {manner.spelt("RequestStatus")}="{status}"{said}'


def refused(manner: Manner, error: str) -> Iterator[str]:
    """A business error: a reply like any other (4.1)."""
    yield _head(manner, "ERROR", error) + "/>"


def written(manner: Manner, reply: Reply) -> Iterator[str]:
    """The whole reply in pieces of some hundred rows."""
    yield _head(manner, "OK") + ">"
    data = Writer(manner, DATA).row(reply.data)
    if reply.part is None:
        yield data
    else:
        writer, closing = Writer(manner, reply.part), f"</{manner.spelt('Data')}>"
        yield (data[:-2] + ">" if data.endswith("/>") else data.removesuffix(closing)) + writer.opening
        rows = iter(reply.rows)
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            yield "".join(map(writer.row, some))
        yield writer.closing + closing
    yield f"</{manner.spelt(manner.dialect.root)}>"


_BOMB = (
    '<!DOCTYPE Response [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">'
    '<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;">]>'
    '<Response RequestStatus="OK"><Data NextKey="&f;"/></Response>'
)
_OUTPUTS = {
    "empty": "",
    "html": "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Unavailable<br></body></html>",
    "text": "** Unable to run the request. (293)",
    "doctype": _BOMB,
}


def spoilt_output(kind: str, text: Iterator[str]) -> Iterator[str]:
    """What the output holds in place of the document (4.2, rules 5 and 6); `cut` loses the last part of it."""
    if kind == "cut":
        whole = "".join(text)
        return iter([whole[: len(whole) * 2 // 3]])
    return iter([_OUTPUTS[kind]]) if kind in _OUTPUTS else text
