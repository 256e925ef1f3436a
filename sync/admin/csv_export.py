"""CSV that a spreadsheet opens without running anything in it (SEC-E1), streamed so that its size does not matter."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*\Z", re.ASCII)
_STARTS_FORMULA = tuple("=+-@\t\r\n\0|＝＋－＠｜")


def neutral(value: object) -> str:
    """The cell as text; a leading apostrophe where a spreadsheet would take it for a formula."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return _plain(value)
    text = str(value)
    if _NUMBER.match(text):
        return text
    starts = text.startswith(_STARTS_FORMULA) or text.lstrip().startswith(_STARTS_FORMULA)
    return f"'{text}" if starts else text


def _plain(value: Decimal) -> str:
    """Without the zeros that a database's sum carries behind; an amount keeps two places."""
    whole, point, places = f"{value:f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}" if point else whole


class _Echo:
    """A file that hands back what is written, for csv.writer."""

    def write(self, text: str) -> str:
        return text


def lines(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """RFC 4180 with a byte order mark, so that Excel reads it as UTF-8."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow([neutral(cell) for cell in heading])
    for row in rows:
        yield writer.writerow([neutral(cell) for cell in row])


def response(name: str, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """`name` is ours, never from the data."""
    reply = StreamingHttpResponse(lines(heading, rows), content_type="text/csv; charset=utf-8")
    reply["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return reply
