"""Released products with what may be promised of them, and stock by warehouse and status (contract 4.8)."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from connectors.base import Page
from connectors.dynamics365.finance.mapping.products import OnHand, StockPolicy
from connectors.errors import ConfigurationError
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, Row

PRODUCTS, STOCK = "ReleasedProductsV2", "WarehouseInventoryStatusesOnHandV2"
BLANK = dict.fromkeys(["ProductColorId", "ProductConfigurationId", "ProductSizeId", "ProductStyleId",
                       "ProductVersionId"], "")  # fmt: skip


def product(item: str, **values: Any) -> Row:
    return {"dataAreaId": "usmf", "ItemNumber": item, "ProductName": item.title(), "SalesPrice": 5, **values}


def level(item: str, warehouse: str = "11", status: str = "Available", available: float = 1, **values: Any) -> Row:
    place = {"InventorySiteId": "1", "InventoryWarehouseId": warehouse, "InventoryStatusId": status}
    return {"dataAreaId": "usmf", "ItemNumber": item, **BLANK, **place, "AvailableOnHandQuantity": available, **values}


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    products = [product(f"ITEM-{number}") for number in range(1, 6)]
    stock = [
        level("ITEM-1", "11", available=5),
        level("ITEM-1", "12", available=-3),
        level("ITEM-1", "11", "Blocking", available=7),
        level("ITEM-2", "12", available=4, ProductSizeId="S"),
        level("ITEM-2", "12", available=2, ProductSizeId="M"),
        level("ITEM-4", "11", "Blocking", available=9),
        level("ORPHAN", available=1),
    ]
    return ODataServer(server, {PRODUCTS: products, STOCK: stock})


def sellable(source: Any, pages: list[Page]) -> dict[str, Decimal | None]:
    stream = source.streams["product"]
    return {(record := stream.map(row).record).sku: record.sellable for page in pages for row in page.rows}


def read(source: Any, stream: str, resume: str = "") -> list[Page]:
    return list(source.read(stream, "", resume))


def test_a_product_tells_what_may_be_promised(system: ODataServer, finance: Open) -> None:
    source = finance()
    assert sellable(source, read(source, "product")) == {
        "ITEM-1": 5, "ITEM-2": 6, "ITEM-3": None, "ITEM-4": 0, "ITEM-5": None,
    }  # fmt: skip


def test_warehouses_statuses_and_a_buffer_are_the_connection_s(system: ODataServer, finance: Open) -> None:
    source = finance(SELLABLE_WAREHOUSES="11", BLOCKED_STATUSES="", STOCK_BUFFER="2")
    assert sellable(source, read(source, "product")) == {
        "ITEM-1": 10, "ITEM-2": 0, "ITEM-3": None, "ITEM-4": 7, "ITEM-5": None,
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="STOCK_BUFFER"):
        finance(STOCK_BUFFER="some")


def test_a_tenant_without_a_stock_set_says_nothing_of_stock(system: ODataServer, finance: Open) -> None:
    del system.sets[STOCK]
    source = finance(ON_HAND_SET="")
    assert set(sellable(source, read(source, "product")).values()) == {None}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_products_and_stock_go_on_after_the_page_they_reached(system: ODataServer, finance: Open, size: int) -> None:
    whole, source = finance(), finance(PAGE_SIZE=str(size))
    for stream in ("product", "stock"):
        expected = [row for page in read(whole, stream) for row in page.rows]
        pages = read(source, stream)
        assert [row for page in pages for row in page.rows] == expected
        for reached, page in enumerate(pages[:-1]):
            rest = [row for page in read(source, stream, page.resume) for row in page.rows]
            assert rest == [row for page in pages[reached + 1 :] for row in page.rows]


def test_stock_levels_are_fetched_by_key_and_listed(system: ODataServer, finance: Open) -> None:
    source = finance(PAGE_SIZE="2")
    keys = [key for page in source.keys("stock") for key in page]
    assert len(keys) == len(set(keys)) == 7
    assert keys[0] == "usmf|ITEM-1||||||1|11|Available"
    found = [source.streams["stock"].key(row) for page in source.fetch("stock", keys[3:5]) for row in page.rows]
    assert sorted(found) == sorted(keys[3:5])


def test_products_are_fetched_by_key_as_they_were_read(system: ODataServer, finance: Open) -> None:
    source = finance()
    rows = [row for page in read(source, "product") for row in page.rows]
    assert [row for page in source.fetch("product", ["usmf|ITEM-1", "usmf|ORPHAN"]) for row in page.rows] == rows[:1]
    assert [key for page in source.keys("product") for key in page] == [f"usmf|ITEM-{number}" for number in range(1, 6)]


def test_a_coarser_set_without_statuses_is_read_by_the_columns_it_has(system: ODataServer, finance: Open) -> None:
    system.sets["WarehousesOnHand"] = [
        {name: value for name, value in row.items() if name not in ("InventoryStatusId", "ProductVersionId")}
        for row in system.sets[STOCK] if row["InventoryStatusId"] == "Available"
    ]  # fmt: skip
    source = finance(ON_HAND_SET="WarehousesOnHand", ON_HAND_COLUMNS="InventoryStatusId=,ProductVersionId=")
    keys = [source.streams["stock"].key(row) for page in read(source, "stock") for row in page.rows]
    assert keys[0] == "usmf|ITEM-1||||||1|11|"
    assert "InventoryStatusId" not in system.asked[0].args["$orderby"]
    assert "ProductVersionId" not in system.asked[0].args["$select"]


def test_a_tenant_s_own_columns_become_the_product_s(system: ODataServer, finance: Open) -> None:
    system.sets[PRODUCTS] = [product("MUG", Path="Home > Kitchen", Url="https://shop.example/mug", Rrp=7.5)]
    source = finance(PRODUCTS_COLUMNS="Category=Path,Link=Url,ListPrice=Rrp", PRICE_CURRENCY="GBP",
                     INACTIVE_LIFECYCLE_STATES="Obsolete")  # fmt: skip
    (page,) = read(source, "product")
    record = source.streams["product"].map(page.rows[0]).record
    assert (record.category, record.link, record.list_price) == (
        ("Home", "Kitchen"), "https://shop.example/mug", Decimal("7.5"),
    )  # fmt: skip
    assert (record.currency, record.active) == ("GBP", True)


quantities = st.decimals(-1000, 1000, places=2)


@given(
    rows=st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["", "Blocking"]), st.none() | quantities)),
    buffer=quantities.map(abs),
)
def test_sellable_is_never_negative_and_never_more_than_what_is_available(rows: Any, buffer: Decimal) -> None:
    levels = [OnHand(InventoryWarehouseId=warehouse, InventoryStatusId=status, AvailableOnHandQuantity=quantity)
              for warehouse, status, quantity in rows]  # fmt: skip
    found = StockPolicy.of(["a"], ["blocking"], buffer).sellable(levels)
    known = [(warehouse, status, quantity) for warehouse, status, quantity in rows if quantity is not None]
    if not known:
        assert found is None
        return
    good = sum((quantity for warehouse, status, quantity in known
                if warehouse == "A" and not status and quantity > 0), Decimal(0))  # fmt: skip
    assert found == max(Decimal(0), good - buffer)
