"""Products → lines of the catalogue file that Emarsys pulls and that replaces everything (contract 7). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.base import Encoded, Fault, Known
from connectors.emarsys.mapping.csv_cells import csv_cell, prose
from connectors.emarsys.mapping.schema import Encode
from connectors.errors import RecordError
from connectors.records import Product, Record

DEFAULT = "item,title,link,image,category,available,description,price,msrp,brand,group_id,c_stock"


@dataclass(frozen=True)
class Feed:
    """`columns` keep the order agreed with the account. More than `threshold` pieces must be sellable."""

    columns: Sequence[str]
    threshold: Decimal = Decimal(0)
    currency: str = ""
    """The account's currency; a product priced in another is refused. Empty: not checked."""

    @property
    def head(self) -> bytes:
        return ",".join(self.columns).encode() + b"\n"


def available(product: Product, threshold: Decimal) -> bool:
    """Sold at all, and more to sell than the safety threshold. What the ERP does not say is not available."""
    return product.active and product.sellable is not None and product.sellable > threshold


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _category(product: Product) -> str:
    """Levels joined with ` > `; neither that sign nor the `|` between several categories may be part of a name."""
    levels = [prose(level.replace(">", "/").replace("|", "/")) for level in product.category]
    return " > ".join(level for level in levels if level)


COLUMNS: Mapping[str, Callable[[Product, Feed], str]] = {
    "item": lambda product, feed: product.sku,
    "title": lambda product, feed: prose(product.name),
    "link": lambda product, feed: product.link,
    "image": lambda product, feed: product.image,
    "zoom_image": lambda product, feed: product.image,
    "category": lambda product, feed: _category(product),
    "available": lambda product, feed: str(available(product, feed.threshold)).lower(),
    "description": lambda product, feed: prose(product.description),
    "price": lambda product, feed: _number(product.price),
    "msrp": lambda product, feed: _number(product.list_price),
    "brand": lambda product, feed: prose(product.brand),
    "group_id": lambda product, feed: product.group,
    "c_stock": lambda product, feed: _number(product.sellable),
    "c_company": lambda product, feed: product.company,
    "c_currency": lambda product, feed: product.currency,
}


_UNKNOWN_STOCK = Fault("unknown_stock", "sellable", "The ERP does not say how many can be sold: not available.")


def encoder(feed: Feed) -> Encode:
    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, Product):
            raise RecordError("malformed_row", "record", f"The catalogue is made from products, not {type(record)}.")
        if not record.sku:
            raise RecordError("missing_value", "sku", "The catalogue needs a value for item.")
        if feed.currency and record.price is not None and record.currency != feed.currency:
            raise RecordError("other_currency", "currency", f"The account is in {feed.currency}.", record.currency)
        unknown = record.active and record.sellable is None
        faults = (_UNKNOWN_STOCK,) if unknown else ()
        cells = [csv_cell(COLUMNS[name](record, feed)) for name in feed.columns]
        return Encoded(record.key, ",".join(cells).encode() + b"\n"), faults

    return encode
