"""Return orders, return labels and their masters (dynamics365.md 4.6)."""

from connectors.emulators.dynamics365.schema import entity, link

RETURN_ORDERS = entity(
    "ReturnOrderHeaders",
    "ReturnOrderHeader",
    "dataAreaId ReturnOrderNumber",
    {
        "string": "dataAreaId ReturnOrderNumber RMANumber CustomerAccountNumber CustomerReturnReasonCode CurrencyCode "
        "ReplacementSalesOrderNumber Email",
        "ReturnStatusHeader": "ReturnOrderStatus",
        "date": "ReturnDeadline",
    },
    writable=True,
    navigation={"ReturnOrderLines": link("ReturnOrderLines", "dataAreaId ReturnOrderNumber")},
)
RETURN_LINES = entity(
    "ReturnOrderLines",
    "ReturnOrderLine",
    "dataAreaId InventoryLotId",
    {
        "string": "dataAreaId InventoryLotId ReturnOrderNumber RMANumber ItemNumber ReturnDispositionCode "
        "ReferenceNumber ReferenceInventoryLotId CurrencyCode",
        "int": "LineNumber",
        "decimal": "ReturnSalesQuantity ReturnedSalesQuantity SalesPrice LineAmount",
        "ReturnStatusLine": "ReturnStatus",
        "date": "ActualReturnArrivalDate ReturnClosedDate",
    },
    ("dataAreaId InventoryLotId", "dataAreaId ReturnOrderNumber InventoryLotId"),
    writable=True,
    navigation={"ReturnOrderHeader": link("ReturnOrderHeaders", "dataAreaId ReturnOrderNumber", many=False)},
)
RETURN_DETAILS = entity(
    "ReturnDetails",
    "ReturnDetail",
    "dataAreaId ReturnID",
    {
        "string": "dataAreaId ReturnID OrderNumber ShipmentId ContainerId CarrierCode CarrierServiceCode "
        "CarrierReturnTrackingNumber",
        "ReturnDetailsOrderType": "OrderType",
    },
    writable=True,
)
RETURN_REASONS = entity(
    "ReturnReasonCodes",
    "ReturnReasonCode",
    "dataAreaId ReasonCode",
    {"string": "dataAreaId ReasonCode ReasonDescription"},
    writable=True,
)
DISPOSITIONS = entity(
    "ReturnDispositionCodes",
    "ReturnDispositionCode",
    "dataAreaId DispositionCode",
    {"string": "dataAreaId DispositionCode", "ReturnDispositionAction": "DispositionAction"},
    writable=True,
)
RETURNS = (RETURN_ORDERS, RETURN_LINES, RETURN_DETAILS, RETURN_REASONS, DISPOSITIONS)
