"""Texts too long for their column, NUL, half characters, endless amounts: one record stands alone, nothing stops."""

import json
from typing import Any

import pytest
from django.test import Client

from connectors.base import Effect, Notice
from sync import flows, inbox, issues, pending, tasks
from sync.models import (
    AttributionLink,
    CrossReference,
    EmarsysPurchase,
    FeedItem,
    Flow,
    InboxEvent,
    LedgerEntry,
    PendingKey,
    SyncIssue,
)
from sync.storage.fitting import cleaned, fitting_key
from tests.sync.conftest import buckets, open_issues
from tests.sync.plain_systems import connect
from tests.sync.test_other_ways import customers_flow, event, run

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "x" * 201
BAD = [LONG, "a\x00b"]


@pytest.mark.parametrize("key", BAD)
def test_a_customer_whose_key_does_not_fit_is_rejected_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": key, "account": "a"}, {"key": "b", "account": "b"}]
    assert buckets(run(flow)) == {"accepted": 1, "rejected": 1}
    assert [sent["key"] for sent in platform.sent] == ["b"]
    problem = SyncIssue.objects.get()
    assert (problem.kind, problem.field, problem.source_id) == ("does_not_fit", "key", fitting_key(key))
    assert buckets(run(flow)) == {"unchanged": 1, "rejected": 1}
    assert SyncIssue.objects.get().occurrences == 2, "the same record is the same exception"


@pytest.mark.parametrize("customer", BAD)
def test_an_event_whose_customer_does_not_fit_is_rejected(monkeypatch: pytest.MonkeyPatch, customer: str) -> None:
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    customers_flow(flow, c1="c1")
    erp.rows = [event("e1", customer), event("e2", "c1")]
    assert buckets(run(flow)) == {"accepted": 1, "rejected": 1}
    assert [sent["key"] for sent in platform.sent] == ["e2"]


@pytest.mark.parametrize(
    "wrong",
    [{"order": LONG}, {"campaign": "c" * 61}, {"treatment": "a\x00"}, {"channel": "c" * 31}, {"amount": "1e15"},
     {"amount": "NaN"}, {"amount": "-Infinity"}, {"contact": "c" * 61}],
)  # fmt: skip
def test_an_attribution_that_does_not_fit_is_an_exception_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    flow, erp, _ = connect(monkeypatch, "attribution", Effect.OBSERVE)
    Flow.objects.filter(pk=flow.pk).update(target=flows.CONSOLE)
    good = {"key": "SO-1|77|t1", "order": "SO-1", "campaign": "77", "treatment": "t1", "amount": "12.50"}
    erp.rows = [{**good, "key": "SO-2|77|t1", **wrong}, good]
    assert buckets(run(flow)) == {"accepted": 1, "rejected": 1}
    assert AttributionLink.objects.get().source_id == "SO-1|77|t1"
    assert {kind for kind, _, _ in open_issues()} == {"does_not_fit"}


def test_a_purchase_that_does_not_fit_is_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "purchase", Effect.OBSERVE)
    Flow.objects.filter(pk=flow.pk).update(target=flows.CONSOLE)
    good = {"key": "1", "order": "SO-1", "sku": "A", "quantity": "1", "amount": "2", "purchased_on": "2026-01-15"}
    erp.rows = [{**good, "key": "2", "sku": "s" * 121}, {**good, "key": "3", "quantity": "1e20"}, good]
    assert buckets(run(flow)) == {"accepted": 1, "rejected": 2}
    assert EmarsysPurchase.objects.get().source_id == "1"


@pytest.mark.parametrize(
    "wrong", [{"document": LONG}, {"line": "9" * 41}, {"sku": "s" * 121}, {"currency": "EURO"}, {"company": "c" * 21},
              {"amount": "1e14"}, {"quantity": "NaN"}, {"customer": "a\x00b"}, {"document_total": "1e15"}]
)  # fmt: skip
def test_a_sale_that_does_not_fit_is_an_exception_and_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    flow, erp, platform = connect(monkeypatch, "sale", Effect.ONCE)
    good = {"key": "u|I-1|1", "document": "I-1", "line": "1", "company": "u", "customer": "c", "account": "c",
            "sku": "A", "quantity": "1", "unit_price": "1", "amount": "1", "currency": "GBP",
            "sold_at": "2026-01-15T12:00:00Z", "document_total": "1"}  # fmt: skip
    erp.rows = [{**good, "key": "u|I-2|1", **wrong}, good]
    assert buckets(run(flow)) == {"accepted": 1, "rejected": 1}
    assert [sent["key"] for sent in platform.sent] == ["u|I-1|1"]
    assert LedgerEntry.objects.get().source_id == "u|I-1|1"
    assert ("does_not_fit", "u|I-2|1") in {(kind, key) for kind, key, _ in open_issues()}


def test_an_article_with_a_nul_in_its_line_is_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [{"key": "A", "sku": "A", "name": "a\x00b"}, {"key": "B", "sku": "B", "name": "Mug"}]
    assert buckets(run(flow)) == {"accepted": 1, "rejected": 1}
    assert FeedItem.objects.get().source_id == "B"


def test_an_exception_keeps_what_a_column_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, _, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    found = issues.Finding("k" * 50, "s" * 300, "f" * 100, "a\x00b\ud800", "v\x00" * 400, "w\udfff", "t" * 90,
                           {"row\x00": ["\x00", {"x": "\ud800"}]}, blocked_by="b" * 300, currency="EURO")  # fmt: skip
    twice = issues.Finding("k" * 50, "s" * 300, "f" * 100 + "g", target_id="t" * 90)
    assert issues.raise_all(flow, None, [found, twice]) == 1
    issues.raise_all(flow, None, [found])
    kept = SyncIssue.objects.get()
    assert (kept.occurrences, kept.message, kept.kind) == (2, "ab?", "k" * 40)
    assert kept.details == {"row": ["", {"x": "?"}]}


def test_a_target_id_or_key_that_does_not_fit_stops_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "k" * 190, "account": "a"}]  # the platform answers with id-<key>
    assert buckets(run(flow)) == {"accepted": 1}
    assert CrossReference.objects.get().target_id == fitting_key("id-" + "k" * 190, 60)


def test_resume_points_watermarks_and_versions_may_be_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    read = erp.read

    def long_tokens(stream: str, since: str, resume: str = "") -> Any:
        from dataclasses import replace

        for page in read(stream, since, resume):
            yield replace(page, resume="r" * 5_000, watermark="w" * 5_000)

    monkeypatch.setattr(erp, "read", long_tokens)
    run(flow)
    flow.refresh_from_db()
    assert flow.watermark == "w" * 5_000


def test_what_fits_is_itself_and_what_does_not_is_the_same_each_time() -> None:
    assert fitting_key("usmf|C-1") == "usmf|C-1"
    assert fitting_key(LONG) == fitting_key(LONG) != fitting_key(LONG + "y")
    assert max(len(fitting_key(one)) for one in [LONG, "\ud800" * 500, "\x00" * 999]) <= 200
    assert len(fitting_key("k" * 300, 60)) <= 60
    assert cleaned("a\x00\ud800z") == "a?z"


@pytest.fixture
def hooked(monkeypatch: pytest.MonkeyPatch) -> Flow:
    for name, value in {"CONNECTIONS": "dynamics365,emarsys", "DYNAMICS365_WEBHOOK_KEY": "k"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sync.runs.ring_for", lambda run_id: None)
    monkeypatch.setattr("sync.tasks.inbox_event.delay", lambda event_id: None)
    return Flow.objects.create(name="dynamics365.sale", source="dynamics365", stream="sale", target="emarsys",
                               entity="sale")  # fmt: skip


def post(body: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return Client().post("/hooks/dynamics365", data, content_type="application/json", headers={"X-Webhook-Key": "k"})


POSTED = {"BusinessEventId": "SalesInvoicePosted", "BusinessEventLegalEntity": "USMF", "EventId": "1",
          "InvoiceId": "CIV-1", "ControlNumber": 1}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"ControlNumber": 2**63}, {"ControlNumber": -(2**63) - 1}, {"ControlNumber": 10**400}, {"EventId": "e" * 5_000},
     {"EventId": "a\x00b"}, {"BusinessEventId": "SalesInvoice\x00"}, {"InvoiceId": "i" * 500},
     {"InvoiceId": "a\x00b"}, {"EventId": "\ud800"}, {"InvoiceId": "\udfff"}],
)  # fmt: skip
def test_a_message_with_impossible_values_is_kept_and_stops_no_other(hooked: Flow, wrong: dict[str, Any]) -> None:
    assert post({**POSTED, **wrong}).status_code == 202
    assert post({**POSTED, "EventId": "next"}).status_code == 202
    monkey = pytest.MonkeyPatch()
    monkey.setattr("sync.tasks.work.apply_async", lambda *args, **options: None)
    tasks.tick()
    monkey.undo()
    assert not InboxEvent.objects.filter(state="waiting").exists()
    assert "usmf|CIV-1" in PendingKey.objects.values_list("key", flat=True)


def test_whatever_a_connector_makes_of_a_message_the_next_one_is_handled(
    hooked: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = inbox._read

    def defective(connection: str, body: bytes, headers: Any) -> Any:
        if b'"EventId": "1"' in body:
            raise ZeroDivisionError
        return read(connection, body, headers)

    monkeypatch.setattr(inbox, "_read", defective)
    assert post(POSTED).status_code == 202, "kept all the same"
    post({**POSTED, "EventId": "2"})
    monkeypatch.setattr("sync.tasks.work.apply_async", lambda *args, **options: None)
    tasks.tick()
    assert sorted(InboxEvent.objects.values_list("state", flat=True)) == ["done", "unreadable"]


def test_keys_that_fit_no_column_are_not_asked_for(hooked: Flow) -> None:
    pending.note(hooked, [LONG, "a\x00b", "c"], "sweep")
    assert list(PendingKey.objects.values_list("key", flat=True)) == ["c"]


def test_a_notice_with_long_ids_that_begin_alike_is_two_messages(hooked: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    for end in "ab":
        monkeypatch.setattr(inbox, "_read", lambda *given, end=end: Notice("x" * 150 + end, {"sale": ["u|1"]}))
        inbox.receive("dynamics365", b"{}", {})
    assert InboxEvent.objects.count() == 2
