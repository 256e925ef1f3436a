"""Rows of F&O → canonical records. Pure; raises RecordError only."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from connectors import fields
from connectors.base import Excluded, Fault, Mapped
from connectors.dynamics365.finance.columns import (
    CustomerColumns,
    CustomerKey,
    HeaderColumns,
    InvoiceLine,
    InvoiceLineKey,
    LineColumns,
    cleaner,
    reader,
)
from connectors.errors import RecordError
from connectors.records import Customer, Sale

_ZERO = Decimal(0)
NOT_HELD = frozenset({"", "no", "never"})
"""OnHoldStatus values that hold nothing: No, and Never (this customer is never put on hold)."""

_customer_key = reader(CustomerKey)
_invoice_line = reader(InvoiceLine)
_invoice_line_key = reader(InvoiceLineKey)


def customer_key(row: bytes) -> str:
    """`dataAreaId|CustomerAccount`, the company in lower case (it is compared without case)."""
    found = _customer_key(row)
    account = found.CustomerAccount.strip()
    if not account or not account.isprintable():
        account = fields.required(account, "CustomerAccount")
    return f"{fields.required(found.dataAreaId, 'dataAreaId').lower()}|{account}"


def customer_mapping(tier_field: str, birth_field: str) -> Callable[[bytes], Mapped]:
    """The mapping of customers for a tenant whose extension columns have these names (empty: it has none)."""
    extra = [(name, str, msgspec.field(name=column or f"(no {name})", default=""))
             for name, column in (("tier", tier_field), ("birth", birth_field))]  # fmt: skip
    read = reader(msgspec.defstruct("Customers", extra, bases=(CustomerColumns,), gc=False))

    def to_customer(row: bytes) -> Mapped:
        return _customer(read(row), cleaner(row))

    return to_customer


def _customer(row: Any, clean: Callable[[str], str]) -> Mapped:
    account, company = clean(row.CustomerAccount), clean(row.dataAreaId).lower()
    if not account or not company:
        fields.required("", "dataAreaId" if account else "CustomerAccount")
    email, country, phone, born, faults = _checked(row)
    named = row.PersonFirstName or row.PersonLastName
    person = row.PartyType == "Person" or (row.PartyType != "Organization" and named)
    record = Customer(
        key=f"{company}|{account}",
        account=account,
        company=company,
        party=clean(row.PartyNumber),
        email=email,
        first_name=clean(row.PersonFirstName) if person else "",
        last_name=clean(row.PersonLastName) if person else "",
        organisation="" if person else clean(row.OrganizationName),
        phone=phone,
        street=clean(row.AddressStreet) if clean is str.strip else _one_line(row.AddressStreet),
        city=clean(row.AddressCity),
        postcode=clean(row.AddressZipCode),
        country=country,
        language=_language(row.LanguageId),
        birth_date=born,
        loyalty_tier=clean(row.tier),
        on_hold=row.OnHoldStatus.strip().lower() not in NOT_HELD,
        unreadable=tuple([fault.field for fault in faults]) if faults else (),
    )
    return Mapped(record, faults)


def _checked(row: Any) -> tuple[str, str, str, date | None, tuple[Fault, ...]]:
    """E-mail, country, phone and date of birth; each that cannot be read is left out with a fault.

    The country is the ISO code where the tenant keeps it, else the region id (three letters, or a word).
    """
    region = row.AddressCountryRegionISOCode or row.AddressCountryRegionId
    try:
        country = fields.country(region)
        return (
            fields.email(row.PrimaryContactEmail),
            country,
            fields.phone(row.PrimaryContactPhone, country),
            fields.day(row.birth, "birth_date"),
            (),
        )
    except RecordError:
        pass
    faults: list[Fault] = []
    country = _or_fault(faults, "country", fields.country, region)
    email = _or_fault(faults, "email", fields.email, row.PrimaryContactEmail)
    phone = _or_fault(faults, "phone", fields.phone, row.PrimaryContactPhone, country)
    born = _or_fault(faults, "birth_date", fields.day, row.birth, "birth_date") or None
    return email, country, phone, born, tuple(faults)


def _or_fault(faults: list[Fault], name: str, read: Callable[..., Any], value: str, *options: str) -> Any:
    try:
        return read(value, *options)
    except RecordError as error:
        faults.append(Fault(error.kind, name, error.message, error.value))
        return ""


def _one_line(value: str) -> str:
    """F&O keeps a street of several lines with line breaks."""
    return ", ".join(part for line in value.splitlines() if (part := fields.text(line)))


@lru_cache(256)
def _language(value: str) -> str:
    """ISO 639-1 from F&O's language id (`en-us`); what is not one says nothing."""
    code = value.strip()[:3].rstrip("-").lower()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else ""


def sale_key(row: bytes) -> str:
    """`company|InvoiceNumber|LineCreationSequenceNumber`; the last part is empty for an invoice without lines."""
    found = _invoice_line_key(row)
    company, number = _document(found, cleaner(row))
    return f"{company}|{number}|{fields.text(found.line.LineCreationSequenceNumber) if found.line else ''}"


def _document(row: InvoiceLine | InvoiceLineKey, clean: Callable[[str], str]) -> tuple[str, str]:
    """The legal entity in lower case, and the invoice number."""
    part = row.line or row.header
    if part is None:
        raise RecordError("malformed_row", "row", "Neither an invoice nor a line.")
    company = clean(part.dataAreaId) or fields.required("", "dataAreaId")
    return company.lower(), clean(part.InvoiceNumber) or fields.required("", "InvoiceNumber")


def sale_mapping(charge_items: frozenset[str]) -> Callable[[bytes], Mapped]:
    """The mapping of invoice lines; `charge_items` are the item numbers that are no article (matched exactly)."""

    def to_sale(row: bytes) -> Mapped:
        found, clean = _invoice_line(row), cleaner(row)
        company, number = _document(found, clean)
        header, line = found.header, found.line
        if header is None:
            raise RecordError("line_without_header", "InvoiceNumber", "No invoice has this number.", number)
        if line is None:
            raise RecordError("invoice_without_lines", "InvoiceNumber", "The invoice has no lines.", number)
        record = _sale(header, line, company, number, clean, charge_items)
        if not record.account:
            return Mapped(Excluded(record.key, "no_customer", record))
        if record.document_total == 0:
            return Mapped(record, (_zero_total(company, number),))
        return Mapped(record)

    return to_sale


def _zero_total(company: str, number: str) -> Fault:
    message = "The invoice's total is zero although it has lines."
    return Fault("zero_total", "TotalInvoiceAmount", message, "0", f"{company}|{number}")


def _sale(
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
        key=f"{company}|{number}|{sequence}",
        document=number,
        line=sequence,
        company=company,
        customer=f"{company}|{account}" if account else "",
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
