"""KEY=email: contacts are addressed by field 3 (contract 3.1); the ERP's number is one field among others."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.base import Known, Outcome
from connectors.errors import ConfigurationError, RecordError
from connectors.records import Consent, Customer, OrderEvent, OrderStatus
from tests.connectors.conftest import EMARSYS, Open, opened
from tests.connectors.test_emarsys_contacts import Script


def ana(number: str = "C-1", email: str = "ana@example.com") -> Customer:
    return Customer(key=f"usmf|{number}", account=number, email=email, first_name="Ana")


def encoded(sink: Any, *customers: Customer, known: Known | None = None) -> list[Any]:
    return [sink.inlets["customer"].encode(one, known or Known())[0] for one in customers]


def test_contacts_are_upserted_by_e_mail_and_carry_the_erp_s_number(server: HTTPServer, emarsys: Open) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": ["11", 12]})
    sink = emarsys(KEY="email")
    answer = sink.send("customer", encoded(sink, ana(), ana("C-2", "bo@example.com")), "key")
    assert put.sent[0]["key_id"] == "3"
    assert [(one["3"], one["10569"]) for one in put.sent[0]["contacts"]] == [
        ("ana@example.com", "C-1"), ("bo@example.com", "C-2")
    ]  # fmt: skip
    assert put.asked[0].args["create_if_not_exists"] == "1"
    assert [(result.key, result.target_id) for result in answer.results] == [("usmf|C-1", "11"), ("usmf|C-2", "12")]


def test_an_e_mail_that_several_contacts_share_is_rejected(server: HTTPServer, emarsys: Open) -> None:
    errors = {"ana@example.com": {"2010": "More contacts found with the external id: 3 - ana@example.com"}}
    Script(server, "PUT", "/contact/", {"ids": [], "errors": errors})
    sink = emarsys(KEY="email")
    (result,) = sink.send("customer", encoded(sink, ana()), "key").results
    assert (result.outcome, result.code) == (Outcome.REJECTED, "2010")


def test_a_customer_without_an_e_mail_cannot_be_addressed(emarsys: Open) -> None:
    with pytest.raises(RecordError) as raised:
        encoded(emarsys(KEY="email"), ana(email=""))
    assert (raised.value.kind, raised.value.field) == ("missing_value", "email")


def test_nobody_is_adopted(server: HTTPServer, emarsys: Open) -> None:
    """Whoever has the e-mail is the contact: there is nothing to choose (pitfall 19 is about other keys)."""
    read = Script(server, "POST", "/contact/getdata", {"result": [{"id": "11", "3": "Ana@example.com", "10569": None}]})
    sink = emarsys(KEY="email")
    found = sink.find("customer", [ana()])["usmf|C-1"]
    assert [one.key for one in found] == [sink.inlets["customer"].identify(ana())]
    assert [sent["keyId"] for sent in read.sent] == ["3"]
    (row,) = encoded(sink, ana(), known=Known("11", adopt=True))
    assert (row.group, b'"id"' in row.body) == ("", False)


def test_our_records_are_looked_at_by_the_erp_s_number(server: HTTPServer, emarsys: Open) -> None:
    read = Script(
        server, "POST", "/contact/getdata", {"result": [{"id": "11", "3": "ana@example.com", "10569": "C-1"}]}
    )
    sink = emarsys(KEY="email")
    assert sink.look("customer", ["usmf|C-1"])["usmf|C-1"].target_id == "11"
    assert (read.sent[0]["keyId"], read.sent[0]["keyValues"]) == ("10569", ["C-1"])
    assert "keyed by e-mail" in emarsys_check(server, sink)


def emarsys_check(server: HTTPServer, sink: Any) -> str:
    Script(server, "GET", "/settings", {"name": "acme"})
    return str(sink.check())


def test_what_carries_no_e_mail_is_addressed_by_number(emarsys: Open) -> None:
    sink = emarsys(KEY="email")
    consent = Consent(key="C-1", customer="C-1", given="no", email="old@example.com")
    assert sink.inlets["consent"].encode(consent, Known())[0].body == b'{"10569":"C-1","31":2}'
    status = OrderStatus(key="usmf|C-1", account="C-1", last_order="SO-1")
    assert b'"10569":"C-1"' in sink.inlets["order_status"].encode(status, Known())[0].body
    event = OrderEvent(key="k", event="dispatched", customer="usmf|C-1", account="C-1", order="SO-1",
                       happened_at=datetime(2026, 1, 15, tzinfo=UTC))  # fmt: skip
    assert b'"external_id":"C-1"' in sink.inlets["order_event"].encode(event, Known())[0].body


def test_an_account_without_a_field_for_the_number_has_contacts_all_the_same(server: HTTPServer) -> None:
    server.expect_request("/oauth2/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
    Script(server, "GET", "/field", [{"id": "3", "name": "E-Mail", "application_type": "longtext"}])
    for number in (14, 35):
        Script(server, "GET", f"/field/{number}/choice", [])
    sink = opened("emarsys", server, {**EMARSYS, "KEY": "email", "TIER_FIELD": ""})
    assert not sink.inlets["customer"].readable
    assert b"C-1" not in encoded(sink, ana())[0].body
    for inlet in ("sale", "consent", "order_status", "order_event"):
        with pytest.raises(ConfigurationError, match="externalId"):
            _ = sink.inlets[inlet]
