"""What a sales CSV may look like, and which of its rows can be loaded (contract 6.1)."""

import csv
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation

REQUIRED = ("item", "price", "order", "timestamp", "quantity")
CONTACT = ("customer", "email")
_FAILS_THE_LOAD = ("order", "timestamp")


class HeaderError(ValueError):
    """The header line cannot be used: the upload is refused at once."""


@dataclass
class Load:
    """What became of one upload; amounts in the account's currency."""

    rows: list[list[str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failed: bool = False


def read_header(line: str, agreed: list[str] | None) -> list[str]:
    """The columns of a header line; HeaderError when it is malformed or not as agreed (contract 6.1)."""
    columns = next(csv.reader([line.removeprefix("\ufeff")]), [])
    if len(set(columns)) != len(columns) or not all(columns):
        raise HeaderError("The header line has empty or repeated columns")
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise HeaderError(f"The header line lacks: {', '.join(missing)}")
    if sum(name in columns for name in CONTACT) != 1:
        raise HeaderError("The header line must have one of customer and email")
    if agreed is not None and columns != agreed:
        raise HeaderError(f"The columns differ from those agreed: {','.join(agreed)}")
    return columns


def read_rows(columns: list[str], lines: list[str]) -> Load:
    """Whole columns are checked at once; only a file with a problem is read row by row."""
    rows = [row for row in csv.reader(f"{line}\n" for line in lines) if row]
    if len(rows) == sum(1 for line in lines if line.rstrip("\r")) and _is_clean(columns, rows):
        return Load(rows)
    load = Load()
    for number, row in enumerate(rows, start=2):
        problem = _problem(columns, row)
        if problem is None:
            load.rows.append(row)
            continue
        load.problems.append(f"line {number}: {problem[1]}")
        load.failed = load.failed or problem[0] in _FAILS_THE_LOAD
    if load.failed:
        load.rows = []
    return load


def _is_clean(columns: list[str], rows: list[list[str]]) -> bool:
    width = len(columns)
    if any(len(row) != width for row in rows):
        return False
    values = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else {}
    if not rows:
        return True
    return (
        all(values["order"])
        and all(values["item"])
        and all(_is_time(one) for one in set(values["timestamp"]))
        and all(_amount(one) is not None for one in set(values["price"]) | set(values["quantity"]))
    )


def _problem(columns: list[str], row: list[str]) -> tuple[str, str] | None:
    if len(row) != len(columns):
        return "", f"{len(row)} values for {len(columns)} columns"
    if any("\n" in value for value in row):
        return "", "a value contains a line break"
    values = dict(zip(columns, row, strict=True))
    for name in ("order", "item"):
        if not values[name]:
            return name, f"{name} is empty"
    if not _is_time(values["timestamp"]):
        return ("" if values["timestamp"] else "timestamp"), f"timestamp is not a time: {values['timestamp']!r}"
    for name in ("price", "quantity"):
        if _amount(values[name]) is None:
            return name, f"{name} is not a number: {values[name]!r}"
    return None


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) >= 10


def _amount(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def as_line(row: list[str]) -> str:
    """A row as CSV again, quoted where needed."""
    return ",".join(f'"{one.replace(chr(34), chr(34) * 2)}"' if set(one) & set(',"') else one for one in row)
