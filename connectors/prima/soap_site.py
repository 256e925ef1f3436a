"""A site read over SOAP: which feeds make a stream, records by key, every key, and the connection test."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from connectors.base import Page, Stream
from connectors.errors import RecordError
from connectors.prima import node, pieces
from connectors.prima.events import CANCELLED
from connectors.prima.feeds import Feeds, Part
from connectors.prima.model import Model, channels_of
from connectors.prima.node import Piece, of_element, row_of
from connectors.prima.orders_known import KnownOrders
from connectors.prima.stock import together
from connectors.prima.transport import Soap

Row = bytes
PRODUCTS = 1_000


class SoapSite:
    """`streams` are the model's, for their keys."""

    def __init__(self, service: Soap, model: Model, streams: Mapping[str, Stream]) -> None:
        self._service, self._model, self._streams = service, model, streams
        self._feeds = Feeds(service, model.file.site)

    def demand(self, stream: str, columns: Sequence[str]) -> None:
        self._feeds.own = {**self._feeds.own, stream: columns}

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        if stream == "product":
            return self._products(None)
        if stream == "order_event":
            return self._events(since, resume)
        return self._feeds.read(self._parts(stream), since, resume)

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        wanted = set(keys)
        if stream == "product":
            yield from self._products(wanted)
            return
        joined = self._known_orders().join if stream == "order_event" else list
        for part in self._parts(stream):
            for rows in self._found(part, stream, wanted):
                yield Page(joined([row for row in rows if pieces.asked(self._key(stream, row), wanted)]))

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        for page in self.read(stream, ""):
            yield [key for row in page.rows if (key := self._key(stream, row))]

    def check(self) -> str:
        """Reads the description, and what changed in this moment: a reply, and hardly any records."""
        style = self._service.style()
        name = next(iter(self._model.file.site.entities))
        asked = next((page for page in self._feeds.read(self._parts(name if name != "available" else "stock"),
                                                        datetime.now(UTC).isoformat(), "")), None)  # fmt: skip
        count = len(asked.rows) if asked else 0
        return f"Answers: {style}, mapping {self._model.file.version}, {count} {name} records changed just now."

    def _parts(self, stream: str) -> list[Part]:
        return [Part(name, self._expand(stream, name)) for name in self._model.entities(stream)]

    def _expand(self, stream: str, entity: str) -> Callable[[object], list[Row]]:
        canonical, described = self._feeds.canonical(entity), self._feeds.entity(entity)
        match stream, entity:
            case "consent", _:
                return pieces.channels(canonical, channels_of(described))
            case "sale", "order":
                return pieces.documents(canonical, described, self._model.sales.plan_order)
            case "sale", _:
                return pieces.documents(canonical, described, self._model.sales.plan_credit)
            case "order_event", "order":
                return self._cancelled(pieces.whole(canonical))
            case "order_status", _:
                return _newest(pieces.whole(canonical), self._model)
        return pieces.whole(canonical)

    def _cancelled(self, whole: Callable[[object], list[Row]]) -> Callable[[object], list[Row]]:
        events = self._model.events

        def expand(element: object) -> list[Row]:
            if not events.is_cancelled(of_element(element)):
                return []
            return [row_of(body, Piece(CANCELLED)) for body in whole(element)]

        return expand

    def _events(self, since: str, resume: str) -> Iterator[Page]:
        """Cancelled orders, then despatches with what their orders say."""
        known = self._known_orders()
        parts = self._parts("order_event")
        order = Part("order", known.seen_by(parts[0].expand))
        if resume and not resume.startswith("[0"):
            for _ in self._feeds.feed(order).slices(since):  # read before: for what it says of the orders alone
                pass
        for page in self._feeds.read([order, *parts[1:]], since, resume):
            yield Page(known.join(page.rows), page.resume, page.watermark)

    def _known_orders(self) -> KnownOrders:
        whole = Part("order", pieces.whole(self._feeds.canonical("order")))

        def look_up(numbers: set[str]) -> Iterator[Row]:
            for rows in self._found(whole, "order", numbers):
                yield from rows

        return KnownOrders(self._model.events, look_up)

    def _found(self, part: Part, stream: str, wanted: set[str]) -> Iterator[Sequence[Row]]:
        documents = {key.partition("|")[0] for key in wanted} if stream in ("sale", "order_event") else wanted
        entity = self._feeds.entity(part.name)
        if entity.by_key and stream != "order_status":
            yield from self._feeds.by_key(part, sorted(documents))
            return
        yield from self._feeds.search(part, lambda row: pieces.asked(self._key(stream, row), wanted), len(wanted))

    def _products(self, wanted: set[str] | None) -> Iterator[Page]:
        """Every stock row is read: an article's sum needs all its warehouses. Kept by article until the end."""
        articles: dict[str, list[Row]] = {}
        for page in self._feeds.read(self._parts("stock"), "", ""):
            for row in page.rows:
                try:
                    sku = self._model.stock.product_key(row)
                except RecordError:
                    continue  # the stream of stock says so
                if wanted is None or sku in wanted:
                    articles.setdefault(sku, []).append(row)
        names = sorted(articles)
        for start in range(0, max(len(names), 1), PRODUCTS):
            part = names[start : start + PRODUCTS]
            last = start + PRODUCTS >= len(names)
            yield Page([together(articles[sku]) for sku in part], "", "" if last else None, len(names))

    def _key(self, stream: str, row: Row) -> str:
        try:
            return self._streams[stream].key(row)
        except RecordError:
            return ""


def _newest(whole: Callable[[object], list[Row]], model: Model) -> Callable[[object], list[Row]]:
    """Of a customer's orders in one read only those that are not older than the newest seen: the last one tells."""
    newest: dict[str, str] = {}

    def expand(element: object) -> list[Row]:
        rows = whole(element)
        for row in rows:
            try:
                customer, moment = model.orders.customer(row), model.orders.moment(node.read(row)[1])
            except RecordError:
                return rows
            if moment < newest.get(customer, ""):
                return []
            newest[customer] = moment
        return rows

    return expand
