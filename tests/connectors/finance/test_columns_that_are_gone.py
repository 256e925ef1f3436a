"""A column whose values would silently be missing at the target stops its stream before the first row, by name."""

import re
from typing import Any

import pytest
import requests

from connectors.errors import ConfigurationError
from tests.connectors.finance.test_against_the_emulator import SINCE, Company, company, emulators

__all__ = ["company", "emulators"]

GONE = [
    ("sale", "SalesInvoiceHeadersV2", "SalesOrderNumber", "INVOICES"),
    ("sale", "SalesInvoiceV2Lines", "ProductNumber", "INVOICE_LINES"),
    ("sale", "SalesInvoiceV2Lines", "SalesPrice", "INVOICE_LINES"),
    ("order", "SalesOrderHeadersV2", "SalesOrderStatus", "ORDERS"),
    ("order", "SalesOrderLines", "OrderedSalesQuantity", "ORDER_LINES"),
    ("order", "SalesOrderLines", "SalesOrderLineStatus", "ORDER_LINES"),
    ("order", "SalesOrderHeadersV2", "AreTotalsCalculated", "ORDERS"),
    ("order", "SalesOrderHeadersV2", "OrderTotalDiscountAmount", "ORDERS"),
    ("order", "SalesOrderLines", "LineAmount", "ORDER_LINES"),
    ("order", "SalesOrderLines", "SalesPriceQuantity", "ORDER_LINES"),
    ("order_status", "SalesOrderHeadersV2", "OrderCreationDateTime", "ORDERS"),
    ("order_status", "SalesOrderHeadersV2", "SalesOrderStatus", "ORDERS"),
    ("order_event", "SalesOrderHeadersV2", "SalesOrderProcessingStatus", "ORDERS"),
    ("order_event", "SalesOrderHeadersV2", "ShippingCarrierId", "ORDERS"),
    ("order_event", "SalesOrderLines", "SalesOrderLineStatus", "ORDER_LINES"),
    ("order_event", "PackingSlipTrackingInformation", "TrackingURL", "TRACKING"),
    ("product", "ReleasedProductsV2", "SalesPrice", "PRODUCTS"),
    ("contact", "ContactsV2", "PrimaryEmailAddress", "CONTACTS"),
    ("contact", "ContactsV2", "AssociatedPartyNumber", "CONTACTS"),
    ("contact", "ContactsV2", "IsInactive", "CONTACTS"),
    ("return", "ReturnOrderHeaders", "ReturnOrderStatus", "RETURNS"),
    ("return", "ReturnOrderHeaders", "CustomerReturnReasonCode", "RETURNS"),
    ("return", "ReturnOrderLines", "ReferenceNumber", "RETURN_LINES"),
    ("return", "ReturnOrderLines", "LineAmount", "RETURN_LINES"),
    ("return", "ReturnOrderLines", "ReturnStatus", "RETURN_LINES"),
]


def without(company: Company, *columns: tuple[str, str]) -> None:
    """From now on the environment's `$metadata` tells nothing of these columns of these sets."""
    url = f"{company.system['environment']}/data/$metadata"
    described = requests.get(url, headers={"Authorization": f"Bearer {token(company)}"}, timeout=20).text
    for entity_set, column in columns:
        kind = re.search(rf'<EntitySet Name="{entity_set}" EntityType="[^"]*\.(\w+)"', described)
        assert kind, entity_set
        begins = described.index(f'<EntityType Name="{kind[1]}">')
        ends = described.index("</EntityType>", begins)
        body, found = re.subn(rf'<Property Name="{column}"[^>]*/>', "", described[begins:ends])
        assert found == 1, column
        described = described[:begins] + body + described[ends:]
    fault = {"kind": "status", "system": "dynamics365", "path": r"metadata", "code": 200, "times": 0}
    assert company.control("POST", "faults", {**fault, "body": described}).ok


def token(company: Company) -> str:
    client = company.system["clients"][0]
    form = {"grant_type": "client_credentials", "client_id": client["client_id"],
            "client_secret": client["client_secret"], "scope": f"{company.system['environment']}/.default"}  # fmt: skip
    return str(requests.post(company.system["token_url"], data=form, timeout=20).json()["access_token"])


def rows(source: Any, stream: str) -> int:
    return sum(len(page.rows) for page in source.read(stream, SINCE if stream == "order_event" else ""))


@pytest.mark.parametrize(("stream", "entity_set", "column", "setting"), GONE)
def test_it_is_named_before_a_row_is_read_and_can_be_left_out_by_name(
    company: Company, stream: str, entity_set: str, column: str, setting: str
) -> None:
    without(company, (entity_set, column))
    before = len(company.control("GET", "requests?system=dynamics365").json())
    with pytest.raises(ConfigurationError, match=f"{entity_set} has no column {column} any more") as raised:
        rows(company.source(), stream)
    assert f"{setting}_COLUMNS" in raised.value.remedy
    asked = company.control("GET", "requests?system=dynamics365").json()[before:]
    assert not [one for one in asked if f"/data/{entity_set}" in one["path"]]
    assert rows(company.source(**{f"{setting}_COLUMNS": f"{column}="}), stream) > 0


def test_a_currency_is_enough_on_one_side_of_an_invoice(company: Company) -> None:
    without(company, ("SalesInvoiceV2Lines", "CurrencyCode"))
    assert rows(company.source(), "sale") > 0
    company.control("DELETE", "faults")
    without(company, ("SalesInvoiceV2Lines", "CurrencyCode"), ("SalesInvoiceHeadersV2", "CurrencyCode"))
    with pytest.raises(ConfigurationError, match="SalesInvoiceHeadersV2 has no column CurrencyCode any more"):
        rows(company.source(), "sale")


def test_a_currency_is_enough_on_one_side_of_an_order(company: Company) -> None:
    without(company, ("SalesOrderLines", "CurrencyCode"))
    assert rows(company.source(), "order") > 0
    company.control("DELETE", "faults")
    without(company, ("SalesOrderHeadersV2", "CurrencyCode"))
    assert rows(company.source(), "order") > 0
    company.control("DELETE", "faults")
    without(company, ("SalesOrderLines", "CurrencyCode"), ("SalesOrderHeadersV2", "CurrencyCode"))
    with pytest.raises(ConfigurationError, match="SalesOrderHeadersV2 has no column CurrencyCode any more"):
        rows(company.source(), "order")


def test_what_only_the_totals_of_orders_need_does_not_stop_their_states(company: Company) -> None:
    without(company, ("SalesOrderHeadersV2", "OrderTotalAmount"), ("SalesOrderLines", "LineAmount"))
    assert rows(company.source(), "order_status") > 0
    assert rows(company.source(), "order_event") > 0


def test_a_returned_quantity_has_one_of_two_names(company: Company) -> None:
    without(company, ("ReturnOrderLines", "ReturnedSalesQuantity"))
    assert rows(company.source(), "return") > 0
    company.control("DELETE", "faults")
    without(company, ("ReturnOrderLines", "ReturnedSalesQuantity"), ("ReturnOrderLines", "ReturnSalesQuantity"))
    with pytest.raises(ConfigurationError, match="ReturnSalesQuantity, ReturnedSalesQuantity any more"):
        rows(company.source(), "return")


def test_an_article_is_named_by_either_of_two_columns(company: Company) -> None:
    without(company, ("ReleasedProductsV2", "ProductName"))
    assert rows(company.source(), "product") > 0
    company.control("DELETE", "faults")
    without(company, ("ReleasedProductsV2", "ProductName"), ("ReleasedProductsV2", "SearchName"))
    with pytest.raises(ConfigurationError, match="has no column ProductName, SearchName any more"):
        rows(company.source(), "product")


def test_what_is_available_may_be_told_in_two_ways(company: Company) -> None:
    on_hand = "WarehouseInventoryStatusesOnHandV2"
    without(company, (on_hand, "AvailableOnHandQuantity"))
    assert rows(company.source(), "product") > 0
    company.control("DELETE", "faults")
    without(company, (on_hand, "AvailableOnHandQuantity"), (on_hand, "ReservedOnHandQuantity"))
    with pytest.raises(ConfigurationError, match="AvailableOnHandQuantity, ReservedOnHandQuantity any more"):
        rows(company.source(), "product")


def test_a_column_that_a_rule_of_the_connection_goes_by_is_demanded(company: Company) -> None:
    lifecycle, warehouse = "ProductLifecycleStateId", "InventoryWarehouseId"
    without(company, ("ReleasedProductsV2", lifecycle))
    assert rows(company.source(), "product") > 0
    with pytest.raises(ConfigurationError, match=lifecycle):
        rows(company.source(INACTIVE_LIFECYCLE_STATES="Ended"), "product")
    company.control("DELETE", "faults")
    without(company, ("WarehouseInventoryStatusesOnHandV2", warehouse))
    assert rows(company.source(), "product") > 0
    with pytest.raises(ConfigurationError, match=warehouse):
        rows(company.source(SELLABLE_WAREHOUSES="11"), "product")
    with pytest.raises(ConfigurationError, match="WarehousesOnHandV2 has no column InventoryStatusId"):
        rows(company.source(ON_HAND_SET="WarehousesOnHandV2", BLOCKED_STATUSES="Damaged"), "product")


def test_a_column_of_the_tenant_s_own_that_the_settings_name_is_demanded(company: Company) -> None:
    with pytest.raises(ConfigurationError, match="ReleasedProductsV2 has no column ShopUrl any more"):
        rows(company.source(PRODUCTS_COLUMNS="Link=ShopUrl"), "product")
