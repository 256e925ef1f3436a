"""Reads Dynamics 365 Finance: the streams, each by keyset over a total order."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from connectors.base import Division, Limits, Page, Settings, Stream
from connectors.dynamics365.finance import columns
from connectors.dynamics365.finance.documents import Documents, DocumentScan, Found, one_row
from connectors.dynamics365.finance.free_text import WithFreeText
from connectors.dynamics365.finance.invoices import Invoices
from connectors.dynamics365.finance.invoices_by_number import InvoicesByNumber
from connectors.dynamics365.finance.mapping import contacts, customers, free_text, order_events, orders, products
from connectors.dynamics365.finance.mapping import returns as return_columns
from connectors.dynamics365.finance.order_events import OrderEvents
from connectors.dynamics365.finance.order_status import OrderStatuses
from connectors.dynamics365.finance.orders import Orders
from connectors.dynamics365.finance.reading import Divided, Reader
from connectors.dynamics365.finance.scan import Scan
from connectors.dynamics365.finance.settings import SETTINGS
from connectors.dynamics365.finance.streams import streams
from connectors.dynamics365.finance.tenant import COMPANY, Table, Tenant, listed
from connectors.dynamics365.finance.visible import visible
from connectors.dynamics365.finance.windows import Window
from connectors.errors import ConfigurationError
from connectors.extra import ReadColumns, SourceColumn, check_extendable, json_columns


class Finance:
    """A Source. Opening it makes no call."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings = settings
        self._tenant = Tenant(settings, limits)
        self._keys = self._tenant.keys
        self.streams: Mapping[str, Stream] = streams(settings, self._keys, self._tenant.left_out("CUSTOMERS"))
        self._made: dict[str, Reader] = {}
        self._own_columns: Sequence[str] = ()
        self._readers: Mapping[str, Callable[[], Reader]] = {
            "customer": self._customers,
            "sale": self._invoices,
            "contact": self._contacts,
            "product": self._products,
            "stock": self._stock,
            "order": self._orders,
            "order_status": self._order_status,
            "order_event": self._order_events,
            "return": self._returns,
        }

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        return self._reader(stream).read(since, resume)

    def divide(self, stream: str, parts: int, least: int) -> Division | None:
        reader = self._reader(stream)
        return reader.divide(parts, least) if isinstance(reader, Divided) else None

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        return self._reader(stream).fetch(keys)

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        return self._reader(stream).keys()

    # ------------------------------------------------------------------------------------- a site's own columns

    extendable_streams = ("customer",)
    tells_all_columns = True

    def columns(self, stream: str) -> Sequence[SourceColumn]:
        return [SourceColumn(name, kind) for name, kind in self._tenant.columns("CUSTOMERS").items()]

    def standard(self, stream: str) -> Mapping[str, str]:
        own = {"loyalty_tier": self._settings.text("TIER_FIELD"), "birth_date": self._settings.text("BIRTH_DATE_FIELD")}
        return {**customers.COLUMNS, **{name: column for name, column in own.items() if column}}

    def extend(self, stream: str, columns: Mapping[str, str]) -> ReadColumns:
        check_extendable(self._settings.connection, stream, self.extendable_streams)
        self._own_columns = tuple(columns)
        return json_columns(self._tenant.members("CUSTOMERS", columns))

    def check(self) -> str:
        """Names the streams that this environment does not offer under the settings' names."""
        table = self._customer_table()
        self._reader("sale")
        seen = visible(self._tenant, table)
        lacking = [f"{stream} ({error})" for stream in self.streams if (error := self._lacks(stream))]
        return f"{seen} Not offered there: {'; '.join(lacking)}" if lacking else seen

    def _lacks(self, stream: str) -> str:
        try:
            self._reader(stream)
        except ConfigurationError as error:
            return f"{error} {error.remedy}"
        return ""

    def _reader(self, stream: str) -> Reader:
        if stream not in self._made:
            self._made[stream] = self._readers[stream]()
        return self._made[stream]

    def _customer_table(self) -> Table:
        extra = [name for name in (self._settings.text("TIER_FIELD"), self._settings.text("BIRTH_DATE_FIELD")) if name]
        # A column of the field mapping that is gone stops the flow: without it every value would count as empty.
        required = [*columns.CUSTOMER_REQUIRED, *self._own_columns]
        table = self._tenant.table("CUSTOMERS", required, (*columns.CUSTOMER_OPTIONAL, *extra))
        self._tenant.demand("CUSTOMERS", table, columns.CUSTOMER_MAPPED)
        return table

    def _customers(self) -> Reader:
        table = self._customer_table()
        order = table.order(COMPANY, "CustomerAccount")
        return Scan(table, order, "CustomerAccount", self._keys, customers.customer_key(self._keys))

    def _contacts(self) -> Reader:
        changed = self._settings.text("CONTACT_MOMENT_FIELD").strip()
        optional = (*contacts.OPTIONAL, *([changed] if changed else []))
        table = self._tenant.table("CONTACTS", contacts.REQUIRED, optional)
        self._tenant.demand("CONTACTS", table, contacts.MAPPED)
        return Scan(
            table,
            table.order(COMPANY, "ContactPersonId"),
            "ContactPersonId",
            self._keys,
            contacts.contact_key(self._keys),
            changed=changed if table.has(changed) else "",
            overlap_minutes=self._settings.number("OVERLAP_MINUTES"),
        )

    def _stock(self) -> Reader:
        table = self._on_hand()
        order = table.order(COMPANY, "ItemNumber", *products.DIMENSIONS)
        parts = len(products.DIMENSIONS)
        return Scan(table, order, "ItemNumber", self._keys, products.stock_key(self._keys), parts)

    def _on_hand(self) -> Table:
        table = self._tenant.table("ON_HAND", products.STOCK_REQUIRED, products.STOCK_OPTIONAL)
        if not all(table.has(column) for column in products.PARTS_OF_IT):
            self._tenant.demand_one("ON_HAND", table, (products.AVAILABLE, *products.PARTS_OF_IT), products.AVAILABLE)
        rules = {products.WAREHOUSE: "SELLABLE_WAREHOUSES", products.INVENTORY_STATUS: "BLOCKED_STATUSES"}
        self._tenant.demand("ON_HAND", table, self._ruled(rules))
        return table

    def _ruled(self, rules: Mapping[str, str]) -> list[str]:
        """The columns that a rule of this connection goes by: without them it would let everything through."""
        given = {column: self._settings.text(setting) for column, setting in rules.items()}
        return [column for column, said in given.items() if listed(said) and said != SETTINGS[rules[column]].default]

    def _products(self) -> Reader:
        table = self._tenant.table(
            "PRODUCTS", products.PRODUCT_REQUIRED, products.PRODUCT_OPTIONAL, products.EXTENSIONS
        )
        self._tenant.demand_one("PRODUCTS", table, products.NAMED)
        self._tenant.demand("PRODUCTS", table, [products.PRICED, *self._tenant.named("PRODUCTS", products.EXTENSIONS)])
        self._tenant.demand("PRODUCTS", table, self._ruled({products.LIFECYCLE: "INACTIVE_LIFECYCLE_STATES"}))
        on_hand = self._on_hand() if self._tenant.offers("ON_HAND") else None
        documents = Documents(table, on_hand, "ItemNumber", products.DIMENSIONS)
        return DocumentScan(documents, self._keys, products.product_key(self._keys), _released)

    def _invoices(self) -> Reader:
        headers = self._tenant.table("INVOICES", columns.HEADER_REQUIRED, columns.HEADER_OPTIONAL)
        lines = self._tenant.table("INVOICE_LINES", columns.LINE_REQUIRED, columns.LINE_OPTIONAL)
        currency = [] if lines.has(columns.CURRENCY) else [columns.CURRENCY]
        self._tenant.demand("INVOICES", headers, [*columns.HEADER_MAPPED, *currency])
        self._tenant.demand("INVOICE_LINES", lines, columns.LINE_MAPPED)
        days = self._settings.number("LOOKBACK_DAYS")
        way = Invoices if lines.has("InvoiceDate") else InvoicesByNumber
        invoices = way(headers, lines, self._keys, days)
        if not self._tenant.offers("FREE_TEXT"):
            return invoices
        return WithFreeText(invoices, self._free_text(), self._settings.text("FREE_TEXT_ITEM"), self._keys, days)

    def _free_text(self) -> Documents:
        headers = self._tenant.table("FREE_TEXT", free_text.HEADER_REQUIRED, free_text.HEADER_OPTIONAL)
        lines = self._tenant.table("FREE_TEXT_LINES", free_text.LINE_REQUIRED, free_text.LINE_OPTIONAL)
        self._tenant.demand("FREE_TEXT", headers, free_text.HEADER_MAPPED)
        self._tenant.demand("FREE_TEXT_LINES", lines, free_text.LINE_MAPPED)
        return Documents(headers, lines, "FreeTextNumber", ("LineNumber",), bare=("LineNumber",))

    def _order_documents(self, of_header: Sequence[str], of_line: Sequence[str] = ()) -> Documents:
        """`of_header` and `of_line` are the columns that the stream cannot do without."""
        headers = self._tenant.table("ORDERS", orders.HEADER_REQUIRED, orders.HEADER_OPTIONAL)
        lines = self._tenant.table("ORDER_LINES", orders.LINE_REQUIRED, orders.LINE_OPTIONAL)
        self._tenant.demand("ORDERS", headers, of_header)
        self._tenant.demand("ORDER_LINES", lines, of_line)
        return Documents(headers, lines, "SalesOrderNumber", ("InventoryLotId",))

    def _voided(self) -> Documents | None:
        if not self._tenant.offers("VOIDED_ORDERS"):
            return None
        headers = self._tenant.table("VOIDED_ORDERS", orders.HEADER_REQUIRED)
        lines = None
        if self._tenant.offers("VOIDED_LINES"):
            lines = self._tenant.table("VOIDED_LINES", orders.LINE_REQUIRED, orders.VOIDED_LINE_OPTIONAL)
        return Documents(headers, lines, "SalesOrderNumber", ("InventoryLotId",))

    def _window(self, headers: Table, statuses: bool) -> Window:
        days, open_days = self._settings.number("LOOKBACK_DAYS"), self._settings.number("OPEN_DAYS")
        return Window(headers, days, open_days, tuple(listed(self._settings.text("OPEN_STATUSES"))) if statuses else ())

    def _orders(self) -> Reader:
        documents = self._order_documents((*orders.STATUS, *orders.TOTALS), (*orders.LINE_MAPPED, *orders.PRICES))
        if documents.lines is None or not documents.lines.has(orders.CURRENCY):
            self._tenant.demand("ORDERS", documents.headers, [orders.CURRENCY])
        return Orders(documents, self._voided(), self._window(documents.headers, True), self._keys)

    def _order_status(self) -> Reader:
        headers, voided = self._order_documents(orders.STATUS).headers, self._voided()
        window, days = self._window(headers, True), self._settings.number("ORDER_STATUS_DAYS")
        return OrderStatuses(headers, voided.headers if voided else None, window, days, self._keys)

    def _order_events(self) -> Reader:
        documents = self._order_documents(order_events.HEADER_MAPPED, order_events.LINE_MAPPED)
        tracking = self._tenant.table("TRACKING", order_events.TRACKING_REQUIRED, order_events.TRACKING_OPTIONAL)
        self._tenant.demand("TRACKING", tracking, order_events.TRACKING_OPTIONAL)
        return OrderEvents(documents, tracking, self._window(documents.headers, False), self._keys)

    def _returns(self) -> Reader:
        headers = self._tenant.table("RETURNS", return_columns.HEADER_REQUIRED, return_columns.HEADER_OPTIONAL)
        within = listed(self._settings.text("RETURN_LINE_KEY"))
        optional = [name for name in return_columns.LINE_OPTIONAL if name not in within]
        lines = self._tenant.table("RETURN_LINES", (*return_columns.LINE_REQUIRED, *within), optional)
        self._tenant.demand("RETURNS", headers, return_columns.HEADER_MAPPED)
        self._tenant.demand("RETURN_LINES", lines, return_columns.LINE_MAPPED)
        self._tenant.demand_one("RETURN_LINES", lines, return_columns.QUANTITIES)
        documents = Documents(headers, lines, "ReturnOrderNumber", within)
        return DocumentScan(documents, self._keys, return_columns.return_key(self._keys))


def _released(document: Found) -> list[bytes]:
    """Stock of what is no released product belongs to no product; the stream `stock` has it."""
    return one_row(document) if document.headers else []
