"""Free-text invoices (contract 4.6) in the form of sales invoices, so that one mapping makes sales of both. Pure."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from connectors.dynamics365.finance.columns import HeaderColumns, InvoiceLine, LineColumns, amount, reader
from connectors.errors import RecordError


class FreeTextHeader(msgspec.Struct, gc=False):
    """FreeTextInvoiceHeaders. `InvoiceId` is empty until the invoice is posted."""

    dataAreaId: str = ""
    FreeTextNumber: str = ""
    CustomerAccount: str = ""
    InvoiceId: str = ""
    InvoiceDate: str = ""
    CurrencyCode: str = ""
    IsPosted: str = ""


class FreeTextLine(msgspec.Struct, gc=False):
    """FreeTextInvoiceLines: no item, an amount."""

    dataAreaId: str = ""
    FreeTextNumber: str = ""
    LineNumber: int | str = ""
    Description: str = ""
    Quantity: Decimal | None = None
    UnitPrice: Decimal | None = None
    TransactionCurrencyAmount: Decimal | None = None


HEADER_REQUIRED = ("dataAreaId", "FreeTextNumber", "CustomerAccount", "InvoiceId", "InvoiceDate")
HEADER_OPTIONAL = ("CurrencyCode", "IsPosted")
LINE_REQUIRED = ("dataAreaId", "FreeTextNumber", "LineNumber", "TransactionCurrencyAmount")
LINE_OPTIONAL = ("Description", "Quantity", "UnitPrice")
HEADER_MAPPED, LINE_MAPPED = ("CurrencyCode",), ("Quantity", "UnitPrice")
"""Columns without which a sale would be wrong without a word: one that is gone stops the flow."""

_header = reader(FreeTextHeader)
_line = reader(FreeTextLine)


def as_invoice(header: bytes, lines: Sequence[bytes], item: str) -> list[bytes]:
    """A row a line, as the stream `sale` has them; none for a draft. The document's total is the sum of its lines;
    `item` stands where a sales line names its article. Raises RecordError."""
    found = _header(header)
    if not found.InvoiceId.strip() or found.IsPosted.strip().lower() == "no":
        return []
    read = [_line(line) for line in lines]
    total = sum((amount(line.TransactionCurrencyAmount, "LineAmount") or Decimal(0) for line in read), Decimal(0))
    head = HeaderColumns(
        dataAreaId=found.dataAreaId,
        InvoiceNumber=found.InvoiceId,
        InvoiceDate=found.InvoiceDate,
        InvoiceCustomerAccountNumber=found.CustomerAccount,
        CurrencyCode=found.CurrencyCode,
        TotalInvoiceAmount=total,
    )
    return [msgspec.json.encode(InvoiceLine(head, _as_line(head, line, item))) for line in read]


def _as_line(header: HeaderColumns, line: FreeTextLine, item: str) -> LineColumns:
    one = Decimal(-1 if (line.TransactionCurrencyAmount or 0) < 0 else 1)
    return LineColumns(
        dataAreaId=header.dataAreaId,
        InvoiceNumber=header.InvoiceNumber,
        InvoiceDate=header.InvoiceDate,
        LineCreationSequenceNumber=line.LineNumber,
        ProductNumber=item,
        ProductName=line.Description,
        InvoicedQuantity=line.Quantity or one,
        SalesPrice=line.UnitPrice or abs(line.TransactionCurrencyAmount or Decimal(0)),
        LineAmount=line.TransactionCurrencyAmount,
        CurrencyCode=header.CurrencyCode,
    )


def invoice_date(header: bytes) -> str:
    """The day, empty where the header cannot be read."""
    try:
        return _header(header).InvoiceDate[:10]
    except RecordError:
        return ""
