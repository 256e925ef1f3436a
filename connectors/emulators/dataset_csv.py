"""Reads the CSV files of a neutral dataset into typed records, one row at a time."""

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

STATUSES = frozenset(("open", "on_hold", "part_shipped", "shipped", "invoiced", "cancelled"))
CUSTOMER_STATUSES = frozenset(("active", "archived"))
LINE_TYPES = frozenset(("goods", "charge", "voucher"))
REASONS = frozenset(("return", "cancellation", "goodwill", "exchange"))
_YES_NO = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False}


class DatasetError(ValueError):
    """The dataset cannot be loaded; the message names file, line and column."""


def _text(value: str) -> str:
    return value


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _amount(value: str) -> Decimal:
    amount = Decimal(value)
    if not amount.is_finite():
        raise ValueError(value)
    return amount


def _yes_no(value: str) -> bool:
    return _YES_NO[value.lower()]


def _one_of(words: frozenset[str]) -> Callable[[str], str]:
    def read(value: str) -> str:
        word = value.lower()
        if word not in words:
            raise ValueError(value)
        return word

    return read


def _reason(value: str) -> str:
    """The four known reasons in any case; anything else is free text."""
    return value.lower() if value.lower() in REASONS else value


_BY_TYPE: dict[Any, tuple[Callable[[str], Any], str]] = {
    str: (_text, "text"),
    int: (int, "a whole number"),
    date: (date.fromisoformat, "a date such as 1980-02-29"),
    datetime: (_moment, "an ISO 8601 time such as 2026-03-01T09:30:00Z"),
    Decimal: (_amount, "a decimal number such as 12.50"),
    bool: (_yes_no, "yes or no"),
}
_BY_COLUMN: dict[tuple[str, str], tuple[Callable[[str], Any], str]] = {
    ("customers", "status"): (_one_of(CUSTOMER_STATUSES), "active or archived"),
    ("orders", "status"): (_one_of(STATUSES), "one of " + ", ".join(sorted(STATUSES))),
    ("order_lines", "status"): (_one_of(STATUSES), "one of " + ", ".join(sorted(STATUSES))),
    ("order_lines", "line_type"): (_one_of(LINE_TYPES), "goods, charge or voucher"),
    ("refunds", "reason"): (_reason, "text"),
}


def _open(folder: Path, name: str) -> tuple[str, TextIO] | None:
    """The file called `name`, plain or gzip, as (file name, text stream); None when there is none."""
    plain, packed = folder / f"{name}.csv", folder / f"{name}.csv.gz"
    if plain.exists() and packed.exists():
        raise DatasetError(f"{folder}: both {plain.name} and {packed.name} exist; keep one")
    if plain.exists():
        return plain.name, plain.open(encoding="utf-8-sig", newline="")
    if packed.exists():
        return packed.name, gzip.open(packed, "rt", encoding="utf-8-sig", newline="")
    return None


def _header(file_name: str, reader: Iterator[list[str]], record: type[msgspec.Struct]) -> list[str]:
    fields = {field.name: field for field in msgspec.structs.fields(record)}
    header = [column.strip() for column in next(reader, [])]
    unknown = [column for column in header if column not in fields]
    if unknown:
        raise DatasetError(f"{file_name}: unknown column {', '.join(repr(column) for column in unknown)}")
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        raise DatasetError(f"{file_name}: column {', '.join(map(repr, repeated))} occurs twice")
    missing = [name for name, field in fields.items() if field.required and name not in header and name != "line_no"]
    if header and missing:
        raise DatasetError(f"{file_name}: column {', '.join(map(repr, missing))} is missing")
    return header


def check(folder: Path, files: Mapping[str, type[msgspec.Struct]]) -> None:
    """DatasetError when the folder holds none of these files or a header is wrong."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such dataset folder")
    found = 0
    for name, record in files.items():
        if opened := _open(folder, name):
            found += 1
            with opened[1] as stream:
                _header(opened[0], csv.reader(stream), record)
    if not found:
        raise DatasetError(f"{folder}: none of {', '.join(f'{name}.csv' for name in files)} is there")


def _readers(name: str, header: list[str], record: type[msgspec.Struct]) -> list[tuple[str, Callable[[str], Any], str]]:
    types = {field.name: field.type for field in msgspec.structs.fields(record)}
    readers = []
    for column in header:
        kinds = getattr(types[column], "__args__", (types[column],))
        read, expected = _BY_COLUMN.get((name, column)) or _BY_TYPE[kinds[0]]
        readers.append((column, read, expected))
    return readers


def rows(folder: Path, name: str, record: type[T]) -> Iterator[T]:
    """The records of one file; nothing when the file is missing. DatasetError names line and column."""
    opened = _open(folder, name)
    if opened is None:
        return
    file_name, stream = opened
    with stream:
        try:
            yield from _rows(file_name, csv.reader(stream), name, record)
        except (UnicodeDecodeError, csv.Error, OSError, EOFError) as error:
            raise DatasetError(f"{file_name}: {error}") from error


def _rows(file_name: str, reader: Any, name: str, record: type[T]) -> Iterator[T]:
    header = _header(file_name, reader, record)
    readers = _readers(name, header, record)
    required = [field.name for field in msgspec.structs.fields(record) if field.required]
    numbered = "line_no" in required and "line_no" not in header
    counts: dict[str, int] = {}
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise DatasetError(f"{file_name} line {reader.line_num}: {len(cells)} cells, {len(header)} columns")
        values = _values(file_name, reader.line_num, readers, cells)
        if numbered:
            order = values.get("order_id", "")
            counts[order] = values["line_no"] = counts.get(order, 0) + 1
        for column in required:
            if column not in values:
                raise DatasetError(f"{file_name} line {reader.line_num}: {column} is empty")
        yield record(**values)


def _values(
    file_name: str, line: int, readers: list[tuple[str, Callable[[str], Any], str]], cells: list[str]
) -> dict[str, Any]:
    """What the cells say, empty ones left out."""
    values = {}
    for (column, read, expected), cell in zip(readers, cells, strict=True):
        if cell == "":
            continue
        if read is _text:  # most cells are: not worth a call
            values[column] = cell
            continue
        try:
            values[column] = read(cell)
        except (ValueError, KeyError, InvalidOperation):
            raise DatasetError(f"{file_name} line {line}: {column} is {cell!r}, expected {expected}") from None
    return values
