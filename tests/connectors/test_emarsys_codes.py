"""Every row of the contract's error table (section 10), each over HTTP: what becomes of it, and who repeats it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Known, Outcome, Unlimited
from connectors.emarsys import codes, replies
from connectors.emarsys.codes import Meaning
from connectors.errors import (
    BatchRefusedError,
    ConfigurationError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from connectors.http import Http
from connectors.records import Consent, Customer
from tests.connectors.conftest import Open
from tests.connectors.test_emarsys_contacts import Script, refused

ATTEMPTS = 4
SETUP, LATER, REFUSED, FOREIGN = ConfigurationError, UnavailableError, BatchRefusedError, UnexpectedReplyError

# (status, code, call, error, requests made, words of the remedy)
Row = tuple[int, int | None, str, type[ConnectorError], int, str]


def rows() -> list[Row]:
    contact, event, groups = "PUT contact/", "POST event/7/trigger", "POST contactlist/5/add"
    table: list[Row] = [
        # 200 (rows/whole): key, field, choice and contact problems inside a 200
        (200, 2004, contact, SETUP, 1, "KEY_FIELD"),
        (200, 2005, contact, REFUSED, 1, ""),
        (200, 2006, contact, SETUP, 1, "field"),
        (200, 2007, contact, REFUSED, 1, ""),
        (200, 2008, contact, REFUSED, 1, ""),
        (200, 2010, contact, REFUSED, 1, ""),
        # 202: being evaluated
        (202, 10001, "GET filter/1/contacts/count", LATER, 1, ""),
        (202, 202, "GET email/9/responses", LATER, 1, ""),
        # 400
        (400, 1, groups, FOREIGN, 1, "documentation"),
        (400, 1000, contact, REFUSED, 1, ""),
        (400, 1003, "POST email/unsubscribe", REFUSED, 1, ""),
        (400, 1006, "POST email/unsubscribe", REFUSED, 1, ""),
        (400, 1007, "POST contact/getdata", SETUP, 1, "field"),
        (400, 1008, "PUT filter", SETUP, 1, "segment"),
        (400, 1009, contact, FOREIGN, 1, "documentation"),
        (400, 501, contact, FOREIGN, 1, "documentation"),
        (400, 1010, contact, FOREIGN, 1, "documentation"),
        (400, 2002, "POST contact/checkids", REFUSED, 1, ""),
        (400, 2003, "POST contact/checkids", FOREIGN, 1, "documentation"),
        (400, 2004, contact, SETUP, 1, "KEY_FIELD"),
        (400, 2005, contact, REFUSED, 1, ""),
        (400, 2006, contact, SETUP, 1, "field"),
        (400, 2007, contact, REFUSED, 1, ""),
        (400, 2008, contact, REFUSED, 1, ""),
        (404, 2008, "POST contact/delete", REFUSED, 1, ""),
        (400, 2009, contact, REFUSED, 1, ""),
        (400, 2010, contact, REFUSED, 1, ""),
        (400, 2012, event, REFUSED, 1, ""),
        (400, 2013, contact, SETUP, 1, "source"),
        (400, 2014, "GET contact/query/", FOREIGN, 1, "documentation"),
        (400, 2015, "GET contact/query/", SETUP, 1, "indexed"),
        (400, 2016, "GET contact/query/", FOREIGN, 1, "documentation"),
        (400, 2020, contact, SETUP, 1, "contact list"),
        (400, 3001, groups, SETUP, 1, "contact list"),
        (400, 3002, groups, REFUSED, 1, ""),
        (400, 3003, groups, FOREIGN, 1, "documentation"),
        *[(400, code, groups, SETUP, 1, "contact list") for code in (3004, 3005, 3006, 3007, 3008)],
        (404, 3006, groups, SETUP, 1, "contact list"),
        (400, 4001, "POST contact/getchanges", LATER, 1, "running already"),
        (400, 4002, "POST contact/getchanges", FOREIGN, 1, "documentation"),
        # exports that are not to be had
        (404, 4004, "GET export/5/data", FOREIGN, 1, "not local"),
        (404, 4005, "GET export/5/data", LATER, 1, ""),
        (404, 4006, "GET export/5/data", LATER, 1, "a new one"),
        (410, 4003, "GET export/5/data", LATER, 1, "a new one"),
        # events (section 4)
        (400, 5001, event, SETUP, 1, "external events"),
        (400, 5002, "POST event", FOREIGN, 1, "documentation"),
        (400, 5003, "POST event", SETUP, 1, "external events"),
        (400, 5004, "POST event/7", SETUP, 1, "external events"),
        (400, 5005, event, SETUP, 1, "Attach"),
        (400, 5006, event, FOREIGN, 1, "documentation"),
        (400, 5007, event, FOREIGN, 1, "documentation"),
        *[(400, code, event, REFUSED, 1, "") for code in (5008, 5009, 5010, 5011)],
        (400, 5012, "POST event/7/delete", SETUP, 1, "external events"),
        (400, 6025, "POST email/unsubscribe", REFUSED, 1, ""),
        (400, 6042, "POST email/unsubscribe", REFUSED, 1, ""),
        (404, 6029, "GET email/9/responses", LATER, 1, "starts another"),
        (423, 6028, "POST email/responses", LATER, 1, "once a minute"),
        (429, 7003, contact, LATER, ATTEMPTS, ""),
        (429, 15011, "POST rds/connections/c/tables/t/records", LATER, ATTEMPTS, ""),
        (412, 8029, contact, SETUP, 1, "not enabled"),
        *[(400, code, "POST field", SETUP, 1, "field") for code in (9001, 9002, 9003, 9005, 9006)],
        (400, 10001, "POST contact/getdata", FOREIGN, 1, "documentation"),
        (400, 10001, "GET export/5", LATER, 1, "a new one"),
        (404, 10002, "GET filter/9", FOREIGN, 1, "deleted"),
        (404, 10008, "GET filter/runs/9", FOREIGN, 1, "start another"),
        (423, 10003, "POST filter/9/runs", LATER, 1, "One segment at a time"),
        *[(400, code, "PUT filter", SETUP, 1, "segment") for code in (10004, 10005, 10009)],
        *[(400, code, "POST combinedsegments", SETUP, 1, "segment") for code in range(13001, 13006)],
        (404, 13001, "GET combinedsegments/9", SETUP, 1, "segment"),
        *[(400, code, "POST rds/connections/c/tables/t/records", REFUSED, 1, "") for code in (15001, 15002, 15003)],
        (404, 15004, "GET rds/connections/c/tables/t/records", SETUP, 1, "table"),
        (400, 15007, "GET rds/connections/c/tables/t/records", SETUP, 1, "index"),
        (400, 15005, "GET rds/connections/c/tables/t/records", FOREIGN, 1, "documentation"),
        (400, 15008, "GET rds/connections/c/tables/t/records", FOREIGN, 1, "documentation"),
        (401, 1, contact, SETUP, 1, "credential"),
        (403, None, contact, SETUP, 1, "permission"),
        # 500: server side
        *[(500, code, contact, LATER, ATTEMPTS, "") for code in (1, 1003, 2011)],
        *[(500, code, groups, LATER, ATTEMPTS, "") for code in (3001, 3002, 3003, 3004, 3005)],
        (500, 4007, "GET export/5/data", LATER, ATTEMPTS, ""),
        (500, 15006, "GET rds/connections/c/tables/t/records", LATER, ATTEMPTS, ""),
        (502, None, contact, LATER, ATTEMPTS, ""),
        (503, None, contact, LATER, ATTEMPTS, ""),
    ]
    return table


@pytest.mark.parametrize(
    ("status", "code", "call", "error", "requests", "remedy"),
    [pytest.param(*row, id=f"{row[0]}-{row[1]}-{row[2].partition('?')[0].replace('/', ':')}") for row in rows()],
)
def test_each_code_has_its_outcome(
    server: HTTPServer, slept: list[float], status: int, code: int | None, call: str, error: type[ConnectorError],
    requests: int, remedy: str,
) -> None:  # fmt: skip
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        body = "" if code is None else json.dumps({"replyCode": code, "replyText": "anything at all", "data": ""})
        return Response(body, status, content_type="text/html")

    server.expect_request(re.compile("/api/v3/.*")).respond_with_handler(answer)
    http = Http("acme", server.url_for("/api/v3"), Unlimited(), throttle_wait=lambda headers: 1.0)
    method, path = call.split(" ")
    with pytest.raises(ConnectorError) as raised:
        replies.data(http, method, path, {} if method != "GET" else None)
    assert type(raised.value) is error
    assert len(asked) == requests
    assert remedy in raised.value.remedy
    assert raised.value.system == "acme"
    assert f"/api/v3/{path}".rstrip("/") in raised.value.request
    assert str(status) in raised.value.message


def test_an_address_in_emarsys_words_is_in_no_message(server: HTTPServer, emarsys: Open) -> None:
    words = "No contact found with the external id: 3 - ana@example.com"
    Script(
        server,
        "PUT",
        "/contact/",
        refused(400, 2008, words),
        {"errors": {"ana@example.com": {"2005": words}}, "ids": [1]},
    )
    sink = emarsys()
    for _ in range(2):
        with pytest.raises(BatchRefusedError) as raised:
            sent(sink, "C-1", "C-2")
        assert "ana@" not in f"{raised.value} {raised.value.request} {raised.value.remedy}"


def test_no_room_for_another_field_is_not_asked_for_again(server: HTTPServer, slept: list[float]) -> None:
    """9004 is the one refusal under a 500; whoever makes fields lets the reply through (contract 3.10)."""
    post = Script(server, "POST", "/field", refused(500, 9004, "No slots left"))
    http = Http("acme", server.url_for("/api/v3"), Unlimited())
    with pytest.raises(ConfigurationError, match="9004"):
        replies.accepted(http.request("POST", "field", body=b"{}", allow=(500,)))
    assert len(post.asked) == 1


def test_a_code_nobody_knows_is_for_a_developer(server: HTTPServer) -> None:
    Script(server, "GET", "/settings", refused(400, 777, "?"))
    http = Http("acme", server.url_for("/api/v3"), Unlimited())
    with pytest.raises(UnexpectedReplyError, match="777"):
        replies.data(http, "GET", "settings")


def test_the_same_code_means_something_else_elsewhere() -> None:
    """Key handling on status, code and endpoint (contract 2.1)."""
    assert codes.rule(400, "10001", "export").meaning is Meaning.LATER
    assert codes.rule(400, "10001", "contact").meaning is Meaning.FOREIGN
    assert codes.rule(202, "10001", "filter").meaning is Meaning.LATER
    assert codes.rule(400, "3001", "contactlist").meaning is Meaning.SETUP
    assert codes.rule(500, "3001", "contactlist").meaning is Meaning.TROUBLE
    assert codes.rule(500, "1003", "email").meaning is Meaning.TROUBLE
    assert codes.rule(400, "1003", "email").meaning is Meaning.REFUSED


# ------------------------------------------------------------------------------------------- of one record alone

ROW_CODES = ["2005", "2006", "2007", "2008", "2010", "2012"]


def customer(number: str) -> Customer:
    return Customer(key=f"usmf|{number}", account=number)


def sent(sink: Any, *numbers: str) -> Any:
    encode = sink.inlets["customer"].encode
    return sink.send("customer", [encode(customer(number), Known())[0] for number in numbers], "key")


@pytest.mark.parametrize("code", ROW_CODES)
def test_a_row_s_error_in_a_200_rejects_that_row_alone(server: HTTPServer, emarsys: Open, code: str) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": ["11"], "errors": {"C-2": {code: "field id: 3"}}})
    Script(server, "POST", "/contact/checkids", {"ids": {"C-1": "11"}})
    first, second = sent(emarsys(), "C-1", "C-2").results
    assert first.outcome is Outcome.ACCEPTED
    assert (second.outcome, second.code, second.field) == (Outcome.REJECTED, code, "email")
    assert len(put.asked) == 1


@pytest.mark.parametrize("code", ["2004", "2015"])
@pytest.mark.parametrize("filed", ["<NO_KEY_ID>", "C-1"])
def test_a_key_field_that_no_row_can_use_is_a_matter_of_setup(
    server: HTTPServer, emarsys: Open, code: str, filed: str
) -> None:
    Script(server, "PUT", "/contact/", {"ids": [], "errors": {filed: {code: "Invalid key field id: 100"}}})
    with pytest.raises(ConfigurationError) as raised:
        sent(emarsys(), "C-1", "C-2")
    assert "KEY_FIELD" in raised.value.remedy


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", [2005, 2007, 2008, 2009, 2010, 1000])
def test_a_whole_refusal_of_one_record_rejects_it(server: HTTPServer, emarsys: Open, status: int, code: int) -> None:
    Script(server, "PUT", "/contact/", refused(status, code, "whatever it says"))
    sink = emarsys()
    with pytest.raises(BatchRefusedError):
        sent(sink, "C-1", "C-2")
    (result,) = sent(sink, "C-1").results
    assert (result.outcome, result.code, result.message) == (Outcome.REJECTED, str(code), "whatever it says")


def test_a_race_that_repeats_itself_rejects_the_row(server: HTTPServer, emarsys: Open) -> None:
    race = {"ids": [], "errors": {"C-1": {"2009": "Contact with the external id already exists: 10569"}}}
    put = Script(server, "PUT", "/contact/", race)
    (result,) = sent(emarsys(), "C-1").results
    assert (result.outcome, result.code, len(put.asked)) == (Outcome.REJECTED, "2009", 2)


@pytest.mark.parametrize(
    "look_up",
    [
        lambda sink: sink.find("customer", [customer("C-1")]),
        lambda sink: sink.look("customer", ["usmf|C-1"]),
        lambda sink: sink.look("consent", ["usmf|C-1"]),
        lambda sink: [row for page in sink.fetch("consent", ["C-1"]) for row in page.rows],
    ],
)
@pytest.mark.parametrize("status", [200, 400, 404])
def test_nobody_is_an_answer_to_a_look_up(
    server: HTTPServer, emarsys: Open, look_up: Callable[[Any], Any], status: int
) -> None:
    Script(server, "POST", "/contact/getdata", refused(status, 2008, "No contact found"))
    assert not look_up(emarsys())


def test_a_plain_text_429_is_waited_for(server: HTTPServer, emarsys: Open, slept: list[float]) -> None:
    throttled = Response("Too Many Requests", 429, content_type="text/plain")
    put = Script(server, "PUT", "/contact/", throttled, {"ids": [1]})
    assert sent(emarsys(), "C-1").results[0].outcome is Outcome.ACCEPTED
    assert len(put.asked) == 2
    assert slept == [60.0]


def test_result_false_data_absent_and_errors_in_any_form_are_understood(server: HTTPServer, emarsys: Open) -> None:
    bare = Response(json.dumps({"replyCode": 0, "replyText": "OK"}), content_type="text/html; charset=utf-8")
    Script(server, "POST", "/contact/getdata", {"errors": [], "result": False}, {"errors": {}, "result": []}, bare)
    sink = emarsys()
    for _ in range(3):
        assert sink.look("customer", ["usmf|C-1"]) == {}


def test_a_wrong_answer_is_never_an_unknown_outcome_for_what_may_be_repeated(
    server: HTTPServer, emarsys: Open, slept: list[float]
) -> None:
    Script(server, "PUT", "/contact/", Response("", 502))
    sink = emarsys()
    encoded, _ = sink.inlets["consent"].encode(Consent(key="C-1", customer="C-1", given="no"), Known())
    with pytest.raises(UnavailableError) as raised:
        sink.send("consent", [encoded], "key")
    assert not isinstance(raised.value, UnknownOutcomeError)
