"""Rows of files → the records they make: headers with their lines, or lines that share a header. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from connectors.prima.files.table import TableRow
from connectors.prima.node import Piece, row_of
from connectors.prima.site import File

Columns = dict[str, Any]


def records(rows: Iterable[TableRow], spec: File, lines: Iterable[TableRow] = ()) -> Iterator[bytes]:
    """One row of JSON a record, in the file's order; a row that cannot be used says why (contract 9)."""
    if spec.lines:
        return _with_lines(rows, spec, lines)
    return _grouped(rows, spec) if spec.lines_key else (_alone(row) for row in rows)


def _alone(row: TableRow) -> bytes:
    body = msgspec.json.encode(row.columns)
    return row_of(body, Piece(reject=row.problem)) if row.problem else body


def _grouped(rows: Iterable[TableRow], spec: File) -> Iterator[bytes]:
    found: dict[str, Columns] = {}
    for row in rows:
        key = _cell(row.columns, spec.lines_key)
        if row.problem or not key:
            yield _alone(row if row.problem else row._replace(problem=f"Row {row.number} has no {spec.lines_key}."))
            continue
        found.setdefault(key, {**row.columns, spec.lines_record: []})[spec.lines_record].append(row.columns)
    yield from (msgspec.json.encode(record) for record in found.values())


def _with_lines(rows: Iterable[TableRow], spec: File, lines: Iterable[TableRow]) -> Iterator[bytes]:
    waiting: dict[str, list[TableRow]] = {}
    for line in lines:
        if line.problem:
            yield _alone(line)
        else:
            waiting.setdefault(_cell(line.columns, spec.lines_key), []).append(line)
    for row in rows:
        if row.problem:
            yield _alone(row)
            continue
        mine = waiting.pop(_cell(row.columns, spec.lines_key), [])
        yield msgspec.json.encode({**row.columns, spec.lines_record: [line.columns for line in mine]})
    for left in waiting.values():
        for line in left:
            yield _alone(
                line._replace(problem=f"Row {line.number}: no header of this file has the line's key; it waits.")
            )


def _cell(columns: Columns, name: str) -> str:
    lowered = name.lower().lstrip("@")
    return next((str(value).strip() for column, value in columns.items() if column.lower() == lowered), "")
