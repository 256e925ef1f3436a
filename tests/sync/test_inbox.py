"""Webhooks: kept before they are answered, looked at after; a message is a trigger, never data."""

import base64
import json
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory

from sync import inbox, tasks
from sync.models import Flow, InboxEvent, PendingKey, SyncRun
from sync.web.hooks import hook
from tests.sync.conftest import Load, emulators, load, people, sync, worked

__all__ = ["emulators", "load"]
pytestmark = pytest.mark.django_db(transaction=True)
KEY = "a-webhook-key"
POSTED = {
    "BusinessEventId": "SalesInvoicePostedBusinessEvent",
    "BusinessEventLegalEntity": "USMF",
    "ControlNumber": 5637985363,
    "EventId": "9C091AF1-5BAF-4CA9-B0A4-94D6E59A0D1C",
    "EventTime": "/Date(1772452800000)/",
    "EventTimeIso8601": "2026-03-02T12:00:00.3440655Z",
    "InvoiceAccount": "C-1001",
    "InvoiceId": "CIV-000777",
    "SalesOrderId": "000123",
}


@pytest.fixture(autouse=True)
def sales(monkeypatch: pytest.MonkeyPatch) -> Flow:
    for name, value in {"CONNECTIONS": "dynamics365,emarsys", "DYNAMICS365_WEBHOOK_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sync.runs.ring_for", lambda run_id: None)
    monkeypatch.setattr("sync.tasks.inbox_event.delay", lambda event_id: inbox.drain())
    return Flow.objects.create(
        name="dynamics365.sale", source="dynamics365", stream="sale", target="emarsys", entity="sale"
    )


def post(body: Any = POSTED, connection: str = "dynamics365", path: str = "", **headers: str) -> Any:
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    given = headers or {"X-Webhook-Key": KEY}
    return Client().post(f"/hooks/{connection}{path}", data, content_type="application/json", headers=given)


def test_an_event_of_the_erp_makes_its_record_be_read_again(sales: Flow) -> None:
    answer = post()
    assert answer.status_code == 202
    assert list(PendingKey.objects.values_list("flow__name", "key", "reason", "urgent")) == [
        ("dynamics365.sale", "usmf|CIV-000777", "event", True)
    ]
    assert SyncRun.objects.get().keys_only, "a short run of its own takes it"
    event = InboxEvent.objects.get()
    assert (event.state, event.kind, event.order) == ("done", "SalesInvoicePostedBusinessEvent", 5637985363)


def test_a_repeat_is_counted_and_does_nothing(sales: Flow) -> None:
    post()
    PendingKey.objects.all().delete()
    again = post({**POSTED, "EventTime": "/Date(1772452800001)/"})
    assert again.status_code == 200
    assert again.json()["status"] == "repeat"
    assert InboxEvent.objects.get().repeats == 1
    assert not PendingKey.objects.exists()


def test_an_id_that_comes_again_for_another_record_is_a_message_of_its_own(sales: Flow) -> None:
    other = {**POSTED, "InvoiceId": "CIV-000778"}
    assert [post().status_code, post(other).status_code] == [202, 202]
    assert set(PendingKey.objects.values_list("key", flat=True)) == {"usmf|CIV-000777", "usmf|CIV-000778"}
    first, second = InboxEvent.objects.order_by("pk")
    assert (second.state, second.message) == (
        "done", f"It names other records than an earlier message with the same id (message {first.pk})."
    )  # fmt: skip
    assert [post().status_code, post(other).status_code] == [200, 200]
    assert list(InboxEvent.objects.order_by("pk").values_list("repeats", flat=True)) == [1, 1]


def test_a_message_that_came_incomplete_is_not_kept() -> None:
    """Its connection broke: sent again as a whole, it is the first of its kind."""
    data = json.dumps(POSTED).encode()
    asked = RequestFactory().post("/hooks/dynamics365", data, "application/json", headers={"X-Webhook-Key": KEY})
    cut = WSGIRequest({**asked.environ, "wsgi.input": BytesIO(data[:-20])})
    assert hook(cut, "dynamics365").status_code == 400
    assert not InboxEvent.objects.exists()
    assert post().status_code == 202


def test_a_key_that_no_record_can_have_is_ignored(sales: Flow) -> None:
    assert post({**POSTED, "InvoiceId": "C" * 300}).status_code == 202
    event = InboxEvent.objects.get()
    assert (event.state, event.message) == ("ignored", "It names no record of a flow that runs here.")
    assert not PendingKey.objects.exists()


def test_a_message_about_a_record_that_is_not_there_says_so(load: Load) -> None:
    load(people(3))
    sync()
    changed = {"BusinessEventId": "CustomerChangedBusinessEvent", "BusinessEventLegalEntity": "USMF"}
    for number, account in enumerate(("C-1", "C-99"), 1):
        post({**changed, "EventId": f"e{number}", "CustomerAccount": account})
    worked(SyncRun.objects.get(state="queued"))
    assert dict(InboxEvent.objects.values_list("event_id", "message")) == {
        "e1": "", "e2": "Nothing was found under usmf|C-99 when dynamics365.customer read it.",
    }  # fmt: skip
    assert not PendingKey.objects.exists()


def test_an_event_that_comes_after_a_newer_one_is_read_all_the_same_and_marked(sales: Flow) -> None:
    post({**POSTED, "EventId": "second", "ControlNumber": 20})
    post({**POSTED, "EventId": "first", "ControlNumber": 10})
    assert dict(InboxEvent.objects.values_list("event_id", "late")) == {"second": False, "first": True}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Webhook-Key": KEY},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": "Basic " + base64.b64encode(f"d365:{KEY}".encode()).decode()},
    ],
)
def test_the_key_may_come_in_each_usual_way(headers: dict[str, str]) -> None:
    assert post(**headers).status_code == 202


def test_senders_that_can_set_no_header_may_put_the_key_into_the_address() -> None:
    assert post(path=f"?code={KEY}", **{"X-Other": "1"}).status_code == 202


@pytest.mark.parametrize(
    "headers", [{"X-Webhook-Key": "wrong"}, {"X-Other": "1"}, {"Authorization": "Basic !!!"}, {"X-Webhook-Key": "ä"}]
)
def test_without_the_key_nobody_learns_what_there_is(headers: dict[str, str]) -> None:
    known, unknown = post(**headers), post(connection="nobody", **headers)
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (404, {"error": "not found"})
    assert not InboxEvent.objects.exists()


def test_a_connection_without_a_key_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMICS365_WEBHOOK_KEY", "")
    assert post(**{"X-Webhook-Key": ""}).status_code == 404


def test_only_a_post_is_a_message() -> None:
    assert Client().get("/hooks/dynamics365", headers={"X-Webhook-Key": KEY}).status_code == 405


def test_a_message_beyond_the_limit_is_refused_and_not_kept() -> None:
    assert post(b"x" * 1_000_001).status_code == 413
    assert not InboxEvent.objects.exists()


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe", b"[]", b"{}", b"null", b"[" * 100_000, b'{"EventId": 1e999}'])
def test_what_cannot_be_read_is_kept_and_says_so(body: bytes) -> None:
    assert post(body).status_code == 202
    event = InboxEvent.objects.get()
    assert event.state in ("unreadable", "ignored")
    assert event.message
    assert not PendingKey.objects.exists()


def test_a_test_message_is_answered_and_ignored() -> None:
    test = {"BusinessEventId": "BusinessEventsTestEndpointContract", "ControlNumber": -(2**63), "EventId": "test"}
    assert post({**POSTED, **test}).status_code == 202
    assert InboxEvent.objects.get().state == "ignored"
    assert not PendingKey.objects.exists()


def test_a_paused_flow_keeps_the_key_and_starts_nothing(sales: Flow) -> None:
    from sync import runs

    runs.pause(sales, "Month end", None)
    post()
    assert PendingKey.objects.count() == 1
    assert not SyncRun.objects.exists()


def test_a_message_whose_task_was_lost_is_handled_by_the_next_tick(
    sales: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.tasks.inbox_event.delay", lambda event_id: None)
    post()
    assert not PendingKey.objects.exists()
    monkeypatch.setattr("sync.tasks.work.apply_async", lambda *args, **options: None)
    tasks.tick()
    assert PendingKey.objects.count() == 1


def test_a_body_is_purged_with_the_other_payloads(sales: Flow) -> None:
    from datetime import timedelta

    from sync import retention

    post()
    InboxEvent.objects.update(received_at=InboxEvent.objects.get().received_at - timedelta(days=31))
    retention.purge()
    assert InboxEvent.objects.get().body is None
    assert InboxEvent.objects.get().keys == {"sale": ["usmf|CIV-000777"]}
