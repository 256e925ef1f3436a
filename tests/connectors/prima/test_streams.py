"""What each stream makes of a site's records (contract 7.2–7.7): sales, orders, events, stock."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Change, Excluded, Page
from connectors.errors import ConfigurationError, RecordError
from tests.connectors.prima.conftest import mapped, rows, site
from tests.connectors.prima.soap_server import SoapServer, customer, page

Open = Callable[..., Any]


LINES = (
    '<OrderLineData OrderLine="1" Product="3998" MtrxCode2="38" Quantity="1" Price="129.00" LineValue="119.00"'
    ' LineStatus="Despatched" QtyDespatched="1" QtyCancelled="0"/>'
    '<OrderLineData OrderLine="2" Product="3998" MtrxCode2="39" Quantity="3" Price="43.00" LineValue="129.00"'
    ' LineStatus="Back Order" QtyDespatched="0" QtyCancelled="{cancelled}"/>'
    '<OrderChargeData Charge="STD" ChargeValue="4.95"/>'
)


def order(
    number: str = "1", status: str = "Part Despatched", cancelled: int = 0, lines: str = LINES, **more: str
) -> str:
    attributes = {"OrderNumber": number, "Customer": "C1", "OrderStatus": status, "OrderDate": "28/02/2024 19:22:00",
                  "LastChanged": "01/03/2024 05:40:00", "Currency": "EUR", "OrderTotal": "252.95", **more}  # fmt: skip
    head = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"<Order {head}>{lines.format(cancelled=cancelled)}</Order>"


def answer(soap: SoapServer, **by_type: str | list[str]) -> None:
    soap.answers = lambda request: page(str(by_type.get(request.get("RequestType"), "")))


def sales(source: Any, since: str = "") -> dict[str, Any]:
    return {found.record.key: found.record for found in mapped(source, "sale", list(source.read("sale", since)))}


def test_an_order_is_a_sale_a_line_and_what_is_cancelled_later_only_adds_rows(soap: SoapServer, prima: Open) -> None:
    source = prima()
    answer(soap, OrderChanges=order())
    before = sales(source)
    assert set(before) == {"1|1", "1|2", "1|charge STD"}
    assert sum(sale.amount for sale in before.values()) == Decimal("252.95")
    answer(soap, OrderChanges=order(cancelled=1))
    one = sales(source)
    answer(soap, OrderChanges=order(cancelled=2))
    two = sales(source)
    assert set(two) - set(one) == {"1|2 cancelled 2"}
    assert all(two[key] == sale for key, sale in one.items())
    assert two["1|2 cancelled 1"].quantity == -1
    assert sum(sale.amount for sale in two.values()) == Decimal("252.95") - Decimal("86.00")


def test_a_cancelled_order_takes_back_all_of_itself(soap: SoapServer, prima: Open) -> None:
    lines = LINES.replace('LineStatus="Despatched" QtyDespatched="1"', 'LineStatus="Cancelled"').replace(
        "Back Order", "Cancelled"
    )
    answer(soap, OrderChanges=order(status="Cancelled", lines=lines))
    found = sales(prima())
    assert sum(sale.amount for sale in found.values()) == 0
    assert sum(1 for sale in found.values() if sale.quantity < 0) == 5


def test_credits_follow_the_orders_in_one_read_and_the_earlier_clock_is_the_watermark(
    soap: SoapServer, prima: Open
) -> None:
    credit = (
        '<Credit CreditNumber="CR1" CreditType="RETURN" OrderNumber="1" Customer="C1" CreditDate="05/03/2024 11:02:00"'
        ' Currency="EUR" CreditTotal="119.00"><CreditLine CreditLine="1" Product="3998" MtrxCode2="38" Quantity="1"'
        ' LineValue="119.00"/></Credit>'
    )
    soap.answers = lambda request: (
        page(order(), clock="01/03/2024 06:10:02")
        if request.get("RequestType") == "OrderChanges"
        else page(credit, clock="01/03/2024 06:09:00")
    )
    source = prima()
    pages = list(source.read("sale", ""))
    found = {one.record.key: one.record for one in mapped(source, "sale", pages)}
    assert found["CR1|1"].amount == Decimal("-119.00")
    assert found["CR1|1"].credit
    assert [page.watermark for page in pages] == [None, "2024-03-01T05:59:00+00:00"]
    rest = list(source.read("sale", "", pages[0].resume))
    assert [source.streams["sale"].key(row) for row in rows(rest)] == ["CR1|1"]


def test_a_sum_that_differs_from_the_total_by_more_than_two_cents_is_told_once_a_document(
    soap: SoapServer, prima: Open
) -> None:
    source = prima()
    for total, faults in (("252.97", 0), ("252.98", 1)):
        answer(soap, OrderChanges=order(OrderTotal=total))
        found = mapped(source, "sale", list(source.read("sale", "")))
        assert {fault.key for one in found for fault in one.faults} == ({"1"} if faults else set())


def test_counted_when_despatched_only_what_was_sent_is_a_sale(soap: SoapServer, prima: Open) -> None:
    answer(soap, OrderChanges=order(cancelled=1))
    assert set(sales(prima(SALE_BASIS="despatched"))) == {"1|1 shipped 1", "1|charge STD"}
    with pytest.raises(ConfigurationError, match="SALE_BASIS is 'invoice'"):
        prima(SALE_BASIS="invoice")


def test_a_status_the_table_lacks_parks_the_order_and_nothing_else(soap: SoapServer, prima: Open) -> None:
    answer(soap, OrderChanges=order("1", "Lost") + order("2"))
    source = prima()
    found = rows(source.read("order", ""))
    with pytest.raises(RecordError, match="no such code"):
        source.streams["order"].map(found[0])
    assert source.streams["order"].map(found[1]).record.status == "part_shipped"
    assert len(rows(source.read("sale", ""))) == 4


def test_prices_by_line_and_discounts_in_percent_are_the_sites_choice(
    soap: SoapServer, prima: Open, tmp_path: Path
) -> None:
    line = '<OrderLineData OrderLine="1" Product="X" Quantity="2" Price="100.00" TrDisc="10"/>'
    answer(soap, OrderChanges=order(lines=line, OrderTotal="190.00"))
    found = sales(prima())["1|1"]
    assert (found.unit_price, found.amount) == (Decimal(100), Decimal(190))
    path = site(tmp_path, ("price_basis: unit", "price_basis: line"), ("discount: amount", "discount: percent"))
    found = sales(prima(MAPPING_FILE=path))["1|1"]
    assert (found.unit_price, found.amount) == (Decimal(50), Decimal(90))


def despatch(number: str = "D1", order_number: str = "1") -> str:
    return (
        f'<Despatch DespatchNumber="{number}" OrderNumber="{order_number}" DespatchDate="01/03/2024 05:40:00"'
        ' Carrier="DPD" ConsignmentNo="155"/>'
    )


def events(source: Any, pages: list[Page]) -> list[tuple[str, str, str]]:
    return [(one.record.key, one.record.event, one.record.customer) for one in mapped(source, "order_event", pages)]


def test_a_despatch_is_one_event_with_what_its_order_says(soap: SoapServer, prima: Open) -> None:
    orders = order("1") + order("2", "Despatched") + order("3", "Cancelled")
    answer(soap, OrderChanges=orders, DespatchChanges=despatch() + despatch("D2", "2"))
    source = prima()
    pages = list(source.read("order_event", ""))
    assert events(source, pages) == [
        ("3|cancelled", "cancelled", "C1"), ("D1", "part_dispatched", "C1"), ("D2", "dispatched", "C1")
    ]  # fmt: skip
    assert pages[-1].watermark == "2024-03-01T06:00:02+00:00"
    rest = list(source.read("order_event", "", pages[0].resume))
    assert events(source, rest) == events(source, pages)[1:]


def test_the_first_read_tells_nobody_of_old_parcels(soap: SoapServer, prima: Open) -> None:
    asked = []

    def answers(request: Any) -> str:
        asked.append(request.find("Data").get("ChangedSince"))
        return page("")

    soap.answers = answers
    list(prima(EVENT_DAYS="7").read("order_event", ""))
    days = {(datetime.now() - datetime.strptime(since, "%d/%m/%Y %H:%M:%S")).days for since in asked}
    assert days <= {6, 7}
    asked.clear()
    list(prima(EVENT_DAYS="7").read("order_event", "2024-03-01T06:00:02+00:00"))
    assert set(asked) == {"01/03/2024 06:00:02"}


def test_a_despatch_whose_order_did_not_change_is_looked_up(soap: SoapServer, prima: Open) -> None:
    asked_since = []

    def answers(request: Any) -> str:
        if request.get("RequestType") == "DespatchChanges":
            return page(despatch())
        asked_since.append(request.find("Data").get("ChangedSince"))
        return page(order() if len(asked_since) > 2 else "")

    soap.answers = answers
    source = prima()
    assert events(source, list(source.read("order_event", "2024-03-01T05:00:00+00:00"))) == [
        ("D1", "part_dispatched", "C1")
    ]
    assert asked_since[-1] == ""


def test_of_a_customers_orders_the_one_that_changed_last_tells(soap: SoapServer, prima: Open) -> None:
    newer = order("9", "Despatched", LastChanged="02/03/2024 00:00:00")
    answer(soap, OrderChanges=newer + order("1", "Open"))
    source = prima()
    found = mapped(source, "order_status", list(source.read("order_status", "")))
    assert [(one.record.key, one.record.last_order, one.record.last_status) for one in found] == [
        ("C1", "9", "shipped")
    ]


STOCK = (
    '<SKU Product="P" MtrxCode2="38" Warehouse="{warehouse}" Physical="{physical}" Allocated="1" Quarantine="2" '
    'Reserved="0" Free="{free}"/>'
)


def test_an_article_sells_what_its_sellable_warehouses_have(soap: SoapServer, prima: Open, tmp_path: Path) -> None:
    path = site(tmp_path, ("sellable_warehouses: []", "sellable_warehouses: [MAIN, SHOP]"))
    levels = [STOCK.format(warehouse=name, physical=str(free + 3), free=free) for name, free in
              (("MAIN", 7), ("OUTLET", 5), ("SHOP", -2))]  # fmt: skip
    answer(soap, StockStatus="".join(levels))
    source = prima(MAPPING_FILE=path)
    assert [one.record.sellable for one in mapped(source, "stock", list(source.read("stock", "")))] == [7, 0, 0]
    assert [(one.record.key, one.record.sellable) for one in mapped(source, "product")] == [("P38", 7)]


def test_where_only_available_to_sell_exists_the_rest_stays_unknown(
    soap: SoapServer, prima: Open, tmp_path: Path
) -> None:
    path = site(tmp_path, ("stock_from: stock", "stock_from: available"))
    soap.says(
        '<Response RequestStatus="OK"><Data><sku Product="P" MtrxCode1="38" AvailableQuantity="4"/></Data></Response>'
    )
    source = prima(MAPPING_FILE=path)
    assert source.streams["stock"].change == Change.SCAN
    level = mapped(source, "stock")[0].record
    assert (level.available, level.physical, level.reserved, level.quarantined) == (4, None, None, None)
    assert soap.asked[0].get("RequestType") == "ProductAvailableToSell"


def test_quarantine_outside_the_physical_quantity_is_not_taken_off_twice(
    soap: SoapServer, prima: Open, tmp_path: Path
) -> None:
    answer(soap, StockStatus=STOCK.format(warehouse="MAIN", physical="10", free="9"))
    assert [fault.kind for fault in mapped(prima(), "stock")[0].faults] == ["free_discrepancy"]
    path = site(tmp_path, ("physical_includes_quarantine: true", "physical_includes_quarantine: false"))
    assert mapped(prima(MAPPING_FILE=path), "stock")[0].faults == ()


def test_internal_and_wholesale_customers_are_kept_out_by_named_rules(soap: SoapServer, prima: Open) -> None:
    soap.says(page(customer("A", CustomerType="store") + customer("TILL1") + customer("B", CustomerType="TRADE")))
    found = [one.record for one in mapped(prima(), "customer")]
    assert all(isinstance(one, Excluded) for one in found)
    assert [one.rule for one in found] == ["internal_type", "internal_account", "wholesale"]
