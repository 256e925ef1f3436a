"""A CSV file's bytes → rows of columns, or the reason why the whole file is refused (contract 9)."""

import csv
import io
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from connectors.prima.site import File

_SCIENTIFIC = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]{1,3}\Z", re.IGNORECASE)
_SERIAL = re.compile(r"[2-5][0-9]{4}(?:[.,][0-9]+)?\Z")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")


class DamagedFileError(Exception):
    """The file is parked; `row` is its number in the file, the header being 1."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row, self.reason = row, reason


class TableRow(NamedTuple):
    """`problem` says why a row cannot be used."""

    number: int
    columns: dict[str, str]
    problem: str = ""


def rows(content: IO[bytes], spec: File) -> Iterator[TableRow]:
    """Every row but header and trailer. Raises DamagedFileError at the row that spoils the file."""
    names: list[str] = []
    number = 0
    for number, cells in enumerate(_cells(content, spec), 1):
        if number == 1:
            names = _header(cells)
        elif cells and not _is_trailer(cells, spec):
            yield _row(number, names, cells, spec)
    if not number:
        raise DamagedFileError(1, "The file is empty: not even a header.")


def check(content: IO[bytes], spec: File) -> int:
    """Reads all of it; gives the number of rows. Raises DamagedFileError, also for a trailer that counts wrongly."""
    content.seek(0)
    count, said = 0, None
    for number, cells in enumerate(_cells(content, spec), 1):
        if number > 1 and cells:
            if _is_trailer(cells, spec):
                said = cells[1].strip() if len(cells) > 1 else ""
            else:
                count += 1
    content.seek(0)
    for _ in rows(content, spec):
        pass
    if said is not None and said != str(count):
        raise DamagedFileError(count + 2, f"The trailer counts {said or 'nothing'}, the file has {count} rows.")
    content.seek(0)
    return count


def has_trailer(content: IO[bytes], spec: File) -> bool:
    """A file without its trailer is still being written. Raises DamagedFileError."""
    content.seek(0)
    return any(
        _is_trailer(cells, spec) for number, cells in enumerate(_cells(content, spec), 1) if number > 1 and cells
    )


def _cells(content: IO[bytes], spec: File) -> Iterator[list[str]]:
    text = io.TextIOWrapper(content, encoding=_encoding(content, spec), errors="strict", newline="")
    reader = csv.reader(text, delimiter=_delimiter(content, spec), strict=True)
    try:
        yield from reader
    except UnicodeDecodeError as error:
        row = reader.line_num + 1
        raise DamagedFileError(
            row, f"Row {row} or later cannot be read as {error.encoding}: {error.reason}."
        ) from error
    except csv.Error as error:
        row = reader.line_num
        raise DamagedFileError(row, f"Row {row} is no row of the file's form: {error}.") from error
    finally:
        text.detach()  # the file goes on being the caller's


def _encoding(content: IO[bytes], spec: File) -> str:
    head = content.read(4)
    content.seek(0)
    if head.startswith(_UTF_16):
        raise DamagedFileError(1, f"The file is UTF-16, and {spec.encoding} was agreed.")
    return "utf-8-sig" if head.startswith(b"\xef\xbb\xbf") else spec.encoding


def _delimiter(content: IO[bytes], spec: File) -> str:
    """Comma or pipe, as the header shows (contract 9), where the site file does not say."""
    if spec.delimiter != "auto":
        return spec.delimiter
    header = content.readline(64 * 1024).decode("latin-1")
    content.seek(0)
    return max(",|;\t", key=header.count)


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    lowered = [name.lower() for name in names]
    if not any(names):
        raise DamagedFileError(1, "The header names no column.")
    if len(set(lowered)) != len(lowered):
        raise DamagedFileError(1, "The header names a column twice.")
    return names


def _is_trailer(cells: list[str], spec: File) -> bool:
    return bool(spec.trailer) and cells[0].strip().lower() == spec.trailer.lower() and len(cells) <= 2


def _row(number: int, names: list[str], cells: list[str], spec: File) -> TableRow:
    columns = dict(zip(names, cells, strict=False))
    if len(cells) != len(names):
        return TableRow(number, columns, f"Row {number} has {len(cells)} columns, the header {len(names)}.")
    if damage := spoilt(columns, spec):
        raise DamagedFileError(number, f"Row {number}: {damage}; the file went through a spreadsheet.")
    if any(
        _MULTIBYTE.search(cell.encode("cp1252", "ignore")) and _is_utf8(cell) for cell in cells if not cell.isascii()
    ):
        raise DamagedFileError(number, f"Row {number} is UTF-8 without a mark, and {spec.encoding} was agreed.")
    return TableRow(number, columns)


def spoilt(columns: dict[str, str], spec: File) -> str:
    """What a spreadsheet did to this row, or nothing (contract 9)."""
    cells = {name.lower(): value.strip() for name, value in columns.items()}
    for name in spec.codes:
        if _SCIENTIFIC.match(cells.get(name.lower(), "")):
            return f"{name} is in scientific notation"
    for name, width in spec.widths.items():
        value = cells.get(name.lower(), "")
        if value.isdigit() and len(value) < width:
            return f"{name} has lost its leading zeros ({len(value)} of {width} digits)"
    for name in spec.dates:
        if _SERIAL.match(cells.get(name.lower(), "")):
            return f"{name} is a serial number instead of a date"
    return ""


def _is_utf8(cell: str) -> bool:
    """Letters of Windows-1252 that make UTF-8 when read as bytes: mojibake, hardly ever words."""
    try:
        return cell.encode("cp1252").decode("utf-8") != cell
    except UnicodeError:
        return False
