"""Products, warehouses and on-hand (dynamics365.md 4.8)."""

from tests.emulators.client import Environment

ROW = "ItemNumber,InventoryWarehouseId,InventoryStatusId,OnHandQuantity,ReservedOnHandQuantity,AvailableOnHandQuantity"


def by_status(company: Environment) -> list[tuple]:
    rows = company.rows("WarehouseInventoryStatusesOnHandV2", select=ROW)
    return [tuple(row[name] for name in ROW.split(",")) for row in rows]


def test_released_products_have_names_units_and_prices(company: Environment) -> None:
    """4.8: released to every company with customers"""
    mug = company.get("ReleasedProductsV2(dataAreaId='usmf',ItemNumber='MUG')").json()
    assert (mug["ProductName"], mug["SalesPrice"], mug["SalesUnitSymbol"]) == ("Blue mug", 5, "ea")
    assert len(company.rows("ReleasedProductsV2")) == 4
    key = "ReleasedProductsV2(dataAreaId='usmf',ItemNumber='MUG')"
    assert company.call("PATCH", key, json={"ProductLifecycleStateId": "Discontinued"}).status_code == 204
    rows = company.get("SellableReleasedProducts").json()["value"]
    assert {row["ProductNumber"]: row["IsSalesStopped"] for row in rows} == {"MUG": "Yes", "CUP": "No"}


def test_quarantined_goods_are_physical_inventory_in_a_blocking_status(company: Environment) -> None:
    """4.8: blocked goods stay physical, under a status of their own; available = physical − reserved"""
    assert by_status(company) == [
        ("CUP", "11", "Available", -2, 0, -2),
        ("MUG", "11", "Available", 92, 12, 80),
        ("MUG", "11", "Blocked", 8, 0, 8),
        ("MUG", "12", "Available", 5, 0, 5),
    ]
    blocking = company.rows("InventoryStatuses", filter="WillStatusBlockInventory eq "
                            "Microsoft.Dynamics.DataEntities.NoYes'Yes' and dataAreaId eq 'usmf'")  # fmt: skip
    assert [row["StatusId"] for row in blocking] == ["Blocked"]


def test_quarantined_goods_may_sit_in_a_quarantine_warehouse(company: Environment) -> None:
    """4.8: QuarantineWarehouseId, WarehouseType"""
    company.control("POST", "settings", {"dynamics365.quarantine": "warehouse"})
    assert ("MUG", "11-Q", "Available", 8, 0, 8) in by_status(company)
    places = {row["WarehouseId"]: row for row in company.rows("Warehouses")}
    assert places["11"]["QuarantineWarehouseId"] == "11-Q"
    assert (places["11"]["WarehouseType"], places["11-Q"]["WarehouseType"]) == ("Standard", "Quarantine")


def test_coarser_sets_add_up_what_the_finer_say(company: Environment) -> None:
    """4.8: warehouse and site; ordered is incoming and counts as total available only"""
    rows = {(row["ItemNumber"], row["InventoryWarehouseId"]): row for row in company.rows("WarehousesOnHandV2")}
    mug = rows["MUG", "11"]
    assert [mug[f"{what}Quantity"] for what in ("OnHand", "AvailableOnHand", "Ordered", "TotalAvailable")] == [
        100, 88, 20, 108,
    ]  # fmt: skip
    sites = {row["ItemNumber"]: row["OnHandQuantity"] for row in company.rows("InventorySitesOnHandV2")}
    assert sites == {"CUP": -2, "MUG": 105}


def test_on_hand_rows_are_keyed_with_empty_dimensions_and_cannot_be_written(company: Environment) -> None:
    """4.8: aggregated read-only views"""
    empty = "".join(f"Product{name}Id=''," for name in ("Color", "Configuration", "Size", "Style", "Version"))
    key = f"dataAreaId='usmf',ItemNumber='MUG',{empty}InventorySiteId='1',InventoryWarehouseId='12'"
    assert company.get(f"WarehousesOnHandV2({key})").json()["ProductName"] == "Blue mug"
    answer = company.call("PATCH", f"WarehousesOnHandV2({key})", json={"OnHandQuantity": 1})
    assert (answer.status_code, "read-only" in answer.text) == (400, True)


def test_stock_moves_through_the_control_api(company: Environment) -> None:
    """DESIGN section 10: one record per article and warehouse"""
    company.control("PATCH", "dynamics365/stock/usmf%7CMUG%7C12", {"physical": 7, "reserved": 3})
    assert ("MUG", "12", "Available", 7, 3, 4) in by_status(company)
    company.control("PUT", "dynamics365/stock/usmf%7CCUP%7C12", {"physical": 1})
    assert ("CUP", "12", "Available", 1, 0, 1) in by_status(company)


def test_a_variant_needs_no_more_dimensions_than_it_has(company: Environment) -> None:
    """4.8: released product variants"""
    variant = {
        "ItemNumber": "MUG",
        "ProductColorId": "Red",
        "ProductMasterNumber": "MUG",
        "ProductVariantNumber": "M:R",
    }
    assert company.call("POST", "ReleasedProductVariantsV2", json=variant).status_code == 201
    assert company.rows("ReleasedProductVariantsV2")[0]["ProductVariantNumber"] == "M:R"
