"""Which columns of F&O are read, and how a row's bytes become them. Pure; raises RecordError only.

A row is decoded into just these columns. A column of an unexpected type sends that row through the slow way
(a plain dictionary), which never loses a row for it.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec

from connectors import fields
from connectors.base import Fault
from connectors.errors import RecordError

T = TypeVar("T")
BACKSLASH, DELETE = 0x5C, 0x7F


class CustomerColumns(msgspec.Struct, gc=False):
    """CustomersV3, the columns we read (contract 4.1). `tier` and `birth` are tenant extensions."""

    dataAreaId: str = ""
    CustomerAccount: str = ""
    PartyNumber: str = ""
    PartyType: str = ""
    OrganizationName: str = ""
    PersonFirstName: str = ""
    PersonLastName: str = ""
    LanguageId: str = ""
    PrimaryContactEmail: str = ""
    PrimaryContactPhone: str = ""
    AddressStreet: str = ""
    AddressCity: str = ""
    AddressZipCode: str = ""
    AddressCountryRegionId: str = ""
    AddressCountryRegionISOCode: str = ""
    OnHoldStatus: str = ""


class HeaderColumns(msgspec.Struct, gc=False):
    """SalesInvoiceHeadersV2 (contract 4.6)."""

    dataAreaId: str = ""
    InvoiceNumber: str = ""
    InvoiceDate: str = ""
    LedgerVoucher: str = ""
    InvoiceCustomerAccountNumber: str = ""
    SalesOrderNumber: str = ""
    CurrencyCode: str = ""
    TotalInvoiceAmount: Decimal | None = None


class LineColumns(msgspec.Struct, gc=False):
    """SalesInvoiceV2Lines (contract 4.6)."""

    dataAreaId: str = ""
    InvoiceNumber: str = ""
    InvoiceDate: str = ""
    LineCreationSequenceNumber: int | str = ""
    ProductNumber: str = ""
    ProductName: str = ""
    InvoicedQuantity: Decimal | None = None
    SalesPrice: Decimal | None = None
    LineAmount: Decimal | None = None
    CurrencyCode: str = ""


class InvoiceLine(msgspec.Struct, gc=False):
    """One row of the stream `sale`: a line with its header; either may be missing."""

    header: HeaderColumns | None = None
    line: LineColumns | None = None


class CustomerKey(msgspec.Struct, gc=False):
    dataAreaId: str = ""
    CustomerAccount: str = ""


class PartKey(msgspec.Struct, gc=False):
    """The key of a line; a header has no sequence number."""

    dataAreaId: str = ""
    InvoiceNumber: str = ""
    LineCreationSequenceNumber: int | str = ""


class InvoiceLineKey(msgspec.Struct, gc=False):
    header: PartKey | None = None
    line: PartKey | None = None


CUSTOMER_REQUIRED = ("dataAreaId", "CustomerAccount")
CUSTOMER_OPTIONAL = tuple(name for name in CustomerColumns.__struct_fields__ if name not in CUSTOMER_REQUIRED)
CUSTOMER_MAPPED = (
    *("PersonFirstName", "PersonLastName", "OrganizationName", "LanguageId", "PrimaryContactEmail"),
    *("PrimaryContactPhone", "AddressStreet", "AddressCity", "AddressZipCode", "AddressCountryRegionId"),
    "OnHoldStatus",
)
"""Columns without which a value of every customer would count as empty: one that is gone stops the flow. An
environment that never had one says so in CUSTOMERS_COLUMNS."""
CURRENCY = "CurrencyCode"
HEADER_REQUIRED = (
    *("dataAreaId", "InvoiceDate", "InvoiceNumber"),
    *("InvoiceCustomerAccountNumber", "TotalInvoiceAmount"),
)
HEADER_MAPPED = ("SalesOrderNumber",)
"""Likewise of invoices, and so on for each set: what would be wrong or missing at the target without a word."""
HEADER_OPTIONAL = tuple(name for name in HeaderColumns.__struct_fields__ if name not in HEADER_REQUIRED)
LINE_REQUIRED = (
    *("dataAreaId", "InvoiceNumber", "LineCreationSequenceNumber"),
    *("InvoicedQuantity", "LineAmount"),
)
LINE_MAPPED = ("ProductNumber", "SalesPrice")
LINE_OPTIONAL = tuple(name for name in LineColumns.__struct_fields__ if name not in LINE_REQUIRED)


def row_as(form: type[T], row: bytes) -> T:
    """The row as this struct, read leniently where its types are not the documented ones."""
    try:
        found = msgspec.json.decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RecordError("malformed_row", "row", f"Not a JSON object: {error}"[:200], _shown(row)) from error
    if not isinstance(found, dict):
        raise RecordError("malformed_row", "row", "Not a JSON object.", _shown(row))
    try:
        return msgspec.convert(_without_nulls(found), form)  # a null is all that ails most rows
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return cast(T, _lenient(form, found))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value


def _lenient(form: Any, found: dict[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for column in msgspec.structs.fields(form):
        value = found.get(column.encode_name)
        nested = _struct_in(column.type)
        if nested and get_origin(column.type) is list:
            parts = value if isinstance(value, list) else ()
            values[column.name] = [_lenient(nested, part) for part in parts if isinstance(part, dict)]
        elif nested:
            values[column.name] = _lenient(nested, value) if isinstance(value, dict) else None
        elif isinstance(value, bool | int | float | str):
            values[column.name] = _scalar(value, column.name, Decimal in get_args(column.type))
    return form(**values)


def _struct_in(kind: Any) -> Any:
    """The struct in `Struct | None` or `list[Struct]`."""
    return next((part for part in get_args(kind) if isinstance(part, type) and issubclass(part, msgspec.Struct)), None)


def _scalar(value: bool | int | float | str, name: str, amount: bool) -> Any:
    if amount:
        return fields.money(value, name) if value != "" else None
    if isinstance(value, bool):
        return "Yes" if value else "No"  # F&O's own NoYes; another service has Edm.Boolean
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def _shown(row: bytes) -> str:
    return row[:200].decode("utf-8", "replace")


def reader(form: type[T]) -> Callable[[bytes], T]:
    decode = msgspec.json.Decoder(form).decode

    def read(row: bytes) -> T:
        try:
            return decode(row)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            return row_as(form, row)

    return read


def cleaner(row: bytes) -> Callable[[str], str]:
    """How this row's texts are cleaned: JSON can hold a control character only behind a backslash (or as DEL)."""
    return fields.text if BACKSLASH in row or DELETE in row else str.strip


def amount(value: Decimal | None, field: str) -> Decimal | None:
    """A finite amount, None where the row says nothing."""
    return None if value is None else fields.money(value, field)


def optional_moment(value: str, field: str, faults: list[Fault]) -> datetime | None:
    """An aware moment in UTC; a day is its noon. 1900 and before mean empty (contract 4.10); what is no moment
    is left out with a fault."""
    cleaned = fields.text(value)
    if not cleaned:
        return None
    try:
        found = datetime.fromisoformat(cleaned)
        if len(cleaned) == 10:
            found = found.replace(hour=12)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        faults.append(Fault("invalid_date", field, "Not a moment in ISO 8601.", cleaned[:40]))
        return None
    return None if found.year <= 1900 else found
