"""Webhooks as senders really send them: without a length, in capitals, at the same moment, in production."""

import io
import json
from typing import Any

import pytest
from django.test import Client, RequestFactory, override_settings

from sync import inbox
from sync.models import Flow, InboxEvent, PendingKey
from sync.web.hooks import hook
from tests.sync.conftest import in_thread
from tests.sync.test_inbox import KEY, POSTED

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sales(monkeypatch: pytest.MonkeyPatch) -> Flow:
    for name, value in {
        "CONNECTIONS": "uk-finance,emarsys",
        "UK_FINANCE_CONNECTOR": "dynamics365.finance",
        "UK_FINANCE_WEBHOOK_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sync.runs.ring_for", lambda run_id: None)
    monkeypatch.setattr("sync.tasks.inbox_event.delay", lambda event_id: inbox.drain())
    return Flow.objects.create(name="uk-finance.sale", source="uk-finance", stream="sale", target="emarsys",
                               entity="sale")  # fmt: skip


def post(connection: str = "uk-finance", body: Any = POSTED, **options: Any) -> Any:
    return Client().post(
        f"/hooks/{connection}", json.dumps(body), content_type="application/json", headers={"X-Webhook-Key": KEY},
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("connection", ["uk-finance", "UK-Finance"])
def test_a_connection_is_meant_however_it_is_written(connection: str) -> None:
    assert post(connection).status_code == 202
    assert InboxEvent.objects.get().connection == "uk-finance"
    assert PendingKey.objects.count() == 1


@pytest.mark.parametrize("length", ["", None, "many", "-5"])
def test_a_message_that_does_not_say_how_long_it_is_is_refused_not_taken_for_empty(length: str | None) -> None:
    request = RequestFactory().post("/hooks/uk-finance", b"", "application/json", headers={"X-Webhook-Key": KEY})
    request.META.pop("CONTENT_LENGTH", None)
    if length is not None:
        request.META["CONTENT_LENGTH"] = length
    request.META["HTTP_TRANSFER_ENCODING"] = "chunked"
    request._stream = io.BytesIO(json.dumps(POSTED).encode())
    assert hook(request, "uk-finance").status_code == 411
    assert not InboxEvent.objects.exists()


def test_a_message_that_says_it_is_longer_than_allowed_is_not_read() -> None:
    request = RequestFactory().post("/hooks/uk-finance", b"{}", "application/json", headers={"X-Webhook-Key": KEY})
    request.META["CONTENT_LENGTH"] = "9" * 5_000
    assert hook(request, "uk-finance").status_code == 413


def test_the_same_message_ten_times_at_once_is_one_row_and_nine_repeats() -> None:
    answers: list[int] = []
    threads = [in_thread(lambda: answers.append(post().status_code)) for _ in range(10)]
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [200] * 9 + [202]
    assert InboxEvent.objects.get().repeats == 9
    assert PendingKey.objects.count() == 1


def test_a_thousand_messages_are_kept_and_asked_for_once_each() -> None:
    for number in range(1_000):
        inbox.receive("uk-finance", json.dumps({**POSTED, "EventId": str(number)}).encode(), {})
    inbox.drain()
    assert set(InboxEvent.objects.values_list("state", flat=True)) == {"done"}
    assert PendingKey.objects.count() == 1


@override_settings(DEBUG=False, SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["console.example"], CSRF_COOKIE_SECURE=True)
def test_production_takes_messages_over_https_at_its_own_name_without_a_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    said = {"data": json.dumps(POSTED), "content_type": "application/json"}
    headers = {"X-Webhook-Key": KEY, "Host": "console.example"}
    answer = client.post("/hooks/uk-finance", secure=True, headers=headers, **said)
    assert answer.status_code == 202
    assert client.post("/hooks/uk-finance", headers=headers, **said).status_code == 301
    elsewhere = client.post("/hooks/uk-finance", secure=True, headers={**headers, "Host": "evil.example"}, **said)
    assert elsewhere.status_code == 400


def test_neither_key_nor_person_is_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(event_id: int) -> None:
        raise ConnectionError(f"amqp://user:{KEY}@broker")

    monkeypatch.setattr("sync.tasks.inbox_event.delay", down)
    Client().post(
        f"/hooks/uk-finance?code={KEY}", json.dumps({**POSTED, "Email": "ann@example.com"}),
        content_type="application/json",
    )  # fmt: skip
    Client().post(f"/hooks/nobody?code={KEY}", "{}", content_type="application/json")
    Client().post("/hooks/uk-finance?code=wrong-key-wrong", "{}", content_type="application/json")
    assert InboxEvent.objects.count() == 1
    for secret in (KEY, "ann@example.com", "wrong-key-wrong"):
        assert secret not in caplog.text
