"""Sales → lines of the sales data file (contract 6.1, 6.3). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.base import Encoded, Fault, Known
from connectors.emarsys.mapping.csv_cells import csv_cell
from connectors.emarsys.mapping.moments import zulu
from connectors.emarsys.mapping.schema import Encode, Schema
from connectors.errors import RecordError
from connectors.records import Record, Sale

SALE_COLUMNS: Mapping[str, Callable[[Sale], str]] = {
    "s_invoice_line": lambda sale: sale.key,
    "s_document": lambda sale: sale.document,
    "s_company": lambda sale: sale.company,
    "s_currency": lambda sale: sale.currency,
    "s_sales_order": lambda sale: sale.order,
}
"""Custom columns that may be asked for. The set agreed with the account must stay as it is (contract 6.1)."""


@dataclass(frozen=True)
class SalesForm:
    """What an account agreed on at onboarding (contract 6.1, 6.3): all of it inferred, all of it a setting."""

    columns: Sequence[str] = ("s_invoice_line",)
    unit_price: bool = False
    custom_amount: bool = False
    by_order: bool = False
    refund_item: str = ""
    """The pseudo item of refunds without an article (postage, goodwill); empty means such lines are refused."""

    @property
    def header(self) -> bytes:
        amount = ["f_c_sales_amount"] if self.custom_amount else []
        names = ["item", "price", "order", "timestamp", "customer", "quantity", *self.columns, *amount]
        return ",".join(names).encode() + b"\n"


def sale_encoder(schema: Schema, form: SalesForm) -> Encode:
    """One line of the CSV. A credit line is negative in price and quantity, or (`custom_amount`) positive
    with the sign in `f_c_sales_amount` alone."""
    custom = [SALE_COLUMNS[name] for name in form.columns]

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, Sale):
            raise RecordError("malformed_row", "record", f"Sales data are made from a sale, not {type(record)}.")
        item = record.sku or (form.refund_item if record.credit else "")
        price, quantity = _price(record, form), record.quantity
        if not record.sku and not quantity:  # money without goods counts as one piece
            quantity = Decimal(-1)
        sign = abs if form.custom_amount else _as_it_is
        values = [
            _required(item, "sku"),
            f"{sign(price):f}",
            _required(record.order if form.by_order else record.document, "order"),
            zulu(record.sold_at, "sold_at"),
            _required(schema.external_id(record), "customer"),
            f"{sign(quantity):f}",
            *(column(record) for column in custom),
            *([f"{record.amount:f}"] if form.custom_amount else []),
        ]
        return Encoded(record.key, ",".join([csv_cell(value) for value in values]).encode() + b"\n"), ()

    return encode


def _price(record: Sale, form: SalesForm) -> Decimal:
    if not form.unit_price:
        return record.amount
    return -abs(record.unit_price) if record.credit else record.unit_price


def _as_it_is(value: Decimal) -> Decimal:
    return value


def _required(value: str, name: str) -> str:
    if not value:
        raise RecordError("missing_value", name, f"Sales data need a value for {name}.")
    return value
