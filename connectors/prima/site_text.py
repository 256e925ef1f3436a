"""The text of a site mapping file → a validated Site. Pure; raises ConfigurationError naming the place."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import yaml

from connectors.errors import ConfigurationError
from connectors.prima import paths, site
from connectors.prima.site import Children, Entity, Field, Site

T = TypeVar("T")
_AT = re.compile(r" - at `\$?(?P<path>[^`]*)`\Z")
_KNOWN_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A mapping as it is used: `version` is `site/version/hash` and goes into every stream's version."""

    site: Site
    name: str
    sha256: str

    @property
    def version(self) -> str:
        return f"{self.site.site}/{self.site.version}/{self.sha256[:12]}"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: `yes`, `NO` and `12:30` stay words. No aliases (a short file must stay short), no
    repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]  # PyYAML leaves it untyped
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases are not used in a mapping file")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {name} is given twice")
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|True|false|False)\Z"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"(?:0|-?[1-9][0-9]*)\Z"), list("-0123456789"))


def read(content: bytes, name: str) -> SiteFile:
    """`name` is what errors call the file. Raises ConfigurationError."""
    try:
        tree = yaml.load(content.decode("utf-8-sig"), _Loader)  # noqa: S506  # a SafeLoader with fewer types
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _wrong(name, "", f"is not a mapping file ({' '.join(str(error).split())[:300]})") from error
    if not isinstance(tree, dict):
        raise _wrong(name, "", "holds no mapping")
    found = _site(tree, name)
    for place, problem in _problems(found):
        raise _wrong(name, place, problem)
    return SiteFile(found, name, hashlib.sha256(content).hexdigest())


def _site(tree: dict[str, Any], name: str) -> Site:
    """Converted piece by piece: msgspec names no key of a mapping in its errors."""
    entities = {
        entity: _entity(part, f"entities.{entity}", name)
        for entity, part in _mapping(tree.get("entities", {}), "entities", name).items()
    }
    whole = _convert({**tree, "entities": {}}, Site, "", name)
    return msgspec.structs.replace(whole, entities=entities)


def _entity(part: Any, place: str, name: str) -> Entity:
    part = _mapping(part, place, name)
    children = {
        child: _children(inner, f"{place}.children.{child}", name)
        for child, inner in _mapping(part.get("children", {}), f"{place}.children", name).items()
    }
    fields = _fields(part.get("fields", {}), f"{place}.fields", name)
    whole = _convert({**part, "fields": {}, "children": {}}, Entity, place, name)
    return msgspec.structs.replace(whole, fields=fields, children=children)


def _children(part: Any, place: str, name: str) -> Children:
    part = _mapping(part, place, name)
    fields = _fields(part.get("fields", {}), f"{place}.fields", name)
    return msgspec.structs.replace(_convert({**part, "fields": {}}, Children, place, name), fields=fields)


def _fields(part: Any, place: str, name: str) -> dict[str, Field]:
    return {
        field: _convert(inner, Field, f"{place}.{field}", name) for field, inner in _mapping(part, place, name).items()
    }


def _mapping(part: Any, place: str, name: str) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise _wrong(name, place, "must be a mapping")
    return {str(key): value for key, value in part.items()}


def _convert(part: Any, form: type[T], place: str, name: str) -> T:
    try:
        return msgspec.convert(part, form)
    except (msgspec.ValidationError, RecursionError) as error:
        match = _AT.search(str(error))
        inner = match["path"] if match else ""
        raise _wrong(name, f"{place}{inner}".lstrip("."), _AT.sub("", str(error))) from error


def _wrong(name: str, place: str, problem: str) -> NoReturn:
    raise ConfigurationError(
        f"The mapping file {name}{f', at {place}' if place else ''}: {problem}.",
        remedy="Correct the file, give it the next version number and try it against a captured reply.",
    )


def _problems(found: Site) -> Iterator[tuple[str, str]]:
    """(place, what is wrong there) for whatever types cannot say."""
    yield from _zone(found.defaults.timezone, "defaults.timezone")
    for name, entity in found.entities.items():
        place = f"entities.{name}"
        if name not in site.FIELDS:
            yield place, f"is none of {', '.join(site.FIELDS)}"
            continue
        if entity.request is None and entity.file is None:
            yield place, "says neither which request nor which file it is read from"
        yield from _path_problems(entity, place)
        yield from _field_problems(found, name, entity.fields, site.FIELDS[name], place, entity.record == "row")
        for child, part in entity.children.items():
            inner = f"{place}.children.{child}"
            known = site.CHILDREN.get(name, {}).get(child)
            if known is None:
                yield inner, f"is none of {', '.join(site.CHILDREN.get(name, {})) or 'the parts of this entity'}"
                continue
            yield from _compiles(part.record, f"{inner}.record")
            yield from _field_problems(found, f"{name}.{child}", part.fields, known, inner, entity.record == "row")


def _path_problems(entity: Entity, place: str) -> Iterator[tuple[str, str]]:
    row = entity.record == "row"
    yield from _compiles(entity.record, f"{place}.record")
    keys = [entity.key] if isinstance(entity.key, str) else entity.key
    for name, path in (("key", keys), ("volatile", entity.volatile), ("changed", [entity.changed])):
        for one in path:
            for part in _KNOWN_FIELD.findall(one) if name == "key" and "{" in one else [one] if one else []:
                yield from _compiles(part, f"{place}.{name}", row=True if "{" in one else row)
    for name in ("more", "next", "clock"):
        if text := getattr(entity.page, name):
            yield from _compiles(text, f"{place}.page.{name}")
    if entity.by_key and entity.by_key.record:
        yield from _compiles(entity.by_key.record, f"{place}.by_key.record")


def _field_problems(
    found: Site, entity: str, fields: Mapping[str, Field], known: frozenset[str], place: str, row: bool
) -> Iterator[tuple[str, str]]:
    for name, field in fields.items():
        at = f"{place}.fields.{name}"
        if name not in known:
            yield at, f"is no field of it; there are {', '.join(sorted(known))}"
        ways = [way for way in ("path", "first_of", "template", "const") if getattr(field, way) is not None]
        if len(ways) != 1:
            yield at, f"must have exactly one of path, first_of, template and const, not {len(ways)}"
            continue
        for path in [field.path] if field.path is not None else field.first_of or []:
            yield from _compiles(path, f"{at}.{ways[0]}", row=row)
        for path in _KNOWN_FIELD.findall(field.template or ""):
            yield from _compiles(f"@{path}", f"{at}.template")
        if field.type == "enum" and field.table not in found.tables:
            yield f"{at}.table", f"names the table {field.table!r}, and there are {', '.join(found.tables) or 'none'}"
        yield from _zone(field.timezone, f"{at}.timezone")
    for name in sorted(site.REQUIRED.get(entity, frozenset()) - fields.keys()):
        yield f"{place}.fields", f"lacks {name}, which every record needs"


def _compiles(text: str | int, place: str, *, row: bool = False) -> Iterator[tuple[str, str]]:
    try:
        paths.compiled(text, row=row)
    except ValueError as error:
        yield place, str(error)


def _zone(name: str, place: str) -> Iterator[tuple[str, str]]:
    try:
        if name:
            ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a missing zone is a KeyError, a bad name any of them
        yield place, f"{name!r} is no time zone of the IANA database"
