"""Order status as contact fields (contract 3.3, 3.10): update only, fields found by name, choices by label."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.base import Known, Outcome
from connectors.errors import ConfigurationError
from connectors.records import OrderStatus
from tests.connectors.conftest import EMARSYS, Open, opened
from tests.connectors.test_emarsys_contacts import Script


def status(number: str = "C-1", **values: Any) -> OrderStatus:
    usual = {"open_orders": 2, "last_order": "SO-9", "last_status": "shipped",
             "last_placed_at": datetime(2026, 1, 15, 10, tzinfo=UTC)}  # fmt: skip
    return OrderStatus(key=f"usmf|{number}", account=number, **{**usual, **values})


def encoded(sink: Any, *records: OrderStatus) -> list[Any]:
    return [sink.inlets["order_status"].encode(record, Known())[0] for record in records]


def test_only_existing_contacts_get_their_order_status(server: HTTPServer, emarsys: Open) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": ["11"], "errors": {"C-2": {"2008": "No contact found"}}})
    Script(server, "POST", "/contact/checkids", {"ids": {"C-1": "11"}})
    sink = emarsys()
    first, second = sink.send("order_status", encoded(sink, status("C-1"), status("C-2")), "key").results
    assert "create_if_not_exists" not in put.asked[0].args
    assert put.sent[0]["key_id"] == "10569"
    assert put.sent[0]["contacts"][0] == {
        "10569": "C-1", "10571": "2", "10572": "SO-9", "10573": "shipped", "10574": "2026-01-15"
    }  # fmt: skip
    assert (first.outcome, first.target_id) == (Outcome.ACCEPTED, "11")
    assert (second.outcome, second.code) == (Outcome.REJECTED, "2008")


def test_what_was_sent_is_what_a_look_shows(server: HTTPServer, emarsys: Open) -> None:
    sink = emarsys()
    (sent,) = encoded(sink, status())
    row = {"id": "11", "10569": "C-1", "10571": "2", "10572": "SO-9", "10573": "shipped", "10574": "2026-01-15"}
    read = Script(server, "POST", "/contact/getdata", {"result": [row]})
    seen = sink.look("order_status", ["usmf|C-1"])["usmf|C-1"]
    assert seen.target_id == "11"
    assert dict(seen.fields) == dict(sink.inlets["order_status"].expected(sent))
    assert read.sent[0]["fields"] == ["10569", "10571", "10572", "10573", "10574"]


def test_every_contact_s_status_can_be_read(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/contact/query/", {"result": [{"id": "11", "10569": "C-1"}]})
    Script(server, "POST", "/contact/getdata", {"result": [{"id": "11", "10569": "C-1", "10571": "2"}]})
    (page,) = list(emarsys().scan("order_status"))
    assert [(one.key, one.fields["open_orders"], one.fields["last_order"]) for one in page] == [("C-1", "2", "")]


def test_a_field_that_the_account_lacks_is_named_and_stops_nothing_else(emarsys: Open) -> None:
    sink = emarsys(STATUS_FIELDS="open_orders=offeneBestellungen,last_order=lastOrder")
    with pytest.raises(ConfigurationError, match="offeneBestellungen") as raised:
        _ = sink.inlets["order_status"]
    assert "ERP_STATUS_FIELDS" in raised.value.remedy
    assert sink.inlets["customer"].readable


def test_fields_are_found_by_name_and_those_not_wanted_are_left_out(server: HTTPServer, emarsys: Open) -> None:
    sink = emarsys(STATUS_FIELDS="last_order=Last order,last_status=")
    (sent,) = encoded(sink, status())
    assert sent.body == b'{"10569":"C-1","10572":"SO-9"}'
    assert sink.inlets["order_status"].fields == {"last_order": "10572"}


def test_a_choice_field_takes_the_id_of_the_label(server: HTTPServer) -> None:
    server.expect_request("/oauth2/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
    fields = [
        {"id": "10569", "name": "External id", "string_id": "externalId", "application_type": "shorttext"},
        {"id": "700", "name": "Order status", "string_id": "orderStatus", "application_type": "singlechoice"},
    ]
    Script(server, "GET", "/field", fields)
    for number, listed in ((14, []), (35, []), (700, [{"id": "4", "choice": "Shipped"}])):
        Script(server, "GET", f"/field/{number}/choice", listed)
    sink = opened("emarsys", server, {**EMARSYS, "TIER_FIELD": "", "STATUS_FIELDS": "last_status=orderStatus"})
    inlet = sink.inlets["order_status"]
    sent, faults = inlet.encode(status(), Known())
    assert (sent.body, faults) == (b'{"10569":"C-1","700":"4"}', ())
    assert inlet.expected(sent) == {"last_status": "shipped"}
    sent, (fault,) = inlet.encode(status(last_status="on_hold"), Known())
    assert sent.body == b'{"10569":"C-1"}'
    assert (fault.kind, fault.field) == ("unmappable_value", "last_status")
