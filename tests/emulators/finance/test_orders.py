"""Sales orders, their lines, voided orders and tracking (dynamics365.md 4.3, 4.4, 4.5, 4.7)."""

import base64

import pytest

from tests.emulators.client import Environment

STATUS = "SalesOrderNumber,SalesOrderStatus,SalesOrderProcessingStatus"
SALES = "Microsoft.Dynamics.DataEntities.SalesStatus"


def key(number: str, company: str = "usmf") -> str:
    return f"dataAreaId='{company}',SalesOrderNumber='{number}'"


def lines_of(company: Environment, number: str) -> list[dict]:
    return company.rows(
        "SalesOrderLines", filter=f"SalesOrderNumber eq '{number}'", orderby="LineCreationSequenceNumber"
    )


def test_an_order_has_the_words_of_the_contract(company: Environment) -> None:
    """4.3 and 4.10: an instant for the creation, noon for days, 1900 for what is not known"""
    order = company.get(f"SalesOrderHeadersV2({key('SO-1')})").json()
    assert (order["OrderingCustomerAccountNumber"], order["Email"]) == ("C-1", "ada@example.com")
    assert order["OrderCreationDateTime"] == "2026-01-15T23:30:15Z"
    assert order["RequestedShippingDate"] == "2026-01-15T12:00:00Z"
    assert (order["ConfirmedShippingDate"], order["ShippingCarrierId"]) == ("2026-01-17T12:00:00Z", "DHL")
    assert order["ConfirmedReceiptDate"] == "1900-01-01T12:00:00Z"
    totals = [order[f"OrderTotal{what}Amount"] for what in ("", "Tax", "Discount", "Charges")]
    assert (totals, order["AreTotalsCalculated"]) == ([25.8, 4.3, 2, 3.5], "Yes")
    assert (order["ArePricesIncludingSalesTax"], order["CustomersOrderReference"]) == ("No", "SPRING")


def test_every_state_of_an_order_has_its_two_statuses(company: Environment) -> None:
    """4.3: SalesStatus and the finer SalesOrderProcessingStatus; 4.5: the header follows the lines that are left"""
    rows = company.rows("SalesOrderHeadersV2", select=STATUS + ",IsSalesProcessingStopped")
    found = {row["SalesOrderNumber"]: (row["SalesOrderStatus"], row["SalesOrderProcessingStatus"]) for row in rows}
    assert found == {
        "SO-1": ("Invoiced", "Invoiced"),
        "SO-2": ("Delivered", "Delivered"),
        "SO-3": ("Backorder", "Active"),
        "SO-4": ("Canceled", "Canceled"),
        "SO-5": ("Backorder", "PartiallyDelivered"),
        "SO-6": ("Backorder", "Active"),
        "SO-10": ("Delivered", "Delivered"),
    }
    assert [row["SalesOrderNumber"] for row in rows if row["IsSalesProcessingStopped"] == "Yes"] == ["SO-6"]


def test_lines_carry_their_own_status_so_that_a_partial_cancellation_shows(company: Environment) -> None:
    """4.4 and 4.5"""
    assert [line["SalesOrderLineStatus"] for line in lines_of(company, "SO-3")] == ["Backorder", "Canceled"]
    assert [line["SalesOrderLineStatus"] for line in lines_of(company, "SO-5")] == ["Delivered", "Backorder"]
    assert [line["SalesOrderLineStatus"] for line in lines_of(company, "SO-4")] == ["Canceled"]
    first = lines_of(company, "SO-1")[0]
    amounts = [first[name] for name in ("OrderedSalesQuantity", "SalesPrice", "LineDiscountAmount", "LineAmount")]
    assert (amounts, first["SalesPriceQuantity"]) == ([4, 5, 2, 18], 1)
    assert (first["ItemNumber"], first["LineDescription"], first["CurrencyCode"]) == ("MUG", "Blue mug", "GBP")


def test_status_is_an_enum_in_filters(company: Environment) -> None:
    """2.4 and 4.3"""
    cancelled = company.rows("SalesOrderLines", filter=f"SalesOrderLineStatus eq {SALES}'Canceled'")
    assert sorted(row["SalesOrderNumber"] for row in cancelled) == ["SO-1", "SO-10", "SO-3", "SO-4"]
    assert "operand types" in company.refusal("SalesOrderHeadersV2", filter="SalesOrderStatus eq 'Canceled'")
    assert "'has' is not supported" in company.refusal(
        "SalesOrderHeadersV2", filter=f"SalesOrderStatus has {SALES}'Canceled'"
    )


def test_orders_are_read_by_date_window_and_keyset(company: Environment) -> None:
    """2.5 and 2.8: OrderCreationDateTime is the one proven filter date"""
    window = "OrderCreationDateTime ge 2026-01-15T23:30:15Z and OrderCreationDateTime lt 2026-01-22T09:00:00Z"
    rows = company.rows("SalesOrderHeadersV2", filter=window, orderby="dataAreaId,OrderCreationDateTime")
    assert [row["SalesOrderNumber"] for row in rows] == ["SO-1", "SO-2", "SO-3"]
    found, last = [], ("", "")
    while rows:
        after = f"(dataAreaId gt '{last[0]}' or (dataAreaId eq '{last[0]}' and InventoryLotId gt '{last[1]}'))"
        rows = company.rows("SalesOrderLines", filter=after, orderby="dataAreaId,InventoryLotId", top="4")
        if rows:
            last = (rows[-1]["dataAreaId"], rows[-1]["InventoryLotId"])
            found += [(row["SalesOrderNumber"], row["LineCreationSequenceNumber"]) for row in rows]
    assert len(found) == len(set(found)) == 13
    assert found[-1] == ("SO-6", 1)


def test_a_line_is_found_by_its_lot_and_by_its_order(company: Environment) -> None:
    """4.4: key dataAreaId, InventoryLotId"""
    line = lines_of(company, "SO-1")[2]
    lot = f"dataAreaId='USMF',InventoryLotId='{line['InventoryLotId']}'"
    assert company.get(f"SalesOrderLines({lot})").json()["ItemNumber"] == "CUP"
    assert company.get("SalesOrderLines(dataAreaId='usmf',InventoryLotId='nothing')").status_code == 404
    assert company.rows("SalesOrderLines", filter=f"InventoryLotId eq '{line['InventoryLotId']}'")[0] == line


def test_lines_expand_under_the_header_and_the_header_under_lines(company: Environment) -> None:
    """2.1 one level, 4.4 both directions"""
    order = company.get(f"SalesOrderHeadersV2({key('SO-3')})", expand="SalesOrderLines").json()
    assert [line["ItemNumber"] for line in order["SalesOrderLines"]] == ["MUG", "CUP"]
    [line] = company.rows(
        "SalesOrderLines", filter="SalesOrderNumber eq 'SO-2'", expand="SalesOrderHeaderV2($select=Email)"
    )
    assert {**line["SalesOrderHeaderV2"], "@odata.etag": ""} == {"@odata.etag": "", "Email": "bob@example.com"}
    for deeper in ("SalesOrderLines($expand=SalesOrderHeaderV2)", "SalesOrderLines/SalesOrderHeaderV2"):
        assert "too deep" in company.refusal("SalesOrderHeadersV2", expand=deeper)
    assert "navigation property" in company.refusal("SalesOrderHeadersV2", expand="Customer")
    headers = {"Accept": "application/json;odata.metadata=full"}
    full = company.call("GET", f"SalesOrderHeadersV2({key('SO-3')})", headers=headers).json()
    assert full["@odata.type"] == "#Microsoft.Dynamics.DataEntities.SalesOrderHeaderV2"
    assert full["SalesOrderLines@odata.navigationLink"].endswith("/SalesOrderLines")


def test_the_tag_of_a_header_has_seven_pairs(company: Environment) -> None:
    """2.2: one pair for each data source"""
    tag = company.get(f"SalesOrderHeadersV2({key('SO-1')})").json()["@odata.etag"]
    pairs = base64.b64decode(tag.removeprefix('W/"').removesuffix('"')).decode().strip("'").split(";")
    assert len(pairs) == 7
    assert all(len(pair.split(",")) == 2 for pair in pairs)


def test_totals_may_not_be_calculated(company: Environment) -> None:
    """4.3 and 7 row 20: with AreTotalsCalculated No the totals are zero"""
    company.control("POST", "settings", {"dynamics365.totals_not_calculated": 1})
    order = company.get(f"SalesOrderHeadersV2({key('SO-1')})").json()
    assert (order["AreTotalsCalculated"], order["OrderTotalAmount"]) == ("No", 0)
    assert sum(line["LineAmount"] for line in lines_of(company, "SO-1")) == 28.5


@pytest.mark.parametrize("by_control", [True, False])
def test_a_deleted_order_is_voided_with_its_lines(company: Environment, by_control: bool) -> None:
    """4.5: no date says when"""
    lot = lines_of(company, "SO-3")[0]["InventoryLotId"]
    if by_control:
        assert company.control("DELETE", "dynamics365/orders/usmf%7CSO-3").status_code == 204
    else:
        assert company.call("DELETE", f"SalesOrderHeadersV2({key('SO-3')})").status_code == 204
    assert company.get(f"SalesOrderHeadersV2({key('SO-3')})").status_code == 404
    assert lines_of(company, "SO-3") == []
    voided = company.get(f"VoidedSalesOrderHeaders({key('SO-3')})", expand="VoidedSalesOrderLines").json()
    assert (voided["OrderingCustomerAccountNumber"], voided["SalesOrderName"]) == ("C-2", "Bob Baker")
    assert [(line["ItemNumber"], line["LineAmount"]) for line in voided["VoidedSalesOrderLines"]] == [
        ("MUG", 10), ("CUP", 5),
    ]  # fmt: skip
    assert voided["VoidedSalesOrderLines"][0]["InventoryLotId"] == lot
    assert not [name for name in voided if "Date" in name]


def test_orders_and_lines_can_be_written(company: Environment) -> None:
    """2.6: 201 with the row, 204 for changes, 412 for a stale tag; the lot is the system's to give"""
    body = {"SalesOrderNumber": "N-1", "OrderingCustomerAccountNumber": "C-1", "CurrencyCode": "GBP"}
    assert company.call("POST", "SalesOrderHeadersV2", json=body).json()["dataAreaId"] == "usmf"
    line = {"SalesOrderNumber": "N-1", "ItemNumber": "MUG", "OrderedSalesQuantity": 3}
    made = [company.call("POST", "SalesOrderLines", json=line) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert [row["LineCreationSequenceNumber"] for row in lines_of(company, "N-1")] == [1, 2]
    line_key = made[0].headers["Location"].removeprefix(f"{company.base}/data/")
    stale = company.get(line_key).json()["@odata.etag"]
    for status in (204, 412):
        change = {"SalesOrderLineStatus": "Canceled"}
        answer = company.call("PATCH", line_key, json=change, headers={"If-Match": stale})
        assert answer.status_code == status
    assert [row["SalesOrderLineStatus"] for row in lines_of(company, "N-1")] == ["Canceled", "Backorder"]
    assert "must be filled in" in company.call("POST", "SalesOrderHeadersV2", json={}).text
    assert company.call("POST", "SalesOrderLines", json={"ItemNumber": "MUG"}).status_code == 400


def test_tracking_has_a_row_for_each_parcel(company: Environment) -> None:
    """4.7: several rows for a slip; a slip without a number has none"""
    rows = company.rows("PackingSlipTrackingInformation", filter="DeliveryDate ge 2026-01-17T00:00:00Z")
    found = [(row["SalesOrderNumber"], row["PackingSlipNumber"], row["TrackingNumber"]) for row in rows]
    assert found == [("SO-1", "PS-1", "JD0001"), ("SO-1", "PS-1", "JD0002"), ("SO-5", "PS-2", "1Z9")]
    assert rows[0]["DeliveryDate"] == "2026-01-17T12:00:00Z"
    parcel = f"{key('SO-5')},PackingSlipNumber='PS-2',DeliveryDate=2026-01-24T12:00:00Z,TrackingNumber='1Z9'"
    assert company.get(f"PackingSlipTrackingInformation({parcel})").json()["TrackingURL"].endswith("/1Z9")
    later = {**rows[2], "TrackingNumber": "1Z10"}
    assert company.call("POST", "PackingSlipTrackingInformation", json=later).status_code == 201
    assert len(company.rows("PackingSlipTrackingInformation", filter="SalesOrderNumber eq 'SO-5'")) == 2


def test_newer_names_exist_beside_the_old_ones_when_the_tenant_has_them(company: Environment) -> None:
    """4.3, 4.4, 4.6: versions differ from tenant to tenant"""
    newer = ("SalesOrderHeadersV3", "SalesOrderLinesV2", "SalesInvoiceHeadersV3", "SalesInvoiceV3Lines")
    assert {company.get(name).status_code for name in newer} == {404}
    company.control("POST", "settings", {"dynamics365.newer_sets": "yes"})
    assert {company.get(name).status_code for name in newer} == {200}
    order = company.get(f"SalesOrderHeadersV3({key('SO-3')})", expand="SalesOrderLinesV2").json()
    assert len(order["SalesOrderLinesV2"]) == 2
    rows = company.rows("SalesInvoiceHeadersV3", expand="SalesInvoiceLinesV3", filter="InvoiceNumber eq 'SO-1'")
    assert len(rows[0]["SalesInvoiceLinesV3"]) == 2


def test_sets_and_properties_can_be_missing_or_named_differently(company: Environment) -> None:
    """2.1 and 7 row 25"""
    company.control(
        "POST", "settings", {"dynamics365.absent": "ReturnDetails,SalesOrderLines.FulfillmentStatus",
                             "dynamics365.names": "ContactsV2=ContactsV5"},
    )  # fmt: skip
    assert company.get("ReturnDetails").status_code == 404
    assert "FulfillmentStatus" not in lines_of(company, "SO-1")[0]
    assert "'FulfillmentStatus'" in company.refusal("SalesOrderLines", select="FulfillmentStatus")
    assert (company.get("ContactsV2").status_code, len(company.rows("ContactsV5"))) == (404, 1)
    metadata = company.get("$metadata").text
    assert 'EntitySet Name="ContactsV5"' in metadata
    assert 'EntitySet Name="ReturnDetails"' not in metadata
