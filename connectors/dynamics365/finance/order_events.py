"""The stream `order_event`: confirmations and cancellations of orders, then parcels by their delivery date."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.base import Page, Row
from connectors.dynamics365 import odata
from connectors.dynamics365.finance.documents import Documents, Found, Key
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.order_events import event_key, told
from connectors.dynamics365.finance.mapping.orders import read_document
from connectors.dynamics365.finance.reading import as_text, key_or_nothing, moment
from connectors.dynamics365.finance.tenant import COMPANY, KEYS_A_REQUEST, Table
from connectors.dynamics365.finance.windows import Progress, Window
from connectors.errors import RecordError

NUMBER = "SalesOrderNumber"
SLIP = ("PackingSlipNumber", "DeliveryDate", "TrackingNumber")


@dataclass(frozen=True)
class OrderEvents:
    """The first read begins some days back (LOOKBACK_DAYS): what happened long ago is not told to anybody."""

    documents: Documents
    tracking: Table
    window: Window
    keys_: Keys

    def read(self, since: str, resume: str) -> Iterator[Page]:
        begin = since or as_text(datetime.now(UTC))
        progress = Progress.of(resume, begin)
        if not progress.second:
            for rows in self._orders(begin, progress):
                yield Page(rows, progress.token())
            progress.second, progress.start = True, []
        for page in self.tracking.read(self._order, [self._delivered(begin)]).pages(progress.start):
            last = next((key for row in reversed(page.rows) if (key := odata.key_values(row, self._order))), None)
            progress.start = last or progress.start
            watermark = None if page.more else progress.watermark(begin, self.window.open_days)
            yield Page(self._parcels(page.rows), progress.token(), watermark=watermark)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        """The events with these keys, and all events of the orders with these keys."""
        key, asked = key_or_nothing(event_key(self.keys_)), set(keys)
        named = sorted({order for one in keys for order in self._orders_of(one)})
        for start in range(0, len(named), KEYS_A_REQUEST):
            part = named[start : start + KEYS_A_REQUEST]
            rows = [row for document in self.documents.of(part) for row in _told_row(document)]
            for page in self.tracking.read(self._order, [self.tracking.one_of(NUMBER, part)]).pages():
                rows += self._parcels(page.rows)
            yield Page([row for row in rows if _is_asked(key(row), asked)])

    def keys(self) -> Iterator[Sequence[str]]:
        """Of what the window holds: events of the past stay events, nothing is missing because it is old."""
        key = key_or_nothing(event_key(self.keys_))
        for page in self.read("", ""):
            yield [found for row in page.rows if (found := key(row))]

    @property
    def _order(self) -> tuple[odata.Column, ...]:
        return self.tracking.order(COMPANY, NUMBER, *SLIP, bare=("DeliveryDate",))

    def _delivered(self, begin: str) -> str:
        start = moment(begin)
        days = timedelta(days=self.window.lookback_days)
        return self.tracking.since("DeliveryDate", start - days) if start else ""

    def _orders(self, begin: str, progress: Progress) -> Iterator[list[Row]]:
        """The rows of a page's worth of orders at a time."""
        rows: list[Row] = []
        found = self.documents.where(self.window.condition(begin), progress.start)
        for seen, document in enumerate(found, 1):
            for header in document.headers:
                progress.see(header)
            rows += _told_row(document)
            if seen % self.documents.headers.size == 0:
                progress.start = self.documents.start(document.key)
                yield rows
                rows = []
        if rows:
            progress.start = self.documents.start(document.key)
            yield rows

    def _parcels(self, rows: Sequence[bytes]) -> list[Row]:
        """Each parcel with its order, which is asked for by number."""
        keys = [Key(_at(row, COMPANY).lower(), _at(row, NUMBER)) for row in rows]
        orders = {order.key: order for order in self.documents.of(sorted({key for key in keys if key.number}))}
        return [_parcel(row, orders.get(key)) for row, key in zip(rows, keys, strict=True)]

    def _orders_of(self, key: str) -> set[tuple[str, str]]:
        """The key may be an order's own; and a number may itself hold what looks like an event."""
        company, rest = self.keys_.split(key)
        words = rest.split("|")
        cut = {"|".join(words[:place]) for place, word in enumerate(words) if word in ("dispatch", *_EVENTS)}
        return {(company, number) for number in {rest, *cut} if number}


_EVENTS = ("confirmed", "cancelled")


def _at(row: bytes, column: str) -> str:
    return (odata.key_values(row, (odata.Column(column),)) or [""])[0]


def _parcel(row: bytes, order: Found | None) -> Row:
    header = order.headers[0] if order and order.headers else b"null"
    return b'{"tracking":%b,"header":%b,"lines":[%b]}' % (row, header, b",".join(order.lines if order else ()))


def _told_row(document: Found) -> list[Row]:
    rows = [b'{"header":%b,"lines":[%b]}' % (header, b",".join(document.lines)) for header in document.headers]
    return [row for row in rows if _tells(row)]


def _tells(row: Row) -> bool:
    try:
        return bool(told(read_document(row)))
    except RecordError:
        return True  # whoever maps it says what is wrong


def _is_asked(key: str, asked: set[str]) -> bool:
    return key in asked or any(f"{key}|".startswith(f"{one}|") for one in asked)
