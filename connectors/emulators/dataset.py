"""The neutral dataset: a retailer's data as a folder of CSV files that any emulated system can load.

Each file holds one kind of record; every method of `Dataset` streams one file. All files are optional, all
columns but ids too. `None` is "not given" for numbers, dates and yes/no; a missing text is "".
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec

from connectors.emulators.dataset_csv import DatasetError, check, rows

__all__ = [
    "Customer",
    "Dataset",
    "DatasetError",
    "Dispatch",
    "Order",
    "OrderLine",
    "Product",
    "Refund",
    "Stock",
]

T = TypeVar("T", bound=msgspec.Struct)


class Customer(msgspec.Struct, frozen=True):
    """`customers.csv`. `country` is ISO 3166 alpha-2; in the demo data it is the retailer's own word."""

    customer_id: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    street: str = ""
    city: str = ""
    postcode: str = ""
    country: str = ""
    language: str = ""
    birth_date: date | None = None
    group: str = ""
    loyalty_tier: str = ""
    party_id: str = ""
    legal_entity: str = ""
    on_hold: bool | None = None
    email_consent: bool | None = None
    consent_at: datetime | None = None
    created_at: datetime | None = None
    modified_at: datetime | None = None
    status: str = ""
    merged_into: str = ""


class Order(msgspec.Struct, frozen=True):
    """`orders.csv`. `status` is lower case, "" when the column is missing."""

    order_id: str
    customer_id: str = ""
    ordered_at: datetime | None = None
    modified_at: datetime | None = None
    currency: str = ""
    status: str = ""
    campaign_code: str = ""
    legal_entity: str = ""
    goods: Decimal | None = None
    discount: Decimal | None = None
    charges: Decimal | None = None
    tax: Decimal | None = None
    prices_include_tax: bool | None = None
    total: Decimal | None = None


class OrderLine(msgspec.Struct, frozen=True):
    """`order_lines.csv`. Without a `line_no` column lines are numbered in file order within their order."""

    order_id: str
    line_no: int
    line_type: str = "goods"
    sku: str = ""
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    discount: Decimal | None = None
    tax: Decimal | None = None
    line_total: Decimal | None = None
    status: str = ""


class Refund(msgspec.Struct, frozen=True):
    """`refunds.csv`, one refunded line; rows with one `refund_id` belong to one credit note."""

    refund_id: str
    order_id: str = ""
    line_no: int | None = None
    customer_id: str = ""
    sku: str = ""
    quantity: Decimal | None = None
    amount: Decimal | None = None
    currency: str = ""
    refunded_at: datetime | None = None
    reason: str = ""


class Product(msgspec.Struct, frozen=True):
    """`products.csv`."""

    sku: str
    name: str = ""
    category: str = ""
    price: Decimal | None = None
    currency: str = ""


class Stock(msgspec.Struct, frozen=True):
    """`stock.csv`, one article in one warehouse."""

    sku: str
    warehouse: str = ""
    physical: Decimal | None = None
    reserved: Decimal | None = None
    quarantined: Decimal | None = None
    on_order: Decimal | None = None


class Dispatch(msgspec.Struct, frozen=True):
    """`dispatches.csv`, one parcel or packing slip."""

    dispatch_id: str
    order_id: str = ""
    dispatched_at: datetime | None = None
    carrier: str = ""
    tracking_number: str = ""


FILES: dict[str, type[msgspec.Struct]] = {
    "customers": Customer,
    "orders": Order,
    "order_lines": OrderLine,
    "refunds": Refund,
    "products": Product,
    "stock": Stock,
    "dispatches": Dispatch,
}


class Dataset:
    """A folder in the neutral format. Headers are checked at once, rows when they are read.

    DatasetError when the folder holds none of the files, a column is unknown, or a value cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.source = str(folder)  # what opens it again
        check(folder, FILES)

    def customers(self) -> Iterator[Customer]:
        return iter(self._customers)

    @cached_property
    def _customers(self) -> list[Customer]:
        """Every system asks for the customers, some twice; the rest is streamed."""
        return list(self._rows("customers", Customer))

    def orders(self) -> Iterator[Order]:
        return self._rows("orders", Order)

    def order_lines(self) -> Iterator[OrderLine]:
        return self._rows("order_lines", OrderLine)

    def refunds(self) -> Iterator[Refund]:
        return self._rows("refunds", Refund)

    def products(self) -> Iterator[Product]:
        return self._rows("products", Product)

    def stock(self) -> Iterator[Stock]:
        return self._rows("stock", Stock)

    def dispatches(self) -> Iterator[Dispatch]:
        return self._rows("dispatches", Dispatch)

    def validate(self) -> None:
        """Reads every row once, so that nothing is half loaded. DatasetError on a bad value or a repeated id."""
        _unrepeated("customers", ((row.customer_id, row.legal_entity) for row in self.customers()))
        _unrepeated("orders", ((row.order_id, row.legal_entity) for row in self.orders()))
        _unrepeated("order_lines", ((row.order_id, str(row.line_no)) for row in self.order_lines()))
        _unrepeated("products", ((row.sku,) for row in self.products()))
        for rows_of in (self.refunds, self.stock, self.dispatches):
            for _ in rows_of():
                pass

    def _rows(self, file: str, record: type[T]) -> Iterator[T]:
        return rows(self.folder, file, record)


def _unrepeated(file: str, ids: Iterable[tuple[str, ...]]) -> None:
    seen = set()
    for key in ids:
        if key in seen:
            raise DatasetError(f"{file}: {' '.join(filter(None, key))} occurs twice")
        seen.add(key)
