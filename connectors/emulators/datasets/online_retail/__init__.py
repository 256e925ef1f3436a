"""The demo company: a real retailer's invoices of 2010 and 2011, with generated people (see LICENCE.md)."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from connectors.emulators.dataset import Customer, Dataset, Dispatch, Order, OrderLine, Product, Refund, Stock
from connectors.emulators.datasets.online_retail.people import COMPANY, People, utc

FILE = Path(__file__).parent / "online_retail_2010_2011.csv.gz"
CURRENCY = "GBP"  # the file names none; the retailer is British
# Codes the retailer books postage, fees, samples and adjustments under: no articles.
CHARGES = frozenset(
    ("POST", "DOT", "M", "m", "C2", "D", "S", "B", "CRUK", "BANK CHARGES", "AMAZONFEE", "PADS")
)  # fmt: skip

# One line as the file has it: stock code, description, quantity, unit price as written.
Line = tuple[str, str, int, str]


@dataclass(slots=True)
class Invoice:
    """One invoice of the file; 43 of them span two minutes, `stamp` is the earliest. `customer` may be ""."""

    number: str
    customer: str
    stamp: str
    country: str
    lines: list[Line] = field(default_factory=list)


def read_invoices() -> dict[str, Invoice]:
    """All invoices by number, in the order of the file, lines too."""
    invoices: dict[str, Invoice] = {}
    current = Invoice("", "", "", "")
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream)
        next(rows)
        for number, code, description, quantity, stamp, price, customer, country in rows:
            if number != current.number:
                current = invoices.setdefault(number, Invoice(number, customer, stamp, country))
            if stamp < current.stamp:
                current.stamp = stamp
            current.lines.append((code, description, int(quantity), price))
    return invoices


class OnlineRetail(Dataset):
    """The file as a neutral dataset, plus the invoices as they were posted.

    In neutral terms every `C` invoice is a set of refunds without an order, all else an invoiced order.
    """

    name = source = "online_retail"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @cached_property
    def posted(self) -> dict[str, Invoice]:
        """The invoices and credit notes of the retailer's ERP, by number."""
        return read_invoices()

    def customers(self) -> Iterator[Customer]:
        """By id. The country is that of the latest invoice, in the retailer's own words."""
        first: dict[str, str] = {}
        latest: dict[str, tuple[str, str]] = {}
        for invoice in self.posted.values():
            customer = invoice.customer
            if customer:
                first[customer] = min(invoice.stamp, first.get(customer, invoice.stamp))
                latest[customer] = max((invoice.stamp, invoice.country), latest.get(customer, ("", "")))
        people = People(self.seed)
        for customer in sorted(latest):
            stamp, country = latest[customer]
            yield people.customer(customer, country, utc(first[customer]), utc(stamp))

    def _of_kind(self, *, credit: bool) -> Iterator[Invoice]:
        return (invoice for invoice in self.posted.values() if invoice.number.startswith("C") == credit)

    def orders(self) -> Iterator[Order]:
        for invoice in self._of_kind(credit=False):
            moment = utc(invoice.stamp)
            yield Order(
                invoice.number,
                invoice.customer,
                moment,
                moment,
                CURRENCY,
                "invoiced",
                legal_entity=COMPANY,
                total=_total(invoice),
            )

    def order_lines(self) -> Iterator[OrderLine]:
        for invoice in self._of_kind(credit=False):
            for number, (code, _, quantity, price) in enumerate(invoice.lines, start=1):
                kind = "charge" if code in CHARGES else "goods"
                each = Decimal(price)
                count, total = Decimal(quantity), quantity * each
                yield OrderLine(invoice.number, number, kind, code, count, each, line_total=total, status="invoiced")

    def refunds(self) -> Iterator[Refund]:
        for invoice in self._of_kind(credit=True):
            moment = utc(invoice.stamp)
            for number, (code, _, quantity, price) in enumerate(invoice.lines, start=1):
                amount = -quantity * Decimal(price)
                yield Refund(
                    invoice.number, "", number, invoice.customer, code, Decimal(-quantity), amount, CURRENCY, moment
                )

    def products(self) -> Iterator[Product]:
        """Every code, with the last description that is not empty."""
        names: dict[str, str] = {}
        for invoice in self.posted.values():
            for code, description, _, _ in invoice.lines:
                names[code] = description.strip() or names.get(code, "")
        return (Product(code, name, currency=CURRENCY) for code, name in names.items())

    def stock(self) -> Iterator[Stock]:
        return iter(())

    def dispatches(self) -> Iterator[Dispatch]:
        return iter(())


def _total(invoice: Invoice) -> Decimal:
    return sum((quantity * Decimal(price) for _, _, quantity, price in invoice.lines), Decimal(0))
