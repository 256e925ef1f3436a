"""External events (contract 4): one event a request, answers read row by row, and nothing attached is an alarm."""

import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.base import Effect, Known, Outcome
from connectors.emarsys.mapping.order_event import LONGEST_TRIGGER_ID, trigger_id
from connectors.errors import (
    BatchRefusedError,
    ConfigurationError,
    ConnectorError,
    RecordError,
    UnavailableError,
    UnknownOutcomeError,
)
from connectors.records import OrderEvent
from tests.connectors.conftest import Open, emarsys_of
from tests.connectors.test_emarsys_contacts import Script, anything, refused

REGISTRY = [
    {"id": "111", "name": "order_dispatched", "created": "2026-01-15 11:08:56"},
    {"id": 222, "name": "order_confirmed"},
]


def event(number: str = "C-1", name: str = "dispatched", **values: Any) -> OrderEvent:
    usual = {"key": f"usmf|SO-1|{name}|{number}", "order": "SO-1", "happened_at": datetime(2026, 1, 15, 10, tzinfo=UTC)}
    return OrderEvent(event=name, customer=f"usmf|{number}", account=number, **{**usual, **values})


def encoded(sink: Any, *events: OrderEvent) -> list[Any]:
    return [sink.inlets["order_event"].encode(one, Known())[0] for one in events]


def outcomes(answer: Any) -> list[tuple[str, str]]:
    return [(result.outcome.value, result.code) for result in answer.results]


def test_events_of_one_kind_are_triggered_in_one_request(server: HTTPServer, emarsys: Open) -> None:
    listed = Script(server, "GET", "/event", REGISTRY)
    trigger = Script(server, "POST", "/event/111/trigger", {"ids": ["11", "12"], "errors": []})
    sink = emarsys()
    batch = encoded(sink, event("C-1", values={"carrier": "DHL"}), event("C-2"))
    assert {one.group for one in batch} == {"order_dispatched"}
    answer = sink.send("order_event", batch, "key")
    assert outcomes(answer) == [("accepted", ""), ("accepted", "")]
    assert trigger.sent == [{
        "key_id": "10569",
        "contacts": [
            {"external_id": "C-1", "trigger_id": "usmf|SO-1|dispatched|C-1", "event_time": "2026-01-15T10:00:00Z",
             "data": {"global": {"order": "SO-1", "carrier": "DHL"}}},
            {"external_id": "C-2", "trigger_id": "usmf|SO-1|dispatched|C-2", "event_time": "2026-01-15T10:00:00Z",
             "data": {"global": {"order": "SO-1"}}},
        ],
    }]  # fmt: skip
    sink.send("order_event", encoded(sink, event()), "key")
    assert len(listed.asked) == 1
    assert sink.inlets["order_event"].effect is Effect.KEYED


def test_each_kind_has_its_own_request(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/event", REGISTRY)
    dispatched, confirmed = (Script(server, "POST", f"/event/{number}/trigger", {}) for number in (111, 222))
    sink = emarsys()
    batch = encoded(sink, event("C-1"), event("C-1", "confirmed"))
    for group in ("order_dispatched", "order_confirmed"):
        sink.send("order_event", [one for one in batch if one.group == group], "key")
    assert (len(dispatched.sent), len(confirmed.sent)) == (1, 1)
    assert confirmed.sent[0]["contacts"][0]["trigger_id"] == "usmf|SO-1|confirmed|C-1"


CONNECTED = {"connectedTo": {"email": True, "acProgram": False, "interactionsProgram": False}}


@pytest.mark.parametrize(
    "answer",
    [{}, "", [], {"ids": ["11"], "errors": []}, {"errors": []}, {"errors": {}}, {"ids": ["11"]}, CONNECTED,
     {**CONNECTED, "ids": ["11"], "errors": [], "warnings": ["slow"]},
     Response('{"replyCode":0,"replyText":"OK"}')],
)  # fmt: skip
def test_a_good_answer_comes_in_many_forms(server: HTTPServer, emarsys: Open, answer: Any) -> None:
    Script(server, "GET", "/event", REGISTRY)
    Script(server, "POST", "/event/111/trigger", answer)
    sink = emarsys()
    assert outcomes(sink.send("order_event", encoded(sink, event()), "key")) == [("accepted", "")]


def test_who_is_no_contact_is_rejected_alone(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/event", REGISTRY)
    errors = {"C-9": {"2008": "No contact found with the external id: 10569 - C-9"}}
    Script(server, "POST", "/event/111/trigger", {**CONNECTED, "ids": ["11"], "errors": errors})
    sink = emarsys()
    answer = sink.send("order_event", encoded(sink, event("C-1"), event("C-9"), event("C-9", key="other")), "key")
    assert outcomes(answer) == [("accepted", ""), ("rejected", "2008"), ("rejected", "2008")]


@pytest.mark.parametrize(
    "nothing",
    [{"connectedTo": False}, {"connectedTo": {"email": False, "acProgram": False}, "ids": ["11"], "errors": []},
     refused(400, 5005, "No program or campaign is triggered")],
)  # fmt: skip
def test_an_event_that_nothing_is_attached_to_is_named(server: HTTPServer, emarsys: Open, nothing: Any) -> None:
    Script(server, "GET", "/event", REGISTRY)
    trigger = Script(server, "POST", "/event/111/trigger", nothing)
    sink = emarsys()
    with pytest.raises(ConfigurationError, match="order_dispatched") as raised:
        sink.send("order_event", encoded(sink, event("C-1"), event("C-2")), "key")
    assert "Attach" in raised.value.remedy
    assert len(trigger.asked) == 1


def test_an_event_that_the_account_does_not_have_is_named(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/event", REGISTRY)
    sink = emarsys(EVENTS="dispatched=versandt")
    with pytest.raises(ConfigurationError, match="versandt"):
        sink.send("order_event", encoded(sink, event()), "key")


def test_an_event_id_that_is_gone_is_named(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/event", REGISTRY)
    body = json.dumps({"replyCode": 5001, "replyText": "Invalid event ID for customer."})  # without data
    Script(server, "POST", "/event/111/trigger", Response(body, 400))
    sink = emarsys()
    with pytest.raises(ConfigurationError, match="order_dispatched"):
        sink.send("order_event", encoded(sink, event()), "key")


@pytest.mark.parametrize("code", [2005, 2008, 2010, 2012, 5008, 5009, 5010, 5011])
def test_a_refused_request_is_halved_until_the_event_stands_alone(server: HTTPServer, emarsys: Open, code: int) -> None:
    Script(server, "GET", "/event", REGISTRY)
    Script(server, "POST", "/event/111/trigger", refused(400, code, "No"))
    sink = emarsys()
    with pytest.raises(BatchRefusedError):
        sink.send("order_event", encoded(sink, event("C-1"), event("C-2")), "key")
    assert outcomes(sink.send("order_event", encoded(sink, event("C-1")), "key")) == [("rejected", str(code))]


def test_an_error_without_a_name_is_narrowed_down(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/event", REGISTRY)
    Script(server, "POST", "/event/111/trigger", {"ids": [], "errors": {"<NO_KEY_ID>": {"2005": "No value"}}})
    sink = emarsys()
    with pytest.raises(BatchRefusedError):
        sink.send("order_event", encoded(sink, event("C-1"), event("C-2")), "key")
    assert outcomes(sink.send("order_event", encoded(sink, event("C-1")), "key")) == [("rejected", "2005")]


def test_repeating_after_a_lost_answer_sends_the_same_trigger_ids(
    server: HTTPServer, emarsys: Open, slept: list[float]
) -> None:
    Script(server, "GET", "/event", REGISTRY)
    trigger = Script(server, "POST", "/event/111/trigger", Response("", 502), {})
    sink = emarsys()
    assert sink.send("order_event", encoded(sink, event()), "key").results[0].outcome is Outcome.ACCEPTED
    assert len(trigger.sent) == 2
    assert trigger.sent[0] == trigger.sent[1]


CUT = Response(iter(["{"]), headers={"Content-Length": "500"})
BUSY = Response("", 429, {"Retry-After": "2"})


@pytest.mark.parametrize("answer", [Response("", 502), Response("<html>Back soon</html>"), CUT])
def test_events_that_got_no_answer_may_have_been_told_whatever_a_repeat_met(
    server: HTTPServer, emarsys: Open, slept: list[float], answer: Response
) -> None:
    Script(server, "GET", "/event", REGISTRY)
    trigger = Script(server, "POST", "/event/111/trigger", answer, BUSY)
    sink = emarsys()
    with pytest.raises(UnknownOutcomeError) as raised:
        sink.send("order_event", encoded(sink, event()), "key")
    assert len(trigger.sent) == 4
    assert raised.value.remedy
    trigger.answers = [BUSY]
    with pytest.raises(UnavailableError) as refused_for_now:
        sink.send("order_event", encoded(sink, event()), "key")
    assert not isinstance(refused_for_now.value, UnknownOutcomeError), "nothing was done"


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2026, 1, 15, 10, 0, 0, 999_999, tzinfo=UTC), "2026-01-15T10:00:00Z"),
        (datetime(2026, 1, 15, 15, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-01-15T10:00:00Z"),
        (datetime(987, 1, 15, 10, tzinfo=UTC), "0987-01-15T10:00:00Z"),
    ],
)
def test_moments_are_whole_seconds_of_utc(emarsys: Open, moment: datetime, written: str) -> None:
    (sent,) = encoded(emarsys(), event(happened_at=moment))
    assert json.loads(sent.body)["event_time"] == written


@pytest.mark.parametrize("moment", [datetime(2026, 1, 15, 10), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))])
def test_a_moment_that_cannot_be_told_refuses_the_event(emarsys: Open, moment: datetime) -> None:
    with pytest.raises(RecordError, match="moment"):
        encoded(emarsys(), event(happened_at=moment))


def test_an_event_mapped_to_nothing_is_not_sent(emarsys: Open) -> None:
    sink = emarsys(EVENTS="confirmed=,dispatched=order_dispatched")
    with pytest.raises(RecordError) as raised:
        encoded(sink, event(name="confirmed"))
    assert (raised.value.kind, raised.value.field) == ("event_not_mapped", "event")
    assert [one.group for one in encoded(sink, event(), event(name="cancelled"))] == [
        "order_dispatched",
        "order_cancelled",
    ]


@given(keys=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=400), unique=True, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_event_has_one_short_id_for_ever(keys: list[str]) -> None:
    ids = [trigger_id(key) for key in keys]
    assert len(set(ids)) == len(keys)
    assert all(len(one) <= LONGEST_TRIGGER_ID for one in ids)
    assert ids == [trigger_id(key) for key in keys]


def test_a_thousand_long_events_stay_below_a_megabyte(emarsys: Open) -> None:
    inlet = emarsys().inlets["order_event"]
    assert inlet.batch == 1000
    wrapping = len(b'{"key_id":"10569","contacts":[]}') + inlet.batch
    assert inlet.max_bytes + wrapping <= 1_000_000


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=anything | st.dictionaries(st.sampled_from(["ids", "errors", "connectedTo", "C-1"]), anything, max_size=3))
def test_no_reply_raises_anything_but_a_typed_error(server: HTTPServer, data: Any) -> None:
    server.clear()
    sink = emarsys_of(server)
    Script(server, "GET", "/event", REGISTRY)
    Script(server, "POST", "/event/111/trigger", data)
    with contextlib.suppress(ConnectorError):
        results = sink.send("order_event", encoded(sink, event("C-1"), event("C-2")), "key").results
        assert [result.key for result in results] == ["usmf|SO-1|dispatched|C-1", "usmf|SO-1|dispatched|C-2"]
    server.clear()
    sink = emarsys_of(server)
    Script(server, "GET", "/event", data)
    with contextlib.suppress(ConnectorError):
        sink.events()
