"""Invoices and credit notes (contract 4.6) → Sale, a line each. Pure; raises RecordError only."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from connectors import fields
from connectors.base import Excluded, Fault, Mapped
from connectors.dynamics365.finance.columns import (
    HeaderColumns,
    InvoiceLine,
    InvoiceLineKey,
    LineColumns,
    cleaner,
    reader,
)
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.errors import RecordError
from connectors.records import Sale

_ZERO = Decimal(0)
_invoice_line = reader(InvoiceLine)
_invoice_line_key = reader(InvoiceLineKey)


def sale_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads `company|InvoiceNumber|LineCreationSequenceNumber`; the last part is empty for an invoice without
    lines."""

    def key(row: bytes) -> str:
        found = _invoice_line_key(row)
        sequence = fields.text(found.line.LineCreationSequenceNumber) if found.line else ""
        return keys.of(*_document(keys, found, cleaner(row)), sequence)

    return key


def _document(keys: Keys, row: InvoiceLine | InvoiceLineKey, clean: Callable[[str], str]) -> tuple[str, str]:
    """The legal entity in lower case, and the invoice number."""
    part = row.line or row.header
    if part is None:
        raise RecordError("malformed_row", "row", "Neither an invoice nor a line.")
    return keys.company(clean(part.dataAreaId)), clean(part.InvoiceNumber) or fields.required("", "InvoiceNumber")


def sale_mapping(keys: Keys, charge_items: frozenset[str]) -> Callable[[bytes], Mapped]:
    """The mapping of invoice lines; `charge_items` are the item numbers that are no article (matched exactly)."""

    def to_sale(row: bytes) -> Mapped:
        found, clean = _invoice_line(row), cleaner(row)
        company, number = _document(keys, found, clean)
        header, line = found.header, found.line
        if header is None:
            raise RecordError("line_without_header", "InvoiceNumber", "No invoice has this number.", number)
        if line is None:
            raise RecordError("invoice_without_lines", "InvoiceNumber", "The invoice has no lines.", number)
        record = _sale(keys, header, line, company, number, clean, charge_items)
        if not record.account:
            return Mapped(Excluded(record.key, "no_customer", record))
        if record.document_total == 0:
            return Mapped(record, (_zero_total(keys.of(company, number)),))
        return Mapped(record)

    return to_sale


def _zero_total(document: str) -> Fault:
    message = "The invoice's total is zero although it has lines."
    return Fault("zero_total", "TotalInvoiceAmount", message, "0", document)


def _sale(
    keys: Keys,
    header: HeaderColumns,
    line: LineColumns,
    company: str,
    number: str,
    clean: Callable[[str], str],
    charge_items: frozenset[str],
) -> Sale:
    sequence = fields.required(line.LineCreationSequenceNumber, "LineCreationSequenceNumber")
    amount = _amount(line.LineAmount, "LineAmount")
    quantity = _amount(line.InvoicedQuantity, "InvoicedQuantity")
    account, sku = clean(header.InvoiceCustomerAccountNumber), clean(line.ProductNumber)
    return Sale(
        key=keys.of(company, number, sequence),
        document=number,
        line=sequence,
        company=company,
        customer=keys.of(company, account) if account else "",
        account=account,
        sku=sku,
        name=clean(line.ProductName),
        quantity=quantity,
        unit_price=fields.money(line.SalesPrice or _ZERO, "SalesPrice"),
        amount=amount,
        currency=clean(line.CurrencyCode or header.CurrencyCode) or fields.required("", "CurrencyCode"),
        sold_at=_sold_at(header.InvoiceDate),
        document_total=_amount(header.TotalInvoiceAmount, "TotalInvoiceAmount"),
        order=clean(header.SalesOrderNumber),
        charge=sku in charge_items,
        credit=amount < 0 or (amount == 0 and quantity < 0),
    )


def _amount(value: Decimal | None, field: str) -> Decimal:
    if value is None:
        fields.required("", field)
    return fields.money(value, field)


@lru_cache(1024)
def _sold_at(value: str) -> datetime:
    """The invoice's day at noon UTC, as F&O stamps days so that no time zone moves them (contract 4.10)."""
    found = fields.day(value, "InvoiceDate")
    if found is None:
        raise RecordError("missing_value", "InvoiceDate", "The invoice has no date.", value[:40])
    return datetime(found.year, found.month, found.day, 12, tzinfo=UTC)
