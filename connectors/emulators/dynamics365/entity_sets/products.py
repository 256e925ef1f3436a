"""Products, warehouses, inventory statuses and on-hand (dynamics365.md 4.8)."""

from connectors.emulators.dynamics365.schema import EntitySet, entity

_DIMENSIONS = "ProductColorId ProductConfigurationId ProductSizeId ProductStyleId ProductVersionId"

PRODUCTS = entity(
    "ReleasedProductsV2",
    "ReleasedProductV2",
    "dataAreaId ItemNumber",
    {
        "string": "dataAreaId ItemNumber ProductNumber ProductName SearchName ProductGroupId SalesUnitSymbol "
        "InventoryUnitSymbol ProductLifecycleStateId",
        "decimal": "SalesPrice",
    },
    writable=True,
)
VARIANTS = entity(
    "ReleasedProductVariantsV2",
    "ReleasedProductVariantV2",
    f"dataAreaId ItemNumber {_DIMENSIONS}",
    {"string": f"dataAreaId ItemNumber {_DIMENSIONS} ProductMasterNumber ProductVariantNumber ProductName"},
    writable=True,
)
SELLABLE = entity(
    "SellableReleasedProducts",
    "SellableReleasedProduct",
    "dataAreaId ProductNumber",
    {
        "string": "dataAreaId ProductNumber ProductName CurrencyCode SalesUnitSymbol",
        "NoYes": "IsStockedProduct IsSalesStopped",
        "decimal": "SalesPrice",
    },
)
WAREHOUSES = entity(
    "Warehouses",
    "Warehouse",
    "dataAreaId WarehouseId",
    {
        "string": "dataAreaId WarehouseId WarehouseName OperationalSiteId QuarantineWarehouseId TransitWarehouseId",
        "InventLocationType": "WarehouseType",
        "NoYes": "AreAdvancedWarehouseManagementProcessesEnabled",
    },
    writable=True,
)
STATUSES = entity(
    "InventoryStatuses",
    "InventoryStatus",
    "dataAreaId StatusId",
    {"string": "dataAreaId StatusId StatusName", "NoYes": "WillStatusBlockInventory"},
    writable=True,
)


def _on_hand(name: str, type_name: str, places: str) -> EntitySet:
    key = f"dataAreaId ItemNumber {_DIMENSIONS} {places}"
    return entity(
        name,
        type_name,
        key,
        {
            "string": f"{key} ProductName",
            "decimal": "OnHandQuantity ReservedOnHandQuantity AvailableOnHandQuantity OrderedQuantity "
            "ReservedOrderedQuantity AvailableOrderedQuantity OnOrderQuantity TotalAvailableQuantity",
            "NoYes": "AreWarehouseManagementProcessesUsed",
        },
    )


SITES_ON_HAND = _on_hand("InventorySitesOnHandV2", "InventorySiteOnHandV2", "InventorySiteId")
WAREHOUSES_ON_HAND = _on_hand("WarehousesOnHandV2", "WarehouseOnHandV2", "InventorySiteId InventoryWarehouseId")
STATUSES_ON_HAND = _on_hand(
    "WarehouseInventoryStatusesOnHandV2",
    "WarehouseInventoryStatusOnHandV2",
    "InventorySiteId InventoryWarehouseId InventoryStatusId",
)
STOCK = (
    PRODUCTS, VARIANTS, SELLABLE, WAREHOUSES, STATUSES, SITES_ON_HAND, WAREHOUSES_ON_HAND, STATUSES_ON_HAND,
)  # fmt: skip
