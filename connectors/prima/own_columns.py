"""A site's own columns: paths below a record, read with the site's formats of days, numbers and words. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors import fields
from connectors.errors import ConfigurationError
from connectors.prima import mapping, node, paths, values
from connectors.prima.node import ROW, Node
from connectors.prima.site import Site
from connectors.prima.values import given

Read = Callable[[str], Any]


def paths_of(row: bytes) -> Iterator[str]:
    """Every path that the row holds a value at, attributes with their sign."""
    _, found = node.read(row)
    yield from (name if found.name == ROW else f"@{name}" for name in found.attributes)
    for child in found.children:
        if not child.children and child.text.strip():
            yield child.name
        yield from (f"{child.name}/@{name}" for name in child.attributes)


def standard(site: Site, stream: str) -> Mapping[str, str]:
    """Field → where the site's mapping file says that it comes from."""
    entity = site.entities.get(stream)
    named = {} if entity is None else entity.fields
    return {
        name: str(one.path or one.template or one.const or ", else ".join(str(way) for way in one.first_of or ()))
        for name, one in named.items()
    }


def reader(site: Site, stream: str, columns: Mapping[str, str]) -> Callable[[bytes], Mapping[str, object]]:
    """Column → its value; one that the record does not hold is empty, as the site leaves out what it has not."""
    entity = site.entities.get(stream)
    row = entity is not None and entity.record == ROW
    typed = _typed(site)
    ways = {name: (_path(name, row), typed.get(kind, _as_it_is)) for name, kind in columns.items()}

    def read(raw: bytes) -> Mapping[str, object]:
        _, found = node.read(raw)
        return {name: _value(path, found, convert) for name, (path, convert) in ways.items()}

    return read


def _path(name: str, row: bool) -> paths.Path:
    try:
        return paths.compiled(name, row=row)
    except ValueError as error:
        raise ConfigurationError(f"{name} is no path: {error}.", remedy="Correct the flow's field mapping.") from error


def _value(path: paths.Path, found: Node, convert: Read) -> object:
    text = next((text for value in path.values(found) if (text := given(fields.text(value)))), "")
    try:
        return convert(text) if text else ""
    except ValueError:  # the field's own reader says what is wrong with it
        return text


def _as_it_is(text: str) -> str:
    return text


def _typed(site: Site) -> Mapping[str, Read]:
    defaults = site.defaults
    number = values.decimal(defaults.decimal_point, defaults.thousands)
    clock = mapping.clock_of(defaults)
    return {
        "date": values.day(defaults.date),
        "moment": lambda text: clock.read(text).isoformat(),
        "whole": number,
        "decimal": number,
        "money": number,
        "yes_no": values.yes_no(mapping.words(defaults.yes), mapping.words(defaults.no)),
    }
