"""Released products and on-hand stock (contract 4.8) → Product, StockLevel. Pure; raises RecordError only."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from connectors import fields
from connectors.base import Mapped
from connectors.dynamics365.finance.columns import amount, cleaner, reader
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.errors import RecordError
from connectors.records import Product, StockLevel

DIMENSIONS = (
    "ProductColorId",
    "ProductConfigurationId",
    "ProductSizeId",
    "ProductStyleId",
    "ProductVersionId",
    "InventorySiteId",
    "InventoryWarehouseId",
    "InventoryStatusId",
)
"""What identifies an on-hand row besides company and item; a coarser set lacks the last of them."""
STOCK_REQUIRED = ("dataAreaId", "ItemNumber")
STOCK_OPTIONAL = (
    *DIMENSIONS,
    "OnHandQuantity",
    "ReservedOnHandQuantity",
    "AvailableOnHandQuantity",
    "OrderedQuantity",
)
AVAILABLE, PARTS_OF_IT = "AvailableOnHandQuantity", ("OnHandQuantity", "ReservedOnHandQuantity")
WAREHOUSE, INVENTORY_STATUS = "InventoryWarehouseId", "InventoryStatusId"
PRODUCT_REQUIRED = ("dataAreaId", "ItemNumber")
NAMED, PRICED, LIFECYCLE = ("ProductName", "SearchName"), "SalesPrice", "ProductLifecycleStateId"
EXTENSIONS = ("Description", "Category", "Brand", "Link", "Image", "ListPrice")
"""Columns that only a tenant of its own has; read where PRODUCTS_COLUMNS maps them."""


class ProductColumns(msgspec.Struct, gc=False):
    """ReleasedProductsV2."""

    dataAreaId: str = ""
    ItemNumber: str = ""
    ProductName: str = ""
    SearchName: str = ""
    ProductGroupId: str = ""
    ProductLifecycleStateId: str = ""
    SalesPrice: Decimal | None = None
    SalesPriceQuantity: Decimal | None = None
    CurrencyCode: str = ""
    IsSalesStopped: str = ""
    Description: str = ""
    Category: str = ""
    Brand: str = ""
    Link: str = ""
    Image: str = ""
    ListPrice: Decimal | None = None


PRODUCT_OPTIONAL = tuple(
    name for name in ProductColumns.__struct_fields__ if name not in PRODUCT_REQUIRED and name not in EXTENSIONS
)


class OnHand(msgspec.Struct, gc=False):
    """A row of an on-hand set."""

    dataAreaId: str = ""
    ItemNumber: str = ""
    ProductColorId: str = ""
    ProductConfigurationId: str = ""
    ProductSizeId: str = ""
    ProductStyleId: str = ""
    ProductVersionId: str = ""
    InventorySiteId: str = ""
    InventoryWarehouseId: str = ""
    InventoryStatusId: str = ""
    OnHandQuantity: Decimal | None = None
    ReservedOnHandQuantity: Decimal | None = None
    AvailableOnHandQuantity: Decimal | None = None
    OrderedQuantity: Decimal | None = None


class ProductDocument(msgspec.Struct, gc=False):
    header: ProductColumns | None = None
    lines: list[OnHand] = []


_product = reader(ProductDocument)
_on_hand = reader(OnHand)


@dataclass(frozen=True)
class StockPolicy:
    """What may be promised (contract 4.8). No warehouses means all; names are compared without case."""

    warehouses: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()
    buffer: Decimal = Decimal(0)

    @classmethod
    def of(cls, warehouses: Iterable[str], blocked: Iterable[str], buffer: Decimal) -> "StockPolicy":
        return cls(frozenset(one.lower() for one in warehouses), frozenset(one.lower() for one in blocked), buffer)

    def sells(self, row: OnHand) -> bool:
        warehouse, status = row.InventoryWarehouseId.strip().lower(), row.InventoryStatusId.strip().lower()
        return (not self.warehouses or warehouse in self.warehouses) and status not in self.blocked

    def sellable(self, rows: Iterable[OnHand]) -> Decimal | None:
        """What is available in what is sold from, less the buffer; None where no row says."""
        found = [(row, value) for row in rows if (value := available(row)) is not None]
        if not found:
            return None
        total = sum((max(Decimal(0), value) for row, value in found if self.sells(row)), Decimal(0))
        return max(Decimal(0), total - self.buffer)


def available(row: OnHand) -> Decimal | None:
    """Available physical, else what it is defined as: physical less reserved."""
    stated = amount(row.AvailableOnHandQuantity, "AvailableOnHandQuantity")
    physical, reserved = row.OnHandQuantity, row.ReservedOnHandQuantity
    if stated is not None or physical is None or reserved is None:
        return stated
    return fields.money(physical, "OnHandQuantity") - fields.money(reserved, "ReservedOnHandQuantity")


def product_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads `company|ItemNumber`."""

    def key(row: bytes) -> str:
        found = _product(row)
        part = found.header or next(iter(found.lines), None)
        if part is None:
            raise RecordError("malformed_row", "row", "Neither a product nor its stock.")
        return keys.of(*_item(keys, part, cleaner(row)))

    return key


def _item(keys: Keys, part: ProductColumns | OnHand, clean: Callable[[str], str]) -> tuple[str, str]:
    item = clean(part.ItemNumber) or fields.required("", "ItemNumber")
    return keys.company(clean(part.dataAreaId)), item


def product_mapping(
    keys: Keys, policy: StockPolicy, currency: str, inactive: frozenset[str]
) -> Callable[[bytes], Mapped]:
    """`currency` is what prices are in where the set does not say; `inactive` are the lifecycle states (lower
    case) of what is no longer sold."""

    def to_product(row: bytes) -> Mapped:
        found, clean = _product(row), cleaner(row)
        header = found.header
        if header is None:
            raise RecordError("line_without_header", "ItemNumber", "Stock of an item that is no released product.")
        company, item = _item(keys, header, clean)
        return Mapped(
            Product(
                key=keys.of(company, item),
                sku=item,
                company=company,
                name=clean(header.ProductName) or clean(header.SearchName),
                description=clean(header.Description),
                category=tuple(part for level in clean(header.Category).split(">") if (part := level.strip())),
                brand=clean(header.Brand),
                group=clean(header.ProductGroupId),
                price=_price(header),
                list_price=amount(header.ListPrice, "ListPrice"),
                currency=clean(header.CurrencyCode) or currency,
                link=clean(header.Link),
                image=clean(header.Image),
                sellable=policy.sellable(found.lines),
                active=header.IsSalesStopped.strip().lower() != "yes"
                and clean(header.ProductLifecycleStateId).lower() not in inactive,
            )
        )

    return to_product


def _price(header: ProductColumns) -> Decimal | None:
    """The price of one; F&O's may be for SalesPriceQuantity of them."""
    price = amount(header.SalesPrice, "SalesPrice")
    pieces = amount(header.SalesPriceQuantity, "SalesPriceQuantity")
    if price is None or pieces is None or pieces in (0, 1):
        return price
    return fields.price_of_one(price, pieces, "SalesPriceQuantity")


def stock_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads `company|ItemNumber|` and the values of DIMENSIONS, empty where a set has none."""

    def key(row: bytes) -> str:
        return _stock_key(keys, _on_hand(row), cleaner(row))

    return key


def _stock_key(keys: Keys, row: OnHand, clean: Callable[[str], str]) -> str:
    return keys.of(*_item(keys, row, clean), *(clean(getattr(row, name)) for name in DIMENSIONS))


def stock_mapping(keys: Keys, policy: StockPolicy) -> Callable[[bytes], Mapped]:
    """The buffer is the item's, not a warehouse's: it is no part of a level's sellable quantity."""

    def to_level(row: bytes) -> Mapped:
        found, clean = _on_hand(row), cleaner(row)
        company, item = _item(keys, found, clean)
        free = available(found)
        sellable = None if free is None else max(Decimal(0), free) if policy.sells(found) else Decimal(0)
        return Mapped(
            StockLevel(
                key=_stock_key(keys, found, clean),
                sku=item,
                company=company,
                warehouse=clean(found.InventoryWarehouseId) or clean(found.InventorySiteId),
                status=clean(found.InventoryStatusId),
                physical=amount(found.OnHandQuantity, "OnHandQuantity"),
                reserved=amount(found.ReservedOnHandQuantity, "ReservedOnHandQuantity"),
                available=free,
                on_order=amount(found.OrderedQuantity, "OrderedQuantity"),
                sellable=sellable,
            )
        )

    return to_level
