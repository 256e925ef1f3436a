"""A record of a file → the rows of a stream that gives a record's parts out one by one. Pure."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from connectors.errors import RecordError
from connectors.prima import node, paths
from connectors.prima.node import Node, Piece, row_of
from connectors.prima.sales import Planned
from connectors.prima.site import CHANNELS, Entity

Row = bytes
Expand = Callable[[Row], list[Row]]


def whole(row: Row) -> list[Row]:
    return [row]


def channels(given: Iterable[str]) -> Expand:
    parts = [Piece(channel) for channel in CHANNELS if channel in set(given)]
    return lambda row: [row] if _rejected(row) else [row_of(row, part) for part in parts]


def documents(entity: Entity, plan: Callable[[Node], Iterable[Planned]]) -> Expand:
    names = {name: paths.compiled(part.record).steps[-1] for name, part in entity.children.items()}

    def expand(row: Row) -> list[Row]:
        if _rejected(row):
            return [row]
        columns: dict[str, Any] = msgspec.json.decode(row)
        header = {name: value for name, value in columns.items() if not isinstance(value, list)}
        rows = []
        for planned in plan(node.of_columns(node.ROW, columns)):
            body = columns if not planned.part else header | _one(columns, names[planned.part], planned.child)
            rows.append(row_of(msgspec.json.encode(body), planned.piece))
        return rows

    return expand


def only(wanted: Callable[[Node], bool], piece: Piece) -> Expand:
    """The record as this piece, where it is wanted."""

    def expand(row: Row) -> list[Row]:
        try:
            found = node.read(row)[1]
        except RecordError:
            return [row]
        return [row_of(row, piece)] if wanted(found) else []

    return expand


def _one(columns: dict[str, Any], name: str, child: int) -> dict[str, Any]:
    part = next(column for column, value in columns.items() if column.lower() == name and isinstance(value, list))
    return {part: [columns[part][child]]}


def _rejected(row: Row) -> bool:
    try:
        node.read(row)
    except RecordError:
        return True
    return False
