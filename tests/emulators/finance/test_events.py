"""Business events and data events leave the environment (dynamics365.md 5, 3.8)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulators.client import Environment
from tests.emulators.finance.receiver import Receiver, receiving

POSTED, CONFIRMED = "SalesInvoicePostedBusinessEvent", "SalesOrderConfirmedBusinessEvent"
TRACKING = "PackingSlipTrackingInformation"


@pytest.fixture
def receiver(company: Environment) -> Iterator[Receiver]:
    company.control("POST", "settings", {"dynamics365.event_retry_seconds": 0})
    with receiving() as receiver:
        yield receiver
        for endpoint in company.control("GET", "dynamics365/endpoints").json():
            company.control("DELETE", f"dynamics365/endpoints/{endpoint['id']}")


def subscribe(environment: Environment, receiver: Receiver, *events: str, **rest: Any) -> dict[str, Any]:
    answer = environment.control("POST", "dynamics365/endpoints", {"url": receiver.url, "events": events, **rest})
    assert answer.status_code == 200, answer.text
    receiver.wait_for_test()
    return answer.json()


def post_invoice(company: Environment, number: str, **values: Any) -> None:
    invoice = {"InvoiceDate": "2026-03-02T12:00:00Z", "InvoiceCustomerAccountNumber": "C-1", "CurrencyCode": "GBP",
               "TotalInvoiceAmount": 129.9, "TotalTaxAmount": 21.65, "SalesOrderNumber": "SO-3", **values}  # fmt: skip
    assert company.control("PUT", f"dynamics365/invoices/usmf%7C{number}", invoice).status_code == 201


def test_a_test_message_arrives_when_an_endpoint_is_activated(company: Environment, receiver: Receiver) -> None:
    """5: ControlNumber is the smallest there is"""
    subscribe(company, receiver, POSTED, headers={"X-Key": "k"})
    message = receiver.messages[0]
    assert message["BusinessEventId"] == "BusinessEventsTestEndpointContract"
    assert message["ControlNumber"] == -9223372036854775808
    assert receiver.headers[0]["x-key"] == "k"


def test_a_posted_invoice_is_told_with_the_fields_of_the_contract(company: Environment, receiver: Receiver) -> None:
    """5: flat, event fields beside envelope fields"""
    subscribe(company, receiver, POSTED)
    post_invoice(company, "CIV-1")
    [message] = receiver.wait(1)
    assert (message["BusinessEventLegalEntity"], message["LegalEntity"]) == ("USMF", "USMF")
    assert (message["InvoiceAccount"], message["InvoiceId"], message["SalesOrderId"]) == ("C-1", "CIV-1", "SO-3")
    assert message["InvoiceDate"] == "/Date(1772452800000)/"
    assert message["InvoiceDueDate"] == "/Date(1775044800000)/"
    assert (message["InvoiceAmountInAccountingCurrency"], message["InvoiceTaxAmount"]) == (129.9, 21.65)
    assert (message["MajorVersion"], message["ParentContextRecordSubjects"]) == (0, [])
    assert message["EventTimeIso8601"].endswith("Z")
    assert len(message["EventId"]) == 36


def test_numbers_grow_with_gaps_and_companies_are_kept_apart(company: Environment, receiver: Receiver) -> None:
    """5: ControlNumber has gaps; activation is per legal entity"""
    subscribe(company, receiver, POSTED, company="USMF")
    for at in range(6):
        post_invoice(company, f"CIV-{at}")
    company.control("PUT", "dynamics365/invoices/usrt%7COTHER", {})
    post_invoice(company, "CIV-LAST")
    messages = receiver.wait(7)
    numbers = [message["ControlNumber"] for message in messages]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - numbers[0] > 7
    assert {message["BusinessEventLegalEntity"] for message in messages} == {"USMF"}
    assert len({message["EventId"] for message in messages}) == 7


def test_an_order_is_told_once_when_it_is_confirmed(company: Environment, receiver: Receiver) -> None:
    """5"""
    subscribe(company, receiver, CONFIRMED)
    order = "SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='SO-3')"
    for values in ({"Email": "x@example.com"}, {"SalesOrderProcessingStatus": "Confirmed"}, {"Email": "y@example.com"}):
        assert company.call("PATCH", order, json=values).status_code == 204
    other = order.replace("SO-3", "SO-5")
    company.call("PATCH", other, json={"SalesOrderProcessingStatus": "Confirmed"})
    assert [message["SalesOrderId"] for message in receiver.wait(2)] == ["SO-3", "SO-5"]


def test_tracking_is_told_as_a_data_event(company: Environment, receiver: Receiver) -> None:
    """5 and 3.8: RemoteExecutionContext with Target, PreImage and the headers of a webhook"""
    subscribe(company, receiver, TRACKING)
    row = {"SalesOrderNumber": "SO-2", "PackingSlipNumber": "PS-9", "DeliveryDate": "2026-03-02T12:00:00Z"}
    made = company.call("POST", TRACKING, json={**row, "TrackingNumber": "T-1"})
    key = made.headers["Location"].removeprefix(f"{company.base}/data/")
    company.call("PATCH", key, json={"TrackingURL": "https://carrier.example/T-1"})
    company.call("DELETE", key)
    created, updated, deleted = receiver.wait(3)
    assert [message["MessageName"] for message in (created, updated, deleted)] == ["Create", "Update", "Delete"]
    target = created["InputParameters"][0]
    assert target["key"] == "Target"
    values = {pair["key"]: pair["value"] for pair in target["value"]["Attributes"]}
    assert (values["mserp_salesordernumber"], values["mserp_trackingnumber"]) == ("SO-2", "T-1")
    changed = updated["InputParameters"][0]["value"]["Attributes"]
    assert changed == [{"key": "mserp_trackingurl", "value": "https://carrier.example/T-1"}]
    assert updated["PreEntityImages"][0]["key"] == "PreImage"
    assert created["PrimaryEntityId"] == deleted["PrimaryEntityId"]
    told = receiver.headers[-1]
    assert told["x-ms-dynamics-entity-name"] == created["PrimaryEntityName"]
    assert told["x-ms-dynamics-request-name"] == "Delete"


def test_empty_dates_are_left_out_and_names_may_be_the_entitys_own(company: Environment, receiver: Receiver) -> None:
    """5: null datetimes are removed from the payload"""
    company.control("POST", "settings", {"dynamics365.data_event_prefix": ""})
    subscribe(company, receiver, "SalesOrderHeadersV2/Create")
    company.call("POST", "SalesOrderHeadersV2", json={"SalesOrderNumber": "N-1"})
    company.call(
        "PATCH", "SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='N-1')", json={"Email": "n@example.com"}
    )
    company.call("POST", "SalesOrderHeadersV2", json={"SalesOrderNumber": "N-2"})
    first, second = receiver.wait(2)
    values = {pair["key"] for pair in first["InputParameters"][0]["value"]["Attributes"]}
    assert "SalesOrderNumber" in values
    assert not [name for name in values if "Date" in name]
    assert second["MessageName"] == "Create"


def test_a_receiver_that_fails_is_asked_again_three_times_then_the_message_waits_in_the_error_log(
    company: Environment, receiver: Receiver
) -> None:
    """5: retry 3 times at 1 s, then the error log with manual resend"""
    subscribe(company, receiver, POSTED)
    receiver.refusals = 3
    post_invoice(company, "CIV-1")
    receiver.wait(1)
    assert receiver.refused == 3
    receiver.refusals = 4
    post_invoice(company, "CIV-2")
    post_invoice(company, "CIV-3")
    assert [message["InvoiceId"] for message in receiver.wait(2)] == ["CIV-1", "CIV-3"]
    [logged] = company.control("GET", "dynamics365/event_errors").json()
    assert (logged["error"], logged["event"]) == ("HTTP 500", POSTED)
    assert company.control("POST", "dynamics365/resend", {"id": logged["id"]}).json() == {"resent": 1}
    assert receiver.wait(3)[2]["InvoiceId"] == "CIV-2"
    assert company.control("GET", "dynamics365/event_errors").json() == []
    assert company.control("POST", "dynamics365/resend", {"id": "no"}).status_code == 404


def test_messages_may_come_twice_and_in_another_order(company: Environment, receiver: Receiver) -> None:
    """8.6: duplicates and reordering"""
    subscribe(company, receiver, POSTED)
    company.control("POST", "settings", {"dynamics365.events_held": "yes", "dynamics365.event_order": "reversed"})
    for number in ("CIV-1", "CIV-2", "CIV-3"):
        post_invoice(company, number)
    company.control("POST", "settings", {"dynamics365.events_held": None})
    messages = receiver.wait(3)
    assert [message["InvoiceId"] for message in messages] == ["CIV-3", "CIV-2", "CIV-1"]
    assert messages[0]["ControlNumber"] > messages[2]["ControlNumber"]
    company.control("POST", "settings", {"dynamics365.event_duplicates": 1})
    post_invoice(company, "CIV-4")
    fourth, fifth = receiver.wait(5)[3:]
    assert fourth == fifth


def test_an_endpoint_must_make_sense(company: Environment, receiver: Receiver) -> None:
    """5: at most ten for an event and a company; an emulator's events stay on this machine"""
    for wanted in (
        {"url": "https://example.com/", "events": [POSTED]},
        {"url": "ftp://127.0.0.1/", "events": [POSTED]},
        {"url": receiver.url, "events": []},
    ):
        assert company.control("POST", "dynamics365/endpoints", wanted).status_code == 400
    wanted = {"url": receiver.url, "events": [POSTED]}
    answers = [company.control("POST", "dynamics365/endpoints", wanted).status_code for _ in range(11)]
    assert answers == [200] * 10 + [400]
