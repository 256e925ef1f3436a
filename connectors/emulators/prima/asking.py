"""The inner request: `Request/@RequestType` and its `Data` (contract 4.1), in the contract's words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.emulators.prima.dialect import Dialect
from connectors.emulators.prima.vocabulary import Part

if TYPE_CHECKING:
    from lxml import etree

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


class BusinessError(Exception):
    """What `RequestError` says."""


@dataclass(frozen=True)
class Asked:
    """One request; `name` is the contract's name of its type."""

    name: str
    data: "etree._Element"
    dialect: Dialect

    def values(self, *parts: Part, of: "etree._Element | None" = None) -> dict[str, str]:
        """The attributes given, in stored form, by the contract's names; empty ones too. BusinessError."""
        given = dict(_attributes(self.data if of is None else of))
        found: dict[str, str] = {}
        for part in parts:
            for name, kind in part.attributes.items():
                text = given.get(self.dialect.attribute(part, name).lower())
                if text is not None:
                    found[name] = self._read(name, kind, text)
        return found

    def _read(self, name: str, kind: str, text: str) -> str:
        try:
            return self.dialect.read(name, kind, text)
        except ValueError:
            raise BusinessError(f"Invalid value for {name}") from None

    def children(self, *names: str, of: "etree._Element | None" = None) -> Iterator["etree._Element"]:
        wanted = {name.lower() for name in names}
        for child in self.data if of is None else of:
            if isinstance(child.tag, str) and child.tag.lower() in wanted:
                yield child


def _attributes(element: "etree._Element", before: str = "") -> Iterator[tuple[str, str]]:
    """Own attributes, and those of children as `child/attribute`; names in lower case (4.2)."""
    for name, value in element.attrib.items():
        yield f"{before}{str(name).lower()}", str(value)
    if not before:
        for child in element:
            if isinstance(child.tag, str):
                yield from _attributes(child, f"{child.tag.lower()}/")


def asked(text: str, dialect: Dialect, without: frozenset[str]) -> Asked:
    """BusinessError when it is no request, or of a type the site does not have."""
    from lxml import etree  # 4 MB, for nothing where nobody asks Prima

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(_DECLARATION.sub("", text, count=1).encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        raise BusinessError("Request is not valid XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise BusinessError("Request is not valid XML")
    if root.tag != "Request":
        raise BusinessError("Request element not found")
    wanted = str(root.get("RequestType") or "")
    name = dialect.request_called(wanted)
    if not name or name in without:
        raise BusinessError(f"Unknown request type {wanted}".strip())
    data = next((child for child in root if child.tag == "Data"), None)
    if data is None:
        raise BusinessError("Data element not found")
    return Asked(name, data, dialect)
