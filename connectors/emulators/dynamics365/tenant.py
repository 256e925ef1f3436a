"""All entity sets of the environment, what is kept of each, and what follows from what."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.emulators.dynamics365 import derived_people, derived_stock
from connectors.emulators.dynamics365.entity_sets import invoices, orders, people, products, returns
from connectors.emulators.dynamics365.invoice_lines import InvoiceLines
from connectors.emulators.dynamics365.invoiced_orders import InvoicedOrders
from connectors.emulators.dynamics365.loading import moment
from connectors.emulators.dynamics365.order_lines import OrderGroups, OrderLines
from connectors.emulators.dynamics365.overlay import Computed, OverlayTable
from connectors.emulators.dynamics365.schema import ETAG, EntitySet
from connectors.emulators.dynamics365.switched import Switched
from connectors.emulators.dynamics365.tables import RecordTable, Row, Table
from connectors.emulators.dynamics365.voiding import Orders, VoidedLines
from connectors.emulators.store import Collection, Store

# Sets that hold what is loaded and written, nothing else: the control API's name for each.
_PLAIN: dict[str, EntitySet] = {
    "voided_orders": orders.VOIDED_ORDERS,
    "voided_order_lines": orders.VOIDED_LINES,
    "tracking": orders.TRACKING,
    "free_text_invoices": invoices.FREE_TEXT_INVOICES,
    "free_text_invoice_lines": invoices.FREE_TEXT_LINES,
    "return_orders": returns.RETURN_ORDERS,
    "return_order_lines": returns.RETURN_LINES,
    "return_details": returns.RETURN_DETAILS,
    "return_reasons": returns.RETURN_REASONS,
    "dispositions": returns.DISPOSITIONS,
    "variants": products.VARIANTS,
    "warehouses": products.WAREHOUSES,
    "inventory_statuses": products.STATUSES,
}


class Contacts(OverlayTable):
    """`ContactsV2`: the one set that says when a row was last edited (2.8)."""

    def __init__(self, records: Collection, now: Callable[[], datetime]) -> None:
        super().__init__(people.CONTACTS, records)
        self._now = now

    def edit(self, key: str, record: dict[str, Any] | None) -> dict[str, Any] | None:
        """The time moves with every edit, unless the edit itself sets another."""
        if record is not None:
            before = (self.find(key) or {}).get("LastEditDateTime")
            if record.get("LastEditDateTime", before) == before:
                record = {**record, "LastEditDateTime": moment(self._now())}
        return super().edit(key, record)


class Tenant:
    """The tables by entity set, and the collections the control API shows."""

    def __init__(
        self, store: Store, meta: Collection, now: Callable[[], datetime], settings: Mapping[str, str]
    ) -> None:
        self._store = store
        self._settings = settings
        self.customers = RecordTable(people.CUSTOMERS, store.collection("customers"), people.CUSTOMERS.key)
        self.invoices = RecordTable(
            invoices.INVOICES, store.collection("invoices"), ("dataAreaId", "InvoiceNumber")
        )  # fmt: skip
        self.lines = InvoiceLines(store.collection("invoice_lines"))
        self.invoiced = InvoicedOrders(meta, self.invoices.records, self.lines.groups)
        self.plain = {name: OverlayTable(entity, store.collection(name)) for name, entity in _PLAIN.items()}
        self.order_lines = OrderLines(OrderGroups(store.collection("order_lines"), self.invoiced))
        self.contacts = Contacts(store.collection("contacts"), now)
        self.stock = store.collection("stock")
        self.order_lines.listeners.append(VoidedLines(self.plain["voided_order_lines"]))
        voided = self.plain["voided_orders"]
        self.orders = Orders(orders.ORDERS, store.collection("orders"), self.invoiced, self.order_lines, voided)
        self._switch(Switched(settings))
        self.derived = {**self._people(), **self._stock()}
        self.products = self.derived["products"]

    def _switch(self, switched: Switched) -> None:
        self.orders.seen = switched.order
        self.plain["return_orders"].seen = switched.return_order
        self.plain["return_order_lines"].seen = switched.return_line

    def _people(self) -> dict[str, OverlayTable]:
        source = self.customers.records
        made = {
            "parties": (people.PARTIES, derived_people.parties),
            "electronic_addresses": (people.ELECTRONIC_ADDRESSES, derived_people.electronic_addresses),
            "postal_addresses": (people.POSTAL_ADDRESSES, derived_people.postal_addresses),
        }
        found = {name: self._from(name, entity, source, compute) for name, (entity, compute) in made.items()}
        persons = self._from(
            "contact_persons", people.CONTACT_PERSONS, self.contacts.records, derived_people.contact_persons
        )
        return {**found, "contact_persons": persons}

    def _from(
        self, name: str, entity: EntitySet, source: Collection, compute: Callable[[Collection], derived_stock.Rows]
    ) -> OverlayTable:
        return OverlayTable(
            entity, self._store.collection(name), Computed(source.lock, lambda: source.changes, lambda: compute(source))
        )

    def _stock(self) -> dict[str, OverlayTable]:
        listed = OverlayTable(products.PRODUCTS, self._store.collection("products"), self._sold())
        statuses = self._on_hand(products.STATUSES_ON_HAND, "on_hand_by_status", self._status_rows)
        warehouses = self._on_hand(
            products.WAREHOUSES_ON_HAND, "on_hand_by_warehouse", lambda: derived_stock.coarser(_all(statuses), 9)
        )
        sites = self._on_hand(
            products.SITES_ON_HAND, "on_hand_by_site", lambda: derived_stock.coarser(_all(statuses), 8)
        )
        sellable = OverlayTable(
            products.SELLABLE,
            self._store.collection("sellable_products"),
            Computed(self._store.lock, listed.stamp, lambda: derived_stock.sellable(_all(listed), self._currency())),
        )
        tables = (listed, sellable, statuses, warehouses, sites)
        names = ("products", "sellable_products", "on_hand_by_status", "on_hand_by_warehouse", "on_hand_by_site")
        return dict(zip(names, tables, strict=True))

    def _sold(self) -> Computed:
        """Products of the demo company are what it sold; any other dataset lists them."""

        def compute() -> derived_stock.Rows:
            if not self.invoiced.is_on:
                return {}
            sold = derived_stock.products_sold(self.lines.groups.items())
            return {key: {**row, **derived_stock.UNITS} for key, row in sold.items()}

        return Computed(self._store.lock, lambda: (self.invoiced.is_on, self.lines.groups.changes), compute)

    def _on_hand(self, entity: EntitySet, name: str, compute: Callable[[], derived_stock.Rows]) -> OverlayTable:
        def stamp() -> tuple[Any, ...]:
            by_status = self._store.collection("on_hand_by_status").changes
            return self.stock.changes, self._quarantine(), by_status, self._store.collection("products").changes

        return OverlayTable(entity, self._store.collection(name), Computed(self._store.lock, stamp, compute))

    def _quarantine(self) -> str:
        return self._settings.get("quarantine", "status")

    def _status_rows(self) -> derived_stock.Rows:
        return derived_stock.by_status(self.stock, self.products, self._quarantine())

    def on_hand(self) -> Iterator[Row]:
        """The finest rows there are, by status."""
        return (row for _, row in _all(self.derived["on_hand_by_status"]))

    def _currency(self) -> str:
        return str(next((row.get("CurrencyCode", "") for row in self.invoices.records.values()), ""))

    def tables(self) -> dict[str, Table]:
        """By the name of the entity set."""
        found: list[Table] = [self.customers, self.invoices, self.lines, self.orders, self.order_lines, self.contacts]
        found += [*self.plain.values(), *self.derived.values()]
        return {table.entity.name: table for table in found}

    def listen(self, heard: Callable[[EntitySet, Row | None, Row | None], None]) -> None:
        """`heard(entity, before, after)` for every row that somebody writes."""
        for table in (self.customers, self.invoices):
            table.records.edited = _told(table.entity, heard)
        overlays = (self.orders, self.contacts, *self.plain.values(), *self.derived.values())
        for overlay in overlays:
            overlay.listeners.append(_told(overlay.entity, heard))
        for lines in (self.lines, self.order_lines):
            lines.listeners.append(_told(lines.entity, heard))

    def written(self) -> list[Collection]:
        """Every collection that OData can write to."""
        overlays = (self.orders, self.contacts, *self.plain.values(), *self.derived.values())
        kept = [overlay.records for overlay in overlays]
        return [self.customers.records, self.order_lines.groups.stored, *kept]

    def sizes(self) -> dict[str, int]:
        """Sets nobody has asked for yet are not counted: that would wake them."""
        return {
            name: len(found)
            for name, found in self.collections().items()
            if _is_awake(self.orders if found is self.order_lines else found)
        }

    def collections(self) -> dict[str, Any]:
        """By the control API's name and by the entity set's; all of them read and edited the same way."""
        named: dict[str, Any] = {
            "customers": self.customers.records,
            "invoices": self.invoices.records,
            "invoice_lines": self.lines,
            "orders": self.orders,
            "order_lines": self.order_lines,
            "contacts": self.contacts,
            **self.plain,
            **self.derived,
        }
        sets: dict[str, Any] = {table.entity.name: table for table in named.values() if hasattr(table, "entity")}
        sets[people.CUSTOMERS.name], sets[invoices.INVOICES.name] = self.customers.records, self.invoices.records
        return {**named, "stock": self.stock, **sets}


def _told(
    entity: EntitySet, heard: Callable[[EntitySet, Row | None, Row | None], None]
) -> Callable[[str, Row | None, Row | None], None]:
    return lambda _, before, after: heard(entity, before, after)


def _is_awake(found: Any) -> bool:
    return not isinstance(found, OverlayTable) or found.is_awake


def _all(table: OverlayTable) -> Iterator[tuple[str, Row]]:
    """Every row with its id, its tag left out."""
    for key, row in table.list(0, len(table)):
        yield key, {name: value for name, value in row.items() if name != ETAG}
