"""One record as a small tree, whether it came as an XML element or as rows of a file. Pure.

A row's bytes are the record's element in canonical XML, or a JSON object of columns; a line of JSON before it
(`Piece`) says which part of the record the row stands for, and what only the rest of the read knew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from lxml import etree

from connectors.errors import RecordError

ROW = "row"
"""The name of a record that is a row of a file (contract 9)."""


@dataclass(frozen=True, slots=True)
class Node:
    """Names are local and in lower case: the same service writes `SKU` and `sku` (contract 4.2)."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple["Node", ...] = ()
    text: str = ""

    def named(self, name: str) -> Iterator["Node"]:
        return (child for child in self.children if child.name == name)


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which part of its record a row stands for. `sum` is the document's sum as it was read, `customer` and
    `status` the order's where the record itself does not name them, `reject` why the row cannot be used."""

    part: str = ""
    line: str = ""
    nth: int = 0
    sum: str = ""
    customer: str = ""
    status: str = ""
    reject: str = ""


_NOTHING = Piece()
_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
)
"""Never an entity, a DTD or the network (SECURITY X1); libxml2's own limits stay on."""
_piece = msgspec.json.Decoder(Piece)
_columns = msgspec.json.Decoder(dict[str, Any])


def row_of(body: bytes, piece: Piece = _NOTHING) -> bytes:
    return body if piece == _NOTHING else msgspec.json.encode(piece) + b"\n" + body


def read(row: bytes) -> tuple[Piece, Node]:
    """Raises RecordError when the row is neither XML nor a JSON object, or says that it was rejected."""
    head, _, body = row.partition(b"\n")
    if not body or not head.startswith(b"{"):
        return _NOTHING, _node(row)
    try:
        piece = _piece.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"The part it stands for cannot be read: {error}") from error
    if piece.reject:
        raise RecordError("bad_row", ROW, piece.reject)
    return piece, _node(body)


def _node(body: bytes) -> Node:
    return _from_xml(body) if body[:1] == b"<" else _from_columns(body)


def _from_xml(body: bytes) -> Node:
    try:
        root = etree.fromstring(body, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _malformed(f"Not XML: {error}") from error
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype:
        raise _malformed("Not an element on its own.")
    return of_element(root)


def of_element(element: Any) -> Node:
    attributes: dict[str, str] = {}
    for name, value in element.attrib.items():
        lowered = local(name)
        if not attributes.get(lowered):  # names that differ by case only: the one that is given
            attributes[lowered] = value
    children = tuple(of_element(child) for child in element if isinstance(child.tag, str))
    return Node(local(element.tag), attributes, children, element.text or "")


@lru_cache(4096)
def local(name: str) -> str:
    return name.rpartition("}")[2].lower()


def _from_columns(body: bytes) -> Node:
    try:
        columns = _columns.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"Neither XML nor a row of columns: {error}") from error
    return of_columns(ROW, columns)


def of_columns(name: str, columns: Mapping[str, Any]) -> Node:
    """A row of a file; a list of objects is a list of rows that belong to it, by the name of their record."""
    attributes: dict[str, str] = {}
    children: list[Node] = []
    for column, value in columns.items():
        if isinstance(value, list):
            children += [of_columns(column.lower(), part) for part in value if isinstance(part, Mapping)]
        else:
            attributes[column.strip().lower()] = "" if value is None or isinstance(value, Mapping) else str(value)
    return Node(name, attributes, tuple(children))


def _malformed(message: str) -> RecordError:
    return RecordError("malformed_row", ROW, message[:300])
