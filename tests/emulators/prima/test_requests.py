"""The inner document and the evidenced requests (prima.md 4 and 5)."""

import pytest

from tests.emulators.prima.site import Site, parsed, request_xml


def test_success_is_ok_and_no_error(site: Site) -> None:
    """prima.md 4.1"""
    root = site.ask("OrderStatus", OrderNumber="201001")
    assert (root.tag, dict(root.attrib)) == ("Response", {"RequestStatus": "OK"})
    assert dict(root[0].attrib) == {"OrderNumber": "201001", "OrderStatus": "Part Despatched"}


@pytest.mark.parametrize(
    ("inner", "error"),
    [
        (request_xml("OrderStatus", OrderNumber="nobody"), "Order not on file"),
        (request_xml("Nonsense"), "Unknown request type Nonsense"),
        ("<Request><Data/></Request>", "Unknown request type"),
        ('<Request RequestType="OrderStatus"/>', "Data element not found"),
        ("<Order/>", "Request element not found"),
        ("", "Request is not valid XML"),
        ('<Request RequestType="OrderStatus"><Data OrderNumber="a & b"/></Request>', "Request is not valid XML"),
        (
            '<!DOCTYPE Request [<!ENTITY a "b">]><Request RequestType="OrderStatus"><Data/></Request>',
            "Request is not valid XML",
        ),
    ],
)
def test_a_business_error_is_a_reply_like_any_other(site: Site, inner: str, error: str) -> None:
    """prima.md 4.1: HTTP 200 with RequestStatus ERROR; 4.2 rule 4: concatenated strings break"""
    root = parsed(site.text(inner))
    assert (root.get("RequestStatus"), root.get("RequestError")) == ("ERROR", error)


def test_a_request_may_declare_an_encoding_it_no_longer_has(site: Site) -> None:
    """prima.md 1 fact 11: the published sample declares ISO-8859-1"""
    declared = '<?xml version="1.0" encoding="ISO-8859-1"?>' + request_xml("OrderStatus", OrderNumber="201002")
    assert 'OrderStatus="Open"' in site.text(declared)


def test_a_type_the_site_does_not_have_is_unknown(site: Site) -> None:
    """prima.md 2, question 2: no feed is known to exist"""
    site.set(off="CreditChanges,StockStatus")
    assert site.refusal("CreditChanges") == "Unknown request type CreditChanges"
    assert site.refusal("StockStatus") == "Unknown request type StockStatus"
    assert site.page("OrderChanges")[1]


def test_everything_that_can_be_sold_is_summed_over_warehouses(site: Site) -> None:
    """prima.md 5: ProductAvailableToSell, element sku"""
    _, rows = site.page("ProductAvailableToSell", ProductFrom="", ProductTo="")
    assert {row.tag for row in rows} == {"sku"}
    shown = {(row.get("Product"), row.get("MtrxCode2")): row.get("AvailableQuantity") for row in rows}
    assert shown == {("3998", "38"): "12", ("3998", "39"): "-2", ("0042", ""): "0"}
    _, some = site.page("ProductAvailableToSell", ProductFrom="1000", ProductTo="3998")
    assert {row.get("Product") for row in some} == {"3998"}


def test_named_articles_come_back_with_a_date_and_in_capitals(site: Site) -> None:
    """prima.md 5: MultiAvailableToSell asks with sku and answers with SKU"""
    site.control("PATCH", "prima/stock/0042-BLK%7CMAIN", {"AvailableDate": "2026-12-24"})
    asked = '<sku Product="0042" MtrxCode1="BLK"/><sku Product="9999" MtrxCode1=""/>'
    rows = list(site.ask("MultiAvailableToSell", asked)[0])
    assert {row.tag for row in rows} == {"SKU"}
    assert [(row.get("Product"), row.get("AvailableQuantity"), row.get("AvailableDate")) for row in rows] == [
        ("0042", "0", "24/12/2026"),
        ("9999", "0", ""),
    ]


ORDER = """<OrderHeaderData Currency="EUR" SourceMedia="WEB24"/><OrderLineData Product="3998" MtrxCode1="WALN" \
MtrxCode2="38" Quantity="2" Price="258.00"/><OrderChargeData Charge="STD" ChargeValue="4.95"/>"""


def test_an_order_entered_is_an_order_on_file(site: Site) -> None:
    """prima.md 5: NewOrder; Price holds a line total there"""
    given = {"OrderNumber": "201900", "Customer": "C0900", "CustomerSurname": "Ní Bhriain & Sons", "ReceiveEmail": "No"}
    reply = site.ask("NewOrder", ORDER, **given)
    assert reply[0].get("OrderNumber") == "201900"
    assert site.ask("OrderStatus", OrderNumber="201900")[0].get("OrderStatus") == "Open"
    order = next(o for o in site.page("OrderChanges")[1] if o.get("OrderNumber") == "201900")
    assert (order.get("SourceMedia"), order[0].get("LineValue"), order[1].get("ChargeValue")) == (
        "WEB24",
        "258.00",
        "4.95",
    )
    opened = site.control("GET", "prima/customers/C0900").json()
    assert (opened["CustomerSurname"], opened["ReceiveEmail"]) == ("Ní Bhriain & Sons", "No")
    assert site.refusal("NewOrder", ORDER, **given) == "Order 201900 already on file"


@pytest.mark.parametrize(("switch", "left"), [("no", "Yes"), ("yes", "No")])
def test_whether_an_order_overwrites_consent_is_a_switch(site: Site, switch: str, left: str) -> None:
    """prima.md 5, lessons: every order says No; 10, question 4"""
    site.set(order_overwrites_consent=switch)
    site.ask("NewOrder", ORDER, OrderNumber="201901", Customer="C0001", ReceiveEmail="No")
    assert site.control("GET", "prima/customers/C0001").json()["ReceiveEmail"] == left


def test_several_orders_are_entered_all_or_none(site: Site) -> None:
    """prima.md 1 fact 10: MultiNewOrder"""
    two = f'<Order OrderNumber="1" Customer="C0001">{ORDER}</Order><Order OrderNumber="201001">{ORDER}</Order>'
    assert site.refusal("MultiNewOrder", two) == "Order 201001 already on file"
    assert site.refusal("OrderStatus", OrderNumber="1") == "Order not on file"
    reply = site.ask("MultiNewOrder", two.replace("201001", "2"))
    assert [order.get("OrderNumber") for order in reply[0]] == ["1", "2"]
    assert len(site.page("OrderChanges")[1]) == 5


def test_consent_is_written_once_per_unique_id(site: Site) -> None:
    """prima.md 7.3: UniqueId is the idempotency key; an empty attribute leaves alone"""
    site.control("POST", "clock", {"offset_seconds": 3600})
    given = {"UniqueId": "b1", "Customer": "C0001", "ReceiveEmail": "No", "ReceiveText": "",
             "ConsentDate": "02/07/2024 09:00:00", "ConsentSource": "EMARSYS"}  # fmt: skip
    first = site.ask("CustomerUpdate", **given)
    stored = site.control("GET", "prima/customers/C0001").json()
    assert (stored["ReceiveEmail"], stored["ReceiveText"], stored["ConsentSource"]) == ("No", "", "EMARSYS")
    assert stored["ConsentDate"] == "2024-07-02T08:00:00Z"
    site.control("POST", "clock", {"offset_seconds": 7200})
    again = site.ask("CustomerUpdate", **{**given, "ReceiveEmail": "Yes"})
    assert again[0].attrib == first[0].attrib
    assert site.control("GET", "prima/customers/C0001").json() == stored


def test_a_write_moves_the_record_into_the_next_delta(site: Site) -> None:
    """prima.md 7.3: LastChanged in the reply; echo of our own write"""
    since = site.page("CustomerChanges")[0]["ServerTime"]
    assert site.page("CustomerChanges", ChangedSince=since)[1] == []
    site.ask("CustomerUpdate", UniqueId="b2", Customer="C0002", ReceiveText="Yes")
    (changed,) = site.page("CustomerChanges", ChangedSince=since)[1]
    assert (changed.get("Customer"), changed.get("ReceiveText"), changed.get("ReceiveEmail")) == ("C0002", "Yes", "No")


@pytest.mark.parametrize(("blank", "left"), [("unchanged", "Yes"), ("no", "No")])
def test_what_an_empty_flag_means_is_a_switch(site: Site, blank: str, left: str) -> None:
    """prima.md 2, question 7, and 7.3"""
    site.set(blank=blank)
    site.ask("CustomerUpdate", UniqueId="b3", Customer="C0001", ReceiveEmail="", ReceiveText="Yes")
    assert site.control("GET", "prima/customers/C0001").json()["ReceiveEmail"] == left


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"Customer": "nobody"}, "Customer not on file"),
        ({"Customer": "C0004"}, "Customer has been merged into C0001"),
        ({"UniqueId": ""}, "UniqueId must be given"),
        ({"ReceiveEmail": "Perhaps"}, "Invalid value for ReceiveEmail"),
        ({"ConsentDate": "2024-03-01"}, "Invalid value for ConsentDate"),
    ],
)
def test_an_update_that_makes_no_sense_changes_nothing(site: Site, changes: dict[str, str], error: str) -> None:
    """prima.md 7.3"""
    before = site.control("GET", "prima/customers").json()
    given = {"UniqueId": "b4", "Customer": "C0001", "ReceiveEmail": "No"}
    assert site.refusal("CustomerUpdate", **{**given, **changes}) == error
    assert site.control("GET", "prima/customers").json() == before
