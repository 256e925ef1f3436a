"""Which columns of F&O are read, and how a row's bytes become them. Pure; raises RecordError only.

A row is decoded into just these columns. A column of an unexpected type sends that row through the slow way
(a plain dictionary), which never loses a row for it.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar, get_args

import msgspec

from connectors import fields
from connectors.errors import RecordError

T = TypeVar("T")
BACKSLASH, DELETE = 0x5C, 0x7F
MONEY = ("TotalInvoiceAmount", "InvoicedQuantity", "SalesPrice", "LineAmount")


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
HEADER_REQUIRED = (
    *("dataAreaId", "InvoiceDate", "InvoiceNumber"),
    *("InvoiceCustomerAccountNumber", "TotalInvoiceAmount"),
)
HEADER_OPTIONAL = tuple(name for name in HeaderColumns.__struct_fields__ if name not in HEADER_REQUIRED)
LINE_REQUIRED = (
    *("dataAreaId", "InvoiceDate", "InvoiceNumber", "LineCreationSequenceNumber"),
    *("InvoicedQuantity", "LineAmount"),
)
LINE_OPTIONAL = tuple(name for name in LineColumns.__struct_fields__ if name not in LINE_REQUIRED)


def row_as(form: type[T], row: bytes) -> T:
    """The row as this struct, read leniently where its types are not the documented ones."""
    try:
        found = msgspec.json.decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RecordError("malformed_row", "row", f"Not a JSON object: {error}"[:200], _shown(row)) from error
    if not isinstance(found, dict):
        raise RecordError("malformed_row", "row", "Not a JSON object.", _shown(row))
    return _lenient(form, found)


def _lenient(form: Any, found: dict[str, Any]) -> Any:
    values = {}
    for column in msgspec.structs.fields(form):
        value = found.get(column.encode_name)
        nested = [kind for kind in get_args(column.type) if issubclass(kind, msgspec.Struct)]
        if nested:
            values[column.name] = _lenient(nested[0], value) if isinstance(value, dict) else None
        elif isinstance(value, bool | int | float | str):
            values[column.name] = _scalar(value, column.name)
    return form(**values)


def _scalar(value: bool | int | float | str, name: str) -> Any:
    if name in MONEY:
        return fields.money(value, name)
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
