"""A shop without an API: its customers as one CSV file at an address. The worked example of docs/adding-a-system.md:
this module, its mapping and its samples are a whole connector."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from connectors.base import Change, Connector, Limits, Page, Row, Setting, Settings, Stream
from connectors.errors import RecordError
from connectors.http import Http
from connectors.shop_export import mapping

PAGE = 1_000


class ShopExport:
    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._http = Http(settings.connection, settings.text("URL"), limits, settings=settings)
        self.streams = {"customer": Stream("customer", Change.SCAN, mapping.customer_key, mapping.customer)}

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        """The file in its own order; `resume` is how many of its rows were read before."""
        rows = self._rows()
        for start in range(int(resume or 0), len(rows) + 1, PAGE):
            part, last = rows[start : start + PAGE], start + PAGE > len(rows)
            yield Page(part, str(start + len(part)), "" if last else None, len(rows))

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        yield Page([row for row in self._rows() if _key(row) in set(keys)])

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        yield [key for row in self._rows() if (key := _key(row))]

    def check(self) -> str:
        return f"Answers; the file lists {len(self._rows()):,} customers."

    def _rows(self) -> list[Row]:
        reply = self._http.get("")
        try:
            table = csv.DictReader(io.StringIO(reply.body.decode("utf-8-sig")), strict=True)
            rows = [json.dumps(row).encode() for row in table]
        except (UnicodeDecodeError, csv.Error) as error:
            raise reply.unexpected(f"not a CSV file in UTF-8 ({error})") from error
        if "customer_no" not in (table.fieldnames or ()):  # a sign-in page is no file without customers
            raise reply.unexpected("a file without the column customer_no")
        return rows


def _key(row: Row) -> str:
    try:
        return mapping.customer_key(row)
    except RecordError:  # whoever maps the row will say it
        return ""


connector = Connector(
    name="shop_export",
    title="Shop export (CSV)",
    settings={"URL": Setting("address of the customers' file")},
    open=ShopExport,
    streams=("customer",),
)
