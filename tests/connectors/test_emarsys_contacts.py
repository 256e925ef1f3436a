"""Contacts of Emarsys over HTTP (contract 2, 3): upsert row by row, look-ups, adoption, full read."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Known, Outcome
from connectors.errors import (
    BatchRefusedError,
    ConfigurationError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
)
from connectors.records import Customer
from tests.connectors.conftest import EMARSYS, Budget, Open, emarsys_of, opened

API = "/api/v3"


class Script:
    """Answers to each call in turn, the last one again and again; `sent` are the bodies."""

    def __init__(self, server: HTTPServer, method: str, path: str, *answers: Any) -> None:
        self.answers, self.sent, self.asked = list(answers), list[Any](), list[Request]()
        server.expect_request(API + path, method=method).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        self.asked.append(request)
        self.sent.append(request.get_json(silent=True))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Response) else ok(answer)


def ok(data: Any) -> Response:
    # Emarsys sends JSON under text/html at times (contract 2.1).
    return Response(json.dumps({"replyCode": 0, "replyText": "OK", "data": data}), content_type="text/html")


def refused(status: int, code: int, text: str) -> Response:
    return Response(json.dumps({"replyCode": code, "replyText": text, "data": ""}), status)


def customers(*numbers: str, email: str = "") -> list[Customer]:
    return [Customer(key=f"usmf|{number}", account=number, first_name="Ana", email=email) for number in numbers]


def batch(sink: Any, *numbers: str, known: Known | None = None) -> list[Any]:
    encode = sink.inlets["customer"].encode
    return [encode(record, known or Known())[0] for record in customers(*numbers)]


def outcomes(answer: Any) -> list[tuple[str, str, str]]:
    return [(result.key, result.outcome.value, result.target_id) for result in answer.results]


def test_contacts_are_upserted_by_the_erp_s_number(server: HTTPServer, emarsys: Open) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": ["138621551", 968984932]})
    sink = emarsys()
    answer = sink.send("customer", batch(sink, "C-1", "C-2"), "key")
    assert put.asked[0].args["create_if_not_exists"] == "1"
    assert put.sent[0]["key_id"] == "10569"
    assert [contact["10569"] for contact in put.sent[0]["contacts"]] == ["C-1", "C-2"]
    assert outcomes(answer) == [("usmf|C-1", "accepted", "138621551"), ("usmf|C-2", "accepted", "968984932")]
    assert b'"replyCode": 0' in answer.reply


def test_a_refused_row_does_not_touch_the_others(server: HTTPServer, emarsys: Open) -> None:
    errors = {"C-2": {"2007": "Invalid choice id for field id: 14"}}
    Script(server, "PUT", "/contact/", {"ids": ["11", 13], "errors": errors})
    check = Script(server, "POST", "/contact/checkids", {"ids": {"C-1": "11", "C-3": "13"}, "errors": []})
    sink = emarsys()
    answer = sink.send("customer", batch(sink, "C-1", "C-2", "C-3"), "key")
    assert outcomes(answer) == [
        ("usmf|C-1", "accepted", "11"), ("usmf|C-2", "rejected", ""), ("usmf|C-3", "accepted", "13")
    ]  # fmt: skip
    assert (answer.results[1].code, answer.results[1].field) == ("2007", "country")
    assert check.sent[0]["external_ids"] == ["C-1", "C-3"]


@pytest.mark.parametrize("errors", [[], {}, None])
def test_no_errors_may_be_written_in_three_ways(server: HTTPServer, emarsys: Open, errors: Any) -> None:
    Script(server, "PUT", "/contact/", {"ids": [1], "errors": errors})
    sink = emarsys()
    assert outcomes(sink.send("customer", batch(sink, "C-1"), "key")) == [("usmf|C-1", "accepted", "1")]


def test_accepted_rows_stay_accepted_when_their_ids_cannot_be_asked_for(
    server: HTTPServer, emarsys: Open, slept: list[float]
) -> None:
    Script(server, "PUT", "/contact/", {"ids": ["11"], "errors": {"C-2": {"2010": "More contacts found"}}})
    Script(server, "POST", "/contact/checkids", Response("oops", 503))
    sink = emarsys()
    answer = sink.send("customer", batch(sink, "C-1", "C-2"), "key")
    assert outcomes(answer) == [("usmf|C-1", "accepted", ""), ("usmf|C-2", "rejected", "")]


def test_a_row_that_is_neither_refused_nor_there_is_not_taken_for_accepted(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "PUT", "/contact/", {})
    Script(server, "POST", "/contact/checkids", {"ids": {"C-1": "11"}, "errors": {"C-2": {"2008": "No contact"}}})
    sink = emarsys()
    answer = sink.send("customer", batch(sink, "C-1", "C-2"), "key")
    assert outcomes(answer) == [("usmf|C-1", "accepted", "11"), ("usmf|C-2", "rejected", "")]


def test_a_row_that_went_through_and_does_not_show_yet_is_accepted(server: HTTPServer, emarsys: Open) -> None:
    """`ids` holds the rows that went through, in their order (contract 3.2)."""
    Script(server, "PUT", "/contact/", {"ids": ["11", 13], "errors": {"C-2": {"2007": "Invalid value"}}})
    Script(server, "POST", "/contact/checkids", {"ids": {"C-1": "11"}, "errors": {"C-3": {"2008": "No contact"}}})
    sink = emarsys()
    answer = sink.send("customer", batch(sink, "C-1", "C-2", "C-3"), "key")
    assert outcomes(answer) == [
        ("usmf|C-1", "accepted", "11"), ("usmf|C-2", "rejected", ""), ("usmf|C-3", "accepted", "13")
    ]  # fmt: skip


def test_a_row_lost_in_a_race_is_sent_once_more(server: HTTPServer, emarsys: Open) -> None:
    race = {"ids": ["11"], "errors": {"C-2": {"2009": "Contact with the external id already exists: 10569"}}}
    put = Script(server, "PUT", "/contact/", race, {"ids": ["12"]})
    Script(server, "POST", "/contact/checkids", {"ids": {"C-1": "11"}})
    sink = emarsys()
    answer = sink.send("customer", batch(sink, "C-1", "C-2"), "key")
    assert outcomes(answer) == [("usmf|C-1", "accepted", "11"), ("usmf|C-2", "accepted", "12")]
    assert [len(sent["contacts"]) for sent in put.sent] == [2, 1]


def test_an_error_that_names_no_row_rejects_the_batch(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "PUT", "/contact/", {"ids": [], "errors": {"<NO_KEY_ID>": {"2005": "No value for key"}}})
    sink = emarsys()
    answer = sink.send("customer", batch(sink, "C-1", "C-2"), "key")
    assert [(result.outcome, result.code) for result in answer.results] == [(Outcome.REJECTED, "2005")] * 2


def test_a_refused_request_is_halved_until_the_row_stands_alone(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "PUT", "/contact/", refused(400, 2007, "Invalid date format for field id: 4"))
    sink = emarsys()
    with pytest.raises(BatchRefusedError):
        sink.send("customer", batch(sink, "C-1", "C-2"), "key")
    (result,) = sink.send("customer", batch(sink, "C-1"), "key").results
    assert (result.outcome, result.code, result.field) == (Outcome.REJECTED, "2007", "birth_date")


@pytest.mark.parametrize("status", [200, 400])
def test_a_key_field_that_is_not_accepted_is_a_matter_for_an_admin(
    server: HTTPServer, emarsys: Open, status: int
) -> None:
    Script(server, "PUT", "/contact/", refused(status, 2004, "Invalid key field id: 10569"))
    sink = emarsys()
    with pytest.raises(ConfigurationError, match="2004") as raised:
        sink.send("customer", batch(sink, "C-1", "C-2"), "key")
    assert "KEY_FIELD" in raised.value.remedy


def test_an_adopted_contact_is_written_by_its_id_and_never_created(server: HTTPServer, emarsys: Open) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": ["138621551"]})
    sink = emarsys()
    rows = batch(sink, "C-1", known=Known("138621551", adopt=True))
    assert outcomes(sink.send("customer", rows, "key")) == [("usmf|C-1", "accepted", "138621551")]
    assert put.sent[0]["key_id"] == "id"
    assert put.sent[0]["contacts"][0] == {"id": "138621551", "10569": "C-1", **put.sent[0]["contacts"][0]}
    assert "create_if_not_exists" not in put.asked[0].args


MAINTENANCE = Response("<html><title>Maintenance</title></html>", content_type="application/json")


def test_contacts_that_a_page_was_answered_to_are_sent_again(
    server: HTTPServer, emarsys: Open, slept: list[float]
) -> None:
    put = Script(server, "PUT", "/contact/", MAINTENANCE, {"ids": ["7"]})
    sink = emarsys()
    assert outcomes(sink.send("customer", batch(sink, "C-1"), "key")) == [("usmf|C-1", "accepted", "7")]
    assert put.sent[0] == put.sent[1]
    put.answers = [MAINTENANCE]
    with pytest.raises(UnavailableError, match="an HTML page titled 'Maintenance'"):
        sink.send("customer", batch(sink, "C-1"), "key")


@pytest.mark.parametrize("body", [b"[]", b'"<html>"', b"{}", b"busy", b""])
def test_an_answer_of_another_form_stops_at_once(server: HTTPServer, emarsys: Open, body: bytes) -> None:
    put = Script(server, "PUT", "/contact/", Response(body, content_type="text/html"))
    sink = emarsys()
    with pytest.raises(UnexpectedReplyError):
        sink.send("customer", batch(sink, "C-1"), "key")
    assert len(put.asked) == 1


def test_a_token_that_expires_is_renewed_once(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "PUT", "/contact/", refused(401, 1, "Unauthorized"), {"ids": [1]})
    sink = emarsys()
    assert outcomes(sink.send("customer", batch(sink, "C-1"), "key")) == [("usmf|C-1", "accepted", "1")]
    tokens = [request for request, _ in server.log if request.path == "/oauth2/token"]
    assert len(tokens) == 2
    assert tokens[0].headers["Authorization"] == "Basic YXBwOnNlY3JldA=="


@pytest.mark.parametrize(
    ("header", "value", "wait"), [("X-RateLimit-Reset", None, 40.0), ("X-Other", "1", 60.0), ("Retry-After", "3", 3.0)]
)
def test_a_spent_budget_is_waited_for(
    server: HTTPServer, emarsys: Open, slept: list[float], header: str, value: str | None, wait: float
) -> None:
    throttled = refused(429, 7003, "Too many requests")
    throttled.headers[header] = value or str(int(time.time() + wait))
    put = Script(server, "PUT", "/contact/", throttled, {"ids": [1]})
    sink = emarsys()
    sink.send("customer", batch(sink, "C-1"), "key")
    assert len(put.asked) == 2
    assert slept == [pytest.approx(wait, abs=2.5)]


def test_the_budget_is_told_what_the_account_says_of_it(server: HTTPServer, emarsys: Open) -> None:
    emarsys()
    budget = Budget()
    reply = ok({"ids": [1]})
    reply.headers.extend(
        {"X-Ratelimit-Limit": "1000", "X-RateLimit-Remaining": "997", "X-RateLimit-Reset": "9000000000"}
    )
    Script(server, "PUT", "/contact/", reply)
    sink = opened("emarsys", server, EMARSYS, budget)
    sink.send("customer", batch(sink, "C-1"), "key")
    assert budget.observed[-1][:2] == (1000, 997)
    assert budget.acquired == 4  # fields, two lists of choices, the upsert; sign-in is not the account's budget


def test_an_unreachable_account_makes_the_run_wait(emarsys: Open, server: HTTPServer, slept: list[float]) -> None:
    with pytest.raises(UnavailableError):
        emarsys(URL="http://127.0.0.1:9/api/v3").check()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
members = st.sampled_from(["ids", "id", "errors", "result", "C-1", "2008"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=anything | st.dictionaries(members, anything | st.dictionaries(members, anything, max_size=2), max_size=3))
def test_no_reply_raises_anything_but_a_typed_error(server: HTTPServer, data: Any) -> None:
    server.clear()
    sink = emarsys_of(server)
    for method, path in (("PUT", "/contact/"), ("POST", "/contact/getdata"), ("POST", "/contact/checkids"),
                         ("GET", "/filter"), ("GET", "/contact/query/"), ("GET", "/filter/1/contacts")):  # fmt: skip
        Script(server, method, path, data)
    calls = [
        lambda: sink.send("customer", batch(sink, "C-1", "C-2"), "key"),
        lambda: sink.find("customer", customers("C-1", email="a@example.com")),
        lambda: list(sink.scan("customer")),
        lambda: sink.segments(),
        lambda: list(sink.members("1")),
    ]
    for call in calls:
        with contextlib.suppress(ConnectorError):
            call()


# ------------------------------------------------------------------------------------------------------- look-ups


def test_contacts_are_found_by_number_then_by_e_mail(server: HTTPServer, emarsys: Open) -> None:
    known = {"id": "1", "uid": "A", "10569": "C-1", "3": "one@example.com", "31": "1"}
    by_form = {"id": "2", "uid": "B", "10569": None, "3": "TWO@example.com", "14": "184", "31": "2"}
    missing = [{"key": "C-2", "errorCode": 2008, "errorMsg": "No contact found"}]
    read = Script(server, "POST", "/contact/getdata", {"errors": missing, "result": [known]}, {"result": [by_form]})
    found = emarsys().find(
        "customer", customers("C-1", email="x@example.com") + customers("C-2", email="two@example.com")
    )
    assert {key: [contact.target_id for contact in contacts] for key, contacts in found.items()} == {
        "usmf|C-1": ["1"], "usmf|C-2": ["2"]
    }  # fmt: skip
    assert found["usmf|C-2"][0].key == ""
    assert found["usmf|C-2"][0].fields["country"] == "GB"
    assert found["usmf|C-2"][0].fields["opt_in"] == "no"
    assert [sent["keyId"] for sent in read.sent] == ["10569", "3"]
    assert read.sent[1]["keyValues"] == ["two@example.com"]


def test_every_contact_of_an_ambiguous_e_mail_is_found(server: HTTPServer, emarsys: Open) -> None:
    ambiguous = {"errors": [{"key": "two@example.com", "errorCode": "2010", "errorMsg": "More"}], "result": False}
    both = {"result": [{"id": "2", "3": "two@example.com"}, {"id": "3", "3": "two@example.com", "10569": "C-9"}]}
    Script(server, "POST", "/contact/getdata", {"result": False}, ambiguous, both)
    check = Script(server, "POST", "/contact/checkids", {"ids": {"two@example.com": ["2", "3"]}})
    found = emarsys().find("customer", customers("C-2", email="two@example.com"))
    assert [(contact.target_id, contact.key) for contact in found["usmf|C-2"]] == [("2", ""), ("3", "C-9")]
    assert check.sent[0]["get_multiple_ids"] is True


@pytest.mark.parametrize(
    "nobody", [{"result": False}, {}, "", refused(200, 2008, "No contact"), refused(400, 2008, "No")]
)
def test_nobody_may_be_answered_in_many_ways(server: HTTPServer, emarsys: Open, nobody: Any) -> None:
    Script(server, "POST", "/contact/getdata", nobody)
    sink = emarsys()
    assert sink.find("customer", customers("C-1", email="a@example.com")) == {}
    assert sink.look("customer", ["usmf|C-1"]) == {}


def test_what_a_contact_shows_is_what_was_sent(server: HTTPServer, emarsys: Open) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": ["1"]})
    sink = emarsys()
    record = Customer(
        key="usmf|C-1", account="C-1", email="a@example.com", country="IE", language="de", loyalty_tier="gold"
    )
    encoded, _ = sink.inlets["customer"].encode(record, Known())
    sink.send("customer", [encoded], "key")
    Script(server, "POST", "/contact/getdata", {"result": [{"id": "1", "31": None, **put.sent[0]["contacts"][0]}]})
    shown = sink.look("customer", ["usmf|C-1"])["usmf|C-1"].fields
    expected = sink.inlets["customer"].expected(encoded)
    assert {name: shown[name] for name in expected} == expected
    assert (expected["country"], expected["language"], expected["loyalty_tier"]) == ("IE", "de", "gold")
    assert set(expected) == set(sink.inlets["customer"].fields)


def test_everything_is_read_by_ids_in_pages_and_fields_in_thousands(server: HTTPServer, emarsys: Open) -> None:
    def query(request: Request) -> Response:
        offset = int(request.args["offset"])
        assert request.args["limit"] == "10000"
        return ok(
            {"errors": [], "result": [{"id": str(number)} for number in range(offset, min(offset + 10_000, 12_500))]}
        )

    server.expect_request(f"{API}/contact/query/").respond_with_handler(query)
    sizes: list[int] = []

    def getdata(request: Request) -> Response:
        body = request.get_json()
        sizes.append(len(body["keyValues"]))
        assert body["keyId"] == "id"
        return ok({"errors": [], "result": [{"id": number, "10569": f"C-{number}"} for number in body["keyValues"]]})

    server.expect_request(f"{API}/contact/getdata").respond_with_handler(getdata)
    contacts = [contact for page in emarsys().scan("customer") for contact in page]
    assert [contact.key for contact in contacts] == [f"C-{number}" for number in range(12_500)]
    assert sorted(sizes) == [500] + [1000] * 12


# -------------------------------------------------------------------------------------------------------- account


def test_a_missing_key_field_is_named(server: HTTPServer, emarsys: Open) -> None:
    with pytest.raises(ConfigurationError) as raised:
        emarsys(KEY_FIELD="customerNumber").check()
    assert "customerNumber" in raised.value.message
    assert "ERP_KEY_FIELD" in raised.value.remedy


@pytest.mark.parametrize("name", ["externalId", "External id", "10569", "external_id"])
def test_the_key_field_may_be_named_in_several_ways(server: HTTPServer, emarsys: Open, name: str) -> None:
    Script(server, "GET", "/settings", {"name": "acme", "environment": "suite"})
    assert emarsys(KEY_FIELD=name).check() == f"Answers as acme; the key field {name} is field 10569."


def test_an_account_without_a_tier_field_can_do_without(server: HTTPServer, emarsys: Open) -> None:
    assert "loyalty_tier" not in emarsys(TIER_FIELD="").inlets["customer"].fields


def test_the_whole_key_can_be_the_external_id(server: HTTPServer, emarsys: Open) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": [1]})
    sink = emarsys(KEY_VALUE="key")
    sink.send("customer", batch(sink, "C-1"), "key")
    assert put.sent[0]["contacts"][0]["10569"] == "usmf|C-1"


@pytest.mark.parametrize(
    ("inlet", "name"),
    [("customer", "KEY_VALUE"), ("customer", "KEY"), ("sale", "PRICE"), ("sale", "REFUND_STYLE"),
     ("sale", "SALES_ORDER"), ("sale", "SALES_COLUMNS"), ("product", "FEED_COLUMNS"), ("product", "STOCK_THRESHOLD"),
     ("order_event", "EVENTS"), ("order_status", "STATUS_FIELDS")],
)  # fmt: skip
def test_a_word_that_a_setting_does_not_know_is_not_guessed_at(emarsys: Open, inlet: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        _ = emarsys(**{name: "nonsense"}).inlets[inlet]
