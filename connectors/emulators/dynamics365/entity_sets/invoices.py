"""Posted invoices and credit notes, and free text invoices (dynamics365.md 4.6)."""

from connectors.emulators.dynamics365.schema import entity, link

INVOICES = entity(
    "SalesInvoiceHeadersV2",
    "SalesInvoiceHeaderV2",
    "dataAreaId InvoiceNumber InvoiceDate LedgerVoucher",
    {
        "string": "dataAreaId InvoiceNumber LedgerVoucher InvoiceCustomerAccountNumber SalesOrderNumber CurrencyCode "
        "CustomersOrderReference",
        "date": "InvoiceDate",
        "decimal": "TotalInvoiceAmount TotalTaxAmount TotalDiscountAmount TotalChargeAmount",
    },
    ("dataAreaId InvoiceNumber", "dataAreaId InvoiceDate InvoiceNumber"),
    # The property's name is no set of its own (4.6).
    navigation={"SalesInvoiceLinesV2": link("SalesInvoiceV2Lines", "dataAreaId InvoiceNumber")},
)
LINES = entity(
    "SalesInvoiceV2Lines",
    "SalesInvoiceLineV2",
    "dataAreaId InvoiceNumber LineCreationSequenceNumber",
    {
        "string": "dataAreaId InvoiceNumber ProductNumber ProductName CurrencyCode InventorySiteId "
        "InventoryWarehouseId",
        "date": "InvoiceDate",
        "int": "LineCreationSequenceNumber",
        "decimal": "InvoicedQuantity SalesPrice LineAmount LineTotalTaxAmount LineTotalDiscountAmount",
    },
    (
        "dataAreaId InvoiceNumber LineCreationSequenceNumber",
        "dataAreaId InvoiceDate InvoiceNumber LineCreationSequenceNumber",
    ),
    navigation={"SalesInvoiceHeaderV2": link("SalesInvoiceHeadersV2", "dataAreaId InvoiceNumber", many=False)},
)
FREE_TEXT_INVOICES = entity(
    "FreeTextInvoiceHeaders",
    "FreeTextInvoiceHeader",
    "dataAreaId FreeTextNumber",
    {
        "string": "dataAreaId FreeTextNumber CustomerAccount InvoiceId CurrencyCode CorrectedInvoiceId "
        "CorrectionReasonCode",
        "date": "InvoiceDate",
        "NoYes": "IsPosted IsCorrection",
    },
    ("dataAreaId FreeTextNumber", "dataAreaId InvoiceDate FreeTextNumber"),
    writable=True,
    navigation={"FreeTextInvoiceLines": link("FreeTextInvoiceLines", "dataAreaId FreeTextNumber")},
)
FREE_TEXT_LINES = entity(
    "FreeTextInvoiceLines",
    "FreeTextInvoiceLine",
    "dataAreaId FreeTextNumber LineNumber",
    {
        "string": "dataAreaId FreeTextNumber Description",
        "int": "LineNumber",
        "decimal": "TransactionCurrencyAmount Quantity UnitPrice",
    },
    ("dataAreaId FreeTextNumber LineNumber",),
    writable=True,
)
BILLING = (INVOICES, LINES, FREE_TEXT_INVOICES, FREE_TEXT_LINES)
