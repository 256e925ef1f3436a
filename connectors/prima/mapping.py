"""Site file × record → typed values by canonical name: the only place that follows Prima's names. Pure.

Raises RecordError for a required value that is missing or unreadable, and for a code the site's table lacks
where the file says `park`; anything else that cannot be read is left out with a fault.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from connectors import fields
from connectors.base import Fault
from connectors.errors import RecordError
from connectors.prima import paths, values
from connectors.prima.node import ROW, Node
from connectors.prima.site import Defaults, Entity, Field, Site
from connectors.prima.values import Clock, folded, given

_PART = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Values:
    """`fields` holds None (or the empty string for texts) where nothing is given; `children` their values by
    the name of the part."""

    fields: Mapping[str, Any]
    children: Mapping[str, Sequence["Values"]]
    faults: tuple[Fault, ...] = ()

    def text(self, name: str) -> str:
        return self.fields.get(name) or ""

    def get(self, name: str) -> Any:
        return self.fields.get(name)


Reader = Callable[[Node], Any]


class EntityMapping:
    """One entity of a site file, compiled."""

    def __init__(self, site: Site, entity: Entity) -> None:
        row = entity.record == ROW
        self._fields = _Fields(site, entity.fields, row)
        self._parts = {
            name: (paths.compiled(part.record), _Fields(site, part.fields, row))
            for name, part in entity.children.items()
        }
        keys = [entity.key] if isinstance(entity.key, str) else entity.key
        self._key = [_template(path, row) if "{" in path else _text_of(paths.compiled(path, row=row))
                     for path in keys if path]  # fmt: skip

    @property
    def names(self) -> frozenset[str]:
        """The fields that the site file gives."""
        return self._fields.names

    @property
    def has_key(self) -> bool:
        return bool(self._key)

    def values(self, node: Node) -> Values:
        found, faults = self._fields.read(node)
        children: dict[str, list[Values]] = {}
        for name, (path, part) in self._parts.items():
            children[name] = []
            for child in path.nodes(node):
                inner, more = part.read(child)
                children[name].append(Values(inner, {}, more))
                faults += more
        return Values(found, children, faults)

    def examined(self, node: Node) -> Iterator[tuple[str, Field, str | None]]:
        """(place, field, its text or None) of the record and of all its parts, for a trial."""
        yield from self._fields.examined(node, "")
        for name, (path, part) in self._parts.items():
            for child in path.nodes(node):
                yield from part.examined(child, f"{name}.")

    def knows(self, place: str, code: str) -> bool:
        """Is this code of an enum in its table?"""
        part, _, name = place.rpartition(".")
        return (self._parts[part][1] if part else self._fields).knows(name, code)

    def field(self, node: Node, name: str) -> Any:
        """One value alone; raises RecordError as `values` does."""
        return self._fields.one(node, name)

    def key(self, node: Node, fallback: Sequence[str]) -> str:
        """The record's key: the file's key paths, else these fields. Raises RecordError when a part is missing."""
        if self._key:
            return "|".join(fields.required(read(node), "key") for read in self._key)
        return "|".join(fields.required(self.field(node, name), name) for name in fallback)


class _Fields:
    def __init__(self, site: Site, specs: Mapping[str, Field], row: bool) -> None:
        self._read = {name: (spec, _text(spec, row), _typed(site, spec)) for name, spec in specs.items()}
        self.names = frozenset(specs)

    def read(self, node: Node) -> tuple[dict[str, Any], tuple[Fault, ...]]:
        faults: list[Fault] = []
        return {name: self._one(node, name, faults) for name in self._read}, tuple(faults)

    def one(self, node: Node, name: str) -> Any:
        return self._one(node, name, []) if name in self._read else None

    def examined(self, node: Node, prefix: str) -> Iterator[tuple[str, Field, str | None]]:
        for name, (spec, text_of, _) in self._read.items():
            yield f"{prefix}{name}", spec, text_of(node) or None

    def knows(self, name: str, code: str) -> bool:
        spec, _, typed = self._read[name]
        if spec.on_unknown == "keep":
            return True
        try:
            typed(code)
        except _UnknownCodeError:
            return False
        return True

    def _one(self, node: Node, name: str, faults: list[Fault]) -> Any:
        spec, text_of, typed = self._read[name]
        text = text_of(node) or (spec.on_missing or "")
        if not text:
            if spec.required:
                fields.required("", name)
            return "" if spec.type in ("text", "enum") else None
        try:
            return typed(text)
        except _UnknownCodeError as error:
            if spec.on_unknown == "park":
                raise RecordError("unmapped_value", name, f"The table {spec.table} has no such code.", text) from error
            return ""  # the file says that nothing is known then
        except ValueError as error:
            if spec.required:
                raise RecordError("unreadable_value", name, f"{name} is {error}.", text[:80]) from error
            faults.append(Fault("unreadable_value", name, f"{name} is {error}.", text[:80]))
            return "" if spec.type == "text" else None


class _UnknownCodeError(Exception):
    pass


def _text_of(path: paths.Path) -> Callable[[Node], str]:
    """The first value that is given."""
    if path.attribute and not path.steps:
        return _own(path.attribute)
    return lambda node: next((text for value in path.values(node) if (text := given(fields.text(value)))), "")


def _own(attribute: str) -> Callable[[Node], str]:
    """Most fields are an attribute of the record itself."""

    def read(node: Node) -> str:
        value = node.attributes.get(attribute)
        return given(value if value.isprintable() else fields.text(value)) if value else ""

    return read


def _text(spec: Field, row: bool) -> Callable[[Node], str]:
    read = _source(spec, row)
    if prefix := spec.strip_prefix:
        return lambda node: read(node).removeprefix(prefix)
    return read


def _source(spec: Field, row: bool) -> Callable[[Node], str]:
    if spec.const is not None:
        constant = spec.const
        return lambda _: constant
    if spec.template is not None:
        return _template(spec.template, row)
    given_paths = spec.first_of if spec.path is None else [spec.path]
    ways = [_text_of(paths.compiled(path, row=row)) for path in given_paths or []]
    return ways[0] if len(ways) == 1 else lambda node: next((text for way in ways if (text := way(node))), "")


def _template(template: str, row: bool) -> Callable[[Node], str]:
    """Nothing where none of its parts is given: a template's own letters are no value."""
    names = _PART.findall(template)
    ways = [_text_of(paths.compiled(f"@{name}", row=row)) for name in names]
    literals = _PART.split(template)[::2]

    def read(node: Node) -> str:
        parts = [way(node) for way in ways]
        if not any(parts):
            return ""
        return "".join(part for pair in zip(literals, [*parts, ""], strict=True) for part in pair)

    return read


def _typed(site: Site, spec: Field) -> Callable[[str], Any]:
    defaults = site.defaults
    match spec.type:
        case "date":
            return lru_cache(4096)(values.day(spec.format or defaults.date))
        case "datetime":
            return lru_cache(4096)(clock_of(defaults, spec).read)
        case "decimal":
            return values.decimal(defaults.decimal_point, defaults.thousands)
        case "yes_no":
            return values.yes_no(words(defaults.yes), words(defaults.no))
        case "enum":
            return _enum(site.tables[spec.table], spec.on_unknown == "keep")
    return str


def clock_of(defaults: Defaults, spec: Field | None = None) -> Clock:
    zone = (spec.timezone if spec else "") or defaults.timezone
    return Clock(ZoneInfo(zone), (spec.format if spec else "") or defaults.datetime, defaults.date)


def words(words: Sequence[str | int | bool]) -> frozenset[str]:
    return frozenset(str(word).casefold() for word in words)


def _enum(table: Mapping[str, str], keep: bool) -> Callable[[str], str]:
    known = {folded(code): meaning for code, meaning in table.items()}

    def read(text: str) -> str:
        meaning = known.get(folded(text))
        if meaning is None:
            if keep:
                return text
            raise _UnknownCodeError(text)
        return meaning

    return read
