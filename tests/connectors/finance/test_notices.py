"""Business events and data events become keys to read again (contract 5, 3.8)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Notice
from connectors.dynamics365.finance import connector
from connectors.errors import RecordError

POSTED = {
    "BusinessEventId": "SalesInvoicePostedBusinessEvent",
    "BusinessEventLegalEntity": "USMF",
    "ContextRecordSubject": "",
    "ControlNumber": 5637985363,
    "EventId": "9C091AF1-5BAF-4CA9-B0A4-94D6E59A0D1C",
    "EventTime": "/Date(1772452800000)/",
    "EventTimeIso8601": "2026-03-02T12:00:00.3440655Z",
    "MajorVersion": 0,
    "ParentContextRecordSubjects": [],
    "LegalEntity": "USMF",
    "InvoiceAccount": "C-1001",
    "InvoiceId": "CIV-000777",
    "SalesOrderId": "000123",
    "InvoiceDate": "/Date(1772452800000)/",
    "InvoiceAmountInAccountingCurrency": 129.90,
}
TRACKED = {
    "MessageName": "Create",
    "PrimaryEntityName": "mserp_packingsliptrackinginformationentity",
    "PrimaryEntityId": "6d81597f-0000-0000-0000-000000000001",
    "CorrelationId": "b374239d-0000-0000-0000-000000000001",
    "OperationCreatedOn": "/Date(1506409448000-0700)/",
    "InputParameters": [
        {
            "key": "Target",
            "value": {
                "LogicalName": "mserp_packingsliptrackinginformationentity",
                "Attributes": [
                    {"key": "mserp_dataareaid", "value": "USMF"},
                    {"key": "mserp_salesordernumber", "value": "000123"},
                    {"key": "mserp_trackingnumber", "value": "1Z999AA10123456784"},
                    {"key": "mserp_deliverydate", "value": "/Date(1506384247000)/"},
                ],
            },
        }
    ],
    "PreEntityImages": [],
    "PostEntityImages": [],
}


def told(message: Any) -> Notice:
    assert connector.notice is not None
    return connector.notice(json.dumps(message).encode(), {"content-type": "application/json"})


def data_event(entity: str, message: str = "Update", **values: Any) -> dict[str, Any]:
    attributes = [{"key": name, "value": value} for name, value in values.items()]
    target = {"key": "Target", "value": {"LogicalName": entity, "Attributes": attributes}}
    return {**TRACKED, "PrimaryEntityName": entity, "MessageName": message, "InputParameters": [target]}


def test_a_posted_invoice_is_read_again_by_its_number() -> None:
    notice = told(POSTED)
    assert notice.keys == {"sale": ["usmf|CIV-000777"]}
    assert (notice.id, notice.kind) == (POSTED["EventId"], "SalesInvoicePostedBusinessEvent")
    assert notice.order == 5637985363


def test_a_confirmed_order_is_read_again_with_its_events_and_its_customer_s_status() -> None:
    event = {**POSTED, "BusinessEventId": "SalesOrderConfirmedBusinessEvent", "CustomerAccount": "C-1001"}
    assert told(event).keys == {
        "order": ["usmf|000123"],
        "order_event": ["usmf|000123"],
        "order_status": ["usmf|C-1001"],
    }


def test_a_parcel_s_row_asks_for_the_events_of_its_order() -> None:
    notice = told(TRACKED)
    assert notice.keys == {"order_event": ["usmf|000123"]}
    assert notice.order == 1506409448000
    assert notice.id != told({**TRACKED, "OperationCreatedOn": "2026-03-02T12:00:00Z"}).id


@pytest.mark.parametrize(
    ("spelling", "moment"),
    [("/Date(1506409448000)/", 1506409448000), ("/Date(-5000+0100)/", -5000), ("2026-03-02T12:00:00Z", 1772452800000),
     ("2026-03-02T13:00:00.3440655+01:00", 1772452800344), ("soon", None), (None, None)],
)  # fmt: skip
def test_both_spellings_of_a_moment_put_events_in_order(spelling: str | None, moment: int | None) -> None:
    assert told({**TRACKED, "OperationCreatedOn": spelling}).order == moment


def test_a_packing_slip_event_asks_for_the_order_and_its_events() -> None:
    event = {**POSTED, "BusinessEventId": "SalesPackingSlipPostedBusinessEvent"}
    assert told(event).keys == {"order": ["usmf|000123"], "order_event": ["usmf|000123"]}


def test_the_activation_s_test_message_asks_for_nothing() -> None:
    notice = told({"BusinessEventId": "BusinessEventsTestEndpointContract", "ControlNumber": -9223372036854775808})
    assert notice.keys == {}


def test_an_event_about_what_no_stream_carries_asks_for_nothing() -> None:
    assert told({**POSTED, "BusinessEventId": "CollectionLetterCreatedBusinessEvent"}).keys == {}


@pytest.mark.parametrize(
    ("entity", "values", "keys"),
    [
        ("mserp_custcustomerv3entity", {"mserp_customeraccount": "C-1"}, {"customer": ["usmf|C-1"]}),
        ("mserp_returnorderheaderentity", {"mserp_returnordernumber": "RO-1"}, {"return": ["usmf|RO-1"]}),
        ("mserp_smmcontactpersonv2entity", {"mserp_contactpersonid": "CP-1"}, {"contact": ["usmf|CP-1"]}),
        ("mserp_ecoresreleasedproductv2entity", {"mserp_itemnumber": "MUG"}, {"product": ["usmf|MUG"]}),
        ("mserp_salesinvoiceheaderv2entity", {"mserp_invoicenumber": "I-1"}, {"sale": ["usmf|I-1"]}),
        ("mserp_salesorderlineentity", {"mserp_salesordernumber": 17},
         {"order": ["usmf|17"], "order_event": ["usmf|17"]}),
        ("contoso_unknown", {}, {}),
    ],
)  # fmt: skip
def test_data_events_name_their_record_by_its_columns(entity: str, values: Any, keys: Any) -> None:
    assert told(data_event(entity, mserp_dataareaid="USMF", **values)).keys == keys


def test_the_image_before_tells_what_a_deletion_does_not() -> None:
    image = data_event("mserp_custcustomerv3entity", dataareaid="usmf", customeraccount="C-9")["InputParameters"][0]
    event = {**data_event("mserp_custcustomerv3entity", "Delete"), "PreEntityImages": [{**image, "key": "PreImage"}]}
    assert told(event).keys == {"customer": ["usmf|C-9"]}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ([], "body"),
        ({"hello": 1}, "body"),
        ({**POSTED, "EventId": ""}, "EventId"),
        ({**POSTED, "InvoiceId": ""}, "invoiceid"),
        ({**POSTED, "LegalEntity": "", "BusinessEventLegalEntity": ""}, "LegalEntity"),
        (data_event("mserp_custcustomerv3entity"), "customeraccount"),
    ],
)
def test_a_message_that_names_no_record_is_refused(message: Any, field: str) -> None:
    with pytest.raises(RecordError) as raised:
        told(message)
    assert raised.value.field == field


anything = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)  # fmt: skip


@given(message=st.sampled_from([POSTED, TRACKED]), name=st.sampled_from(sorted({*POSTED, *TRACKED})), value=anything)
def test_whatever_a_message_holds_it_is_read_or_refused(message: Any, name: str, value: Any) -> None:
    try:
        notice = told({**message, name: value})
    except RecordError:
        return
    assert all("|" in key for keys in notice.keys.values() for key in keys)


@given(body=st.binary(max_size=60))
def test_bytes_that_are_no_message_are_refused(body: bytes) -> None:
    assert connector.notice is not None
    with pytest.raises(RecordError):
        connector.notice(body, {})
