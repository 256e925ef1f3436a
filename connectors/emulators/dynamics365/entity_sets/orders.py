"""Sales orders, their lines, what is left of deleted ones, and tracking numbers (dynamics365.md 4.3, 4.4, 4.5, 4.7)."""

from connectors.emulators.dynamics365.schema import entity, link

ORDERS = entity(
    "SalesOrderHeadersV2",
    "SalesOrderHeaderV2",
    "dataAreaId SalesOrderNumber",
    {
        "string": "dataAreaId SalesOrderNumber OrderingCustomerAccountNumber InvoiceCustomerAccountNumber "
        "SalesOrderName Email CustomersOrderReference CustomerRequisitionNumber SalesOrderOriginCode LanguageId "
        "CurrencyCode DeliveryModeCode ShippingCarrierId ShippingCarrierServiceId CreditNoteReasonCode "
        "DefaultShippingSiteId DefaultShippingWarehouseId",
        "SalesStatus": "SalesOrderStatus",
        "SalesOrderProcessingStatus": "SalesOrderProcessingStatus",
        "moment": "OrderCreationDateTime",
        "date": "RequestedShippingDate ConfirmedShippingDate RequestedReceiptDate ConfirmedReceiptDate",
        "decimal": "OrderTotalAmount OrderTotalTaxAmount OrderTotalDiscountAmount OrderTotalChargesAmount "
        "TotalDiscountAmount",
        "NoYes": "AreTotalsCalculated ArePricesIncludingSalesTax IsSalesProcessingStopped",
    },
    ("dataAreaId SalesOrderNumber", "dataAreaId OrderCreationDateTime SalesOrderNumber"),
    writable=True,
    navigation={"SalesOrderLines": link("SalesOrderLines", "dataAreaId SalesOrderNumber")},
    sources=7,
)
ORDER_LINES = entity(
    "SalesOrderLines",
    "SalesOrderLine",
    "dataAreaId InventoryLotId",
    {
        "string": "dataAreaId InventoryLotId SalesOrderNumber ItemNumber LineDescription SalesUnitSymbol CurrencyCode "
        "ProductColorId ProductSizeId ProductStyleId ProductConfigurationId ProductVersionId ShippingSiteId "
        "ShippingWarehouseId CreditNoteReasonCode FulfillmentStatus",
        "int": "LineNumber LineCreationSequenceNumber",
        "decimal": "OrderedSalesQuantity SalesPrice SalesPriceQuantity LineDiscountAmount LineDiscountPercentage "
        "LineAmount",
        "SalesStatus": "SalesOrderLineStatus",
        "date": "RequestedShippingDate",
    },
    ("dataAreaId InventoryLotId", "dataAreaId SalesOrderNumber LineCreationSequenceNumber"),
    writable=True,
    navigation={"SalesOrderHeaderV2": link("SalesOrderHeadersV2", "dataAreaId SalesOrderNumber", many=False)},
    sources=2,
    numbered="InventoryLotId",
)
# No date at all: when an order was deleted cannot be asked (4.5).
VOIDED_ORDERS = entity(
    "VoidedSalesOrderHeaders",
    "VoidedSalesOrderHeader",
    "dataAreaId SalesOrderNumber",
    {"string": "dataAreaId SalesOrderNumber OrderingCustomerAccountNumber InvoiceCustomerAccountNumber SalesOrderName"},
    navigation={"VoidedSalesOrderLines": link("VoidedSalesOrderLines", "dataAreaId SalesOrderNumber")},
)
VOIDED_LINES = entity(
    "VoidedSalesOrderLines",
    "VoidedSalesOrderLine",
    "dataAreaId InventoryLotId",
    {
        "string": "dataAreaId InventoryLotId SalesOrderNumber ItemNumber LineDescription CurrencyCode",
        "decimal": "OrderedSalesQuantity LineAmount",
    },
    ("dataAreaId InventoryLotId", "dataAreaId SalesOrderNumber InventoryLotId"),
)
TRACKING = entity(
    "PackingSlipTrackingInformation",
    "PackingSlipTrackingInformation",
    "dataAreaId SalesOrderNumber PackingSlipNumber DeliveryDate TrackingNumber",
    {
        "string": "dataAreaId SalesOrderNumber PackingSlipNumber TrackingNumber TrackingURL",
        "date": "DeliveryDate",
    },
    (
        "dataAreaId SalesOrderNumber PackingSlipNumber DeliveryDate TrackingNumber",
        "dataAreaId DeliveryDate SalesOrderNumber PackingSlipNumber TrackingNumber",
    ),
    writable=True,
)
SALES = (ORDERS, ORDER_LINES, VOIDED_ORDERS, VOIDED_LINES, TRACKING)
