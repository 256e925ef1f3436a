"""Layer four put together: the streams of a site, each with the mapping that its file describes. No I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from connectors.base import Change, Mapped, Stream
from connectors.errors import ConfigurationError
from connectors.prima import site
from connectors.prima.customers import Consents, Customers
from connectors.prima.events import Events
from connectors.prima.mapping import EntityMapping
from connectors.prima.orders import Orders
from connectors.prima.rules import SiteRules
from connectors.prima.sales import BASES, Sales
from connectors.prima.site import Entity
from connectors.prima.site_text import SiteFile
from connectors.prima.stock import Stock

STREAMS = ("customer", "consent", "sale", "order", "order_status", "order_event", "product", "stock")
NOT_DESCRIBED = Entity(record="row", fields={})
"""An entity that the site file leaves out: nothing of it can be read."""

Key: TypeAlias = Callable[[bytes], str]
Map: TypeAlias = Callable[[bytes], Mapped]


@dataclass(frozen=True)
class Model:
    """`basis` says what a sale is: `confirmed_order` or `despatched` (PRODUCT, sale basis)."""

    file: SiteFile
    basis: str
    customers: Customers
    consents: Consents
    orders: Orders
    sales: Sales
    events: Events
    stock: Stock

    def entities(self, stream: str) -> tuple[str, ...]:
        """The entities of the site file that a stream is read from, in this order."""
        return {
            "sale": ("order", "credit") if "credit" in self.file.site.entities else ("order",),
            "order_status": ("order",),
            "order_event": ("order", "despatch"),
            "product": (self.stock_entity,),
            "stock": (self.stock_entity,),
        }.get(stream, (stream,))

    @property
    def stock_entity(self) -> str:
        return self.file.site.rules.stock_from

    def streams(self, from_files: bool) -> Mapping[str, Stream]:
        mappings: dict[str, tuple[Key, Map, str]] = {
            "customer": (self.customers.key, self.customers.map, ""),
            "consent": (self.consents.key, self.consents.map, "customer"),
            "sale": (self.sales.key, self.sales.map, "customer"),
            "order": (self.orders.key, self.orders.map, "customer"),
            "order_status": (self.orders.customer, self.orders.map_status, "customer"),
            "order_event": (self.events.key, self.events.map, "customer"),
            "product": (self.stock.product_key, self.stock.map_product, ""),
            "stock": (self.stock.key, self.stock.map, ""),
        }
        return {
            name: Stream(
                entity=name,
                change=Change.DELTA if from_files else self._change(name),
                key=key,
                map=map_,
                version=f"{self.file.version}/{self.basis}" if name == "sale" else self.file.version,
                after=after,
            )
            for name, (key, map_, after) in mappings.items()
        }

    def _change(self, stream: str) -> Change:
        entities = self.file.site.entities
        whole = any(entities[name].mode == "full" for name in self.entities(stream) if name in entities)
        return Change.SCAN if whole or stream == "product" else Change.MOMENT


def model(file: SiteFile, basis: str, system: str = "") -> Model:
    """Raises ConfigurationError for a basis that is none."""
    if basis not in BASES:
        raise ConfigurationError(
            f"{system}: SALE_BASIS is {basis!r}, and a sale is counted by {' or '.join(BASES)}.",
            system=system,
            remedy=f"Set SALE_BASIS to {' or '.join(BASES)}.",
        )
    rules = SiteRules(file.site.rules)

    def of(name: str) -> EntityMapping:
        return EntityMapping(file.site, file.site.entities.get(name, NOT_DESCRIBED))

    order = of("order")
    return Model(
        file,
        basis,
        Customers(of("customer"), rules, file.site.defaults.country),
        Consents(of("consent"), rules),
        Orders(order, rules),
        Sales(order, of("credit"), rules, basis),
        Events(of("despatch"), order, rules),
        Stock(of(file.site.rules.stock_from), rules),
    )


def channels_of(entity: Entity) -> tuple[str, ...]:
    return tuple(channel for channel in site.CHANNELS if channel in entity.fields)
