"""What has changed since: the five feeds and their common rules (prima.md 7)."""

from datetime import UTC, datetime

import pytest

from tests.emulators.prima.site import Site

FEEDS = {
    "CustomerChanges": ("Customer", ["C0001", "C0002", "C0003", "C0004", "C0005"]),
    "OrderChanges": ("OrderNumber", ["201001", "201002", "201003"]),
    "CreditChanges": ("CreditNumber", ["CR1", "CR2"]),
    "DespatchChanges": ("DespatchNumber", ["D1", "D2"]),
}


@pytest.mark.parametrize("request_type", FEEDS)
def test_pages_are_ordered_by_key_and_end(site: Site, request_type: str) -> None:
    """prima.md 7.1: MaxRecords, StartKey, MoreRecords, NextKey"""
    key, expected = FEEDS[request_type]
    seen, start = [], ""
    while True:
        data, (record,) = site.page(request_type, MaxRecords="1", StartKey=start)
        seen.append(record.get(key))
        if data["MoreRecords"] == "No":
            break
        assert data["NextKey"] not in ("", start, *seen)
        start = data["NextKey"]
    assert seen == expected
    assert data["NextKey"] == ""


def test_only_what_changed_in_the_window_comes(site: Site) -> None:
    """prima.md 7.1: ChangedSince, ChangedTo"""
    _, late = site.page("CustomerChanges", ChangedSince="02/03/2024 09:00:00")
    assert [row.get("Customer") for row in late] == ["C0002", "C0003", "C0004", "C0005"]
    _, few = site.page("CustomerChanges", ChangedSince="02/03/2024 09:00:01", ChangedTo="04/03/2024 09:00:00")
    assert [row.get("Customer") for row in few] == ["C0003", "C0004"]


def test_times_are_local_and_summer_is_an_hour_ahead(site: Site) -> None:
    """prima.md 7.1: dd/mm/yyyy hh:mm:ss, Europe/London"""
    rows = {row.get("Customer"): row.get("LastChanged") for row in site.page("CustomerChanges")[1]}
    assert rows["C0001"] == "01/03/2024 05:58:10"
    assert rows["C0005"] == "01/07/2024 10:00:00"
    assert [r.get("Customer") for r in site.page("CustomerChanges", ChangedSince="01/07/2024 10:00:00")[1]] == ["C0005"]
    assert site.page("CustomerChanges", ChangedSince="01/07/2024 10:00:01")[1] == []


def test_the_repeated_hour_of_autumn_is_read_as_the_earlier_one(site: Site) -> None:
    """prima.md 7.1: re-reading is harmless, skipping is not"""
    for key, moment in (("A", "2024-10-27T00:30:00Z"), ("B", "2024-10-27T01:30:00Z")):
        site.control("PUT", f"prima/customers/{key}", {"LastChanged": moment})
    _, rows = site.page("CustomerChanges", ChangedSince="27/10/2024 01:30:00")
    assert [(row.get("Customer"), row.get("LastChanged")) for row in rows] == [
        ("A", "27/10/2024 01:30:00"),
        ("B", "27/10/2024 01:30:00"),
    ]


def test_server_time_is_the_emulated_clock_in_local_time(site: Site) -> None:
    """prima.md 7.1: the next watermark"""
    summer = datetime(2030, 7, 1, 12, 0, tzinfo=UTC)
    site.control("POST", "clock", {"offset_seconds": (summer - datetime.now(UTC)).total_seconds()})
    assert site.page("OrderChanges")[0]["ServerTime"].startswith("01/07/2030 13:0")
    site.set(server_time="no")
    assert "ServerTime" not in site.page("OrderChanges")[0]


def test_a_site_without_a_change_filter_gives_everything(site: Site) -> None:
    """prima.md 7.1: mode full"""
    site.set(change_filter="no")
    assert len(site.page("CustomerChanges", ChangedSince="01/01/2031 00:00:00")[1]) == 5


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"ChangedSince": "2024-03-01"}, "Invalid value for ChangedSince"),
        ({"ChangedSince": "31/02/2024 00:00:00"}, "Invalid value for ChangedSince"),
        ({"MaxRecords": "many"}, "Invalid value for MaxRecords"),
        ({"MaxRecords": "0"}, "Invalid value for MaxRecords"),
        ({"StartKey": "made up"}, "Start key not known"),
    ],
)
def test_a_bad_parameter_is_a_business_error(site: Site, data: dict[str, str], error: str) -> None:
    """prima.md 4.1, 7.1"""
    assert site.refusal("OrderChanges", **data) == error


def test_pages_are_as_large_as_the_site_allows(site: Site) -> None:
    """prima.md 2, question 4: page limits are not known"""
    site.set(page_size="2", largest_page="3")
    assert len(site.page("CustomerChanges")[1]) == 2
    assert len(site.page("CustomerChanges", MaxRecords="100")[1]) == 3


def test_a_customer_has_three_answers_to_consent(site: Site) -> None:
    """prima.md 7.2: Yes, No, not given"""
    rows = {row.get("Customer"): row for row in site.page("CustomerChanges")[1]}
    assert [rows[key].get("ReceiveEmail") for key in ("C0001", "C0002", "C0003")] == ["Yes", "No", ""]
    ann = rows["C0001"]
    assert (ann.get("CustomerSurname"), ann.get("ConsentDate"), ann.get("DateOfBirth")) == (
        "O'Neill",
        "12/02/2024 10:00:00",
        "29/02/1980",
    )
    assert (rows["C0003"].get("Status"), rows["C0005"].get("CustomerType")) == ("Archived", "WHOLESALE")


def test_a_merged_customer_is_a_tombstone(site: Site) -> None:
    """prima.md 7.2: MergedTo"""
    rows = {row.get("Customer"): dict(row.attrib) for row in site.page("CustomerChanges")[1]}
    assert rows["C0004"] == {
        "Customer": "C0004",
        "Status": "Merged",
        "MergedTo": "C0001",
        "LastChanged": "04/03/2024 09:00:00",
    }


def test_a_merge_from_outside_leaves_a_tombstone_and_moves_orders_when_asked(site: Site) -> None:
    """prima.md 7.2 and 10, question 5"""
    since = site.page("OrderChanges")[0]["ServerTime"]
    wanted = {"from": "C0002", "into": "C0001", "move_orders": True}
    assert site.control("POST", "prima/merge", wanted).json()["moved_orders"] == 1
    (loser,) = site.page("CustomerChanges", ChangedSince=since)[1]
    assert (loser.get("Customer"), loser.get("MergedTo")) == ("C0002", "C0001")
    (order,) = site.page("OrderChanges", ChangedSince=since)[1]
    assert (order.get("OrderNumber"), order.get("Customer")) == ("201002", "C0001")
    assert site.control("POST", "prima/merge", {"from": "C0002", "into": "nobody"}).status_code == 404


def test_an_archived_customer_stays_and_says_so(site: Site) -> None:
    """prima.md 7.2: archived; in another environment by its name"""
    site.control("POST", "prima/archive", {"id": "wsadevtest|C0001"})
    test = Site(site.root, "wsadevtest")
    assert test.page("CustomerChanges", MaxRecords="1")[1][0].get("Status") == "Archived"
    assert site.page("CustomerChanges", MaxRecords="1")[1][0].get("Status") == "Active"


def test_an_order_comes_whole_with_lines_and_charges_that_add_up(site: Site) -> None:
    """prima.md 7.4"""
    order = site.page("OrderChanges")[1][0]
    assert (order.get("OrderStatus"), order.get("SourceMedia"), order.get("Customer")) == (
        "Part Despatched",
        "SPR24EM1",
        "C0001",
    )
    lines, charges = order.findall("OrderLineData"), order.findall("OrderChargeData")
    assert [(line.get("Product"), line.get("MtrxCode1"), line.get("MtrxCode2")) for line in lines] == [
        ("3998", "WALN", "38"),
        ("3998", "WALN", "39"),
    ]
    assert [line.get("LineStatus") for line in lines] == ["Despatched", "Open"]
    assert [line.get("QtyDespatched") for line in lines] == ["1", "0"]
    values = [float(line.get("LineValue", 0)) for line in lines] + [float(c.get("ChargeValue", 0)) for c in charges]
    assert sum(values) == pytest.approx(float(order.get("OrderTotal", 0)), abs=0.02)


def test_orders_can_be_asked_for_by_channel(site: Site) -> None:
    """prima.md 7.4: OrderChannel"""
    site.control("PATCH", "prima/orders/201002", {"OrderChannel": "SHOP"})
    assert [o.get("OrderNumber") for o in site.page("OrderChanges", OrderChannel="SHOP")[1]] == ["201002"]
    assert len(site.page("OrderChanges", OrderChannel="")[1]) == 3


def test_credits_are_positive_and_may_have_no_order(site: Site) -> None:
    """prima.md 7.5"""
    returned, goodwill = site.page("CreditChanges")[1]
    assert (returned.get("CreditType"), returned.get("OrderNumber"), returned.get("CreditTotal")) == (
        "RETURN",
        "201001",
        "119.00",
    )
    assert dict(returned[0].attrib) | {"BackToStock": ""} == {
        "CreditLine": "1", "OrderLine": "1", "Product": "3998", "MtrxCode1": "WALN", "MtrxCode2": "38",
        "Quantity": "1", "LineValue": "119.00", "BackToStock": "",
    }  # fmt: skip
    assert (goodwill.get("CreditType"), goodwill.get("OrderNumber"), goodwill.get("Customer")) == (
        "GOODWILL",
        "",
        "C0002",
    )


def test_a_despatch_names_parcel_and_lines_and_its_number_may_come_later(site: Site) -> None:
    """prima.md 7.6"""
    first, second = site.page("DespatchChanges")[1]
    assert (first.get("ConsignmentNo"), first.get("Carrier"), first[0].get("OrderLine")) == (
        "15501234567890",
        "DPD",
        "1",
    )
    assert second.get("ConsignmentNo") == ""
    since = site.page("OrderChanges")[0]["ServerTime"]
    site.control("PATCH", "prima/despatches/D2", {"ConsignmentNo": "777"})
    (later,) = site.page("DespatchChanges", ChangedSince=since)[1]
    assert (later.get("DespatchNumber"), later.get("ConsignmentNo")) == ("D2", "777")


def test_stock_comes_per_warehouse_with_a_free_quantity(site: Site) -> None:
    """prima.md 7.7: Free = Physical - Allocated - Quarantine - Reserved; negative is legal"""
    rows = {(r.get("Product"), r.get("MtrxCode2"), r.get("Warehouse")): r for r in site.page("StockStatus")[1]}
    main = rows["3998", "38", "MAIN"]
    assert [main.get(name) for name in ("Physical", "Allocated", "Quarantine", "Reserved", "Free", "OnOrder")] == [
        "14",
        "3",
        "1",
        "0",
        "10",
        "24",
    ]
    assert rows["3998", "39", "MAIN"].get("Free") == "-2"
    assert rows["3998", "38", "SHOP"].get("Free") == "2"
    assert [r.get("Warehouse") for r in site.page("StockStatus", Warehouse="SHOP")[1]] == ["SHOP"]
    assert {r.get("Product") for r in site.page("StockStatus", ProductFrom="1", ProductTo="9")[1]} == {"3998"}


def test_a_reported_free_quantity_may_differ_from_the_computed_one(site: Site) -> None:
    """prima.md 7.7"""
    site.control("PATCH", "prima/stock/0042-BLK%7CMAIN", {"Free": "9"})
    rows = {row.get("Product"): row.get("Free") for row in site.page("StockStatus")[1]}
    assert rows["0042"] == "9"


def test_a_bad_record_can_be_planted_and_is_served_as_it_is(site: Site) -> None:
    """DESIGN section 10: records as stored"""
    bad = {
        "LastChanged": None,
        "ReceiveEmail": "Perhaps",
        "DateOfBirth": "soon",
        "ConsentDate": "31/31",
        "Status": 7,
    }
    assert site.control("PATCH", "prima/customers/C0001", bad).status_code == 200
    row = site.page("CustomerChanges")[1][0]
    shown = [row.get(name) for name in bad]
    assert shown == [None, "Perhaps", "soon", "31/31", "7"]
    assert len(site.page("CustomerChanges", ChangedSince="01/03/2024 00:00:00")[1]) == 4


def test_an_edit_moves_last_changed_and_a_deletion_is_silence(site: Site) -> None:
    """prima.md 7.1 and 7.2: a key absent from a delta means nothing"""
    since = site.page("CustomerChanges")[0]["ServerTime"]
    site.control("PATCH", "prima/customers/C0001", {"CustomerSurname": "New"})
    site.control("DELETE", "prima/customers/C0002")
    (changed,) = site.page("CustomerChanges", ChangedSince=since)[1]
    assert (changed.get("Customer"), changed.get("CustomerSurname")) == ("C0001", "New")
    assert [row.get("Customer") for row in site.page("CustomerChanges")[1]] == ["C0001", "C0003", "C0004", "C0005"]
    refused = site.control("PATCH", "prima/customers/C0001", {"Shoe": "43"})
    assert (refused.status_code, refused.json()["error"]) == (400, "Customer has no attribute Shoe")
