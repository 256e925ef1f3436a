"""The ways a dropped file can be bad (contract 9); `gap`, `repeat`, `empty` and encodings are the writer's own."""

from collections.abc import Iterable, Iterator
from pathlib import Path

Row = list[str]
SPOILS = (
    "utf8_bom",  # UTF-8 with a byte order mark in place of Windows-1252
    "utf8",  # UTF-8 without one
    "bad_encoding",  # a byte that Windows-1252 does not have
    "truncated",  # ends in the middle of a row, without a trailer
    "bad_count",  # the trailer counts one row more
    "gap",  # a sequence number is left out
    "repeat",  # the last file once more, same name
    "repeat_content",  # the same content under the next name
    "spreadsheet",  # leading zeros gone, barcodes like 5.39000E+12, dates as numbers
    "header",  # no header row
    "columns",  # the first row has a cell too many
    "quotes",  # a quote that nobody closes
    "empty",  # no rows
    "zero_bytes",  # nothing at all
)


def spoil_rows(spoil: str, header: Row, rows: Iterable[Row]) -> Iterator[Row]:
    if spoil != "header":
        yield header
    for at, row in enumerate(rows):
        yield [*row, "stray"] if spoil == "columns" and at == 0 else row


def spoil_file(spoil: str, path: Path) -> None:
    """What is done to the bytes once they are written."""
    if spoil not in ("truncated", "bad_encoding", "quotes", "zero_bytes"):
        return
    content = path.read_bytes()
    if spoil == "zero_bytes":
        content = b""
    elif spoil == "truncated":
        content = content.rstrip(b"\r\n")
        content = content[: max(content.rfind(b"\n") + 2, len(content) * 2 // 3)]
    else:
        after_header = content.find(b"\n") + 1
        content = content[:after_header] + (b"\x81" if spoil == "bad_encoding" else b'"') + content[after_header:]
    path.write_bytes(content)
