"""Events once under their key, files whole, observed rows kept, links that wait, records that are gone."""

import base64
import gzip
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from connectors.base import Effect
from sync import feeds, flows, pending, pipeline, runs, tasks
from sync.models import (
    AttributionLink,
    AuditEvent,
    CrossReference,
    Flow,
    PendingKey,
    ProductFeed,
    SyncIssue,
    SyncRun,
)
from tests.sync.conftest import buckets, open_issues
from tests.sync.plain_systems import connect

pytestmark = pytest.mark.django_db(transaction=True)


def run(flow: Flow, **options: Any) -> SyncRun:
    flow.refresh_from_db()
    started = runs.start(flow, ring=False, **options)
    assert started is not None
    while started.active:
        pipeline.work(started.pk)
        started.refresh_from_db()
    assert started.state == "completed", started.message
    return started


def customers_flow(flow: Flow, **links: str) -> Flow:
    parent = Flow.objects.create(name=f"{flow.source}.customer", source=flow.source, stream="customer",
                                 target=flow.target, entity="customer")  # fmt: skip
    confirm(parent, **links)
    return parent


def confirm(parent: Flow, **links: str) -> None:
    for key, target_key in links.items():
        CrossReference.objects.create(flow=parent, source_id=key, target_id=f"id-{key}", target_key=target_key)


def event(key: str, customer: str, **values: str) -> dict[str, Any]:
    return {"key": key, "event": "dispatched", "customer": customer, "order": "SO-1",
            "happened_at": "2026-01-15T12:00:00Z", **values}  # fmt: skip


def test_an_event_goes_out_once_whatever_changes_about_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    customers_flow(flow, c1="c1")
    erp.rows = [event("e1", "c1")]
    assert buckets(run(flow)) == {"accepted": 1}
    erp.rows = [event("e1", "c1", tracking_url="https://carrier.example/1")]
    assert buckets(run(flow)) == {"unchanged": 1}
    pending.note(flow, ["e1"], "retry")
    run(flow, keys_only=True)
    assert [sent["key"] for sent in platform.sent] == ["e1"]


def test_what_waits_for_its_customer_is_one_exception_and_follows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    parent = customers_flow(flow)
    erp.rows = [event("e1", "c1"), event("e2", "c1")]
    assert buckets(run(flow)) == {"held": 2}
    waiting = SyncIssue.objects.get()
    assert (waiting.kind, waiting.source_id, waiting.records) == ("held_for_parent", "c1", 2)
    assert platform.sent == []

    confirm(parent, c1="c1")
    feeds_and_holds_after(parent)
    assert set(PendingKey.objects.values_list("key", flat=True)) == {"e1", "e2"}
    run(flow, keys_only=True)
    assert [sent["key"] for sent in platform.sent] == ["e1", "e2"]
    assert open_issues() == set()


def feeds_and_holds_after(parent: Flow) -> None:
    from sync import holds

    holds.release(parent)


def test_consent_from_the_platform_reaches_the_customer_behind_its_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer", platform_first=True)
    parent = Flow.objects.create(name="erp.customer", source="erp", stream="customer", target="platform",
                                 entity="customer")  # fmt: skip
    confirm(parent, **{"usmf|C-1": "C-1"})
    erp.rows = [{"key": "C-1", "customer": "C-1", "given": "no"}, {"key": "C-9", "customer": "C-9", "given": "no"}]
    assert buckets(run(flow)) == {"accepted": 1, "excluded": 1}
    assert [sent["customer"] for sent in platform.sent] == ["usmf|C-1"]


def test_a_bare_yes_lifts_no_opt_out_and_unknown_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer")
    customers_flow(flow, a="a", b="b", c="c", d="d")
    platform.readable({"a": "no", "b": "yes", "c": "no", "d": "no"})
    erp.rows = [
        {"key": "a", "customer": "a", "given": "yes"},
        {"key": "b", "customer": "b", "given": "yes"},
        {"key": "c", "customer": "c", "given": ""},
        {"key": "d", "customer": "d", "given": "yes", "evidence": "double opt-in 2026-01-02"},
    ]
    assert buckets(run(flow)) == {"accepted": 1, "excluded": 3}
    assert [sent["key"] for sent in platform.sent] == ["d"]
    assert open_issues() == {("consent_conflict", "a", "email")}

    erp.rows[0]["given"] = "no"
    run(flow)
    assert [sent["key"] for sent in platform.sent] == ["d", "a"]
    assert open_issues() == set()


def test_a_merged_customer_leaves_a_closed_link_and_an_exception_and_its_contact_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}, {"key": "b", "account": "b"}]
    run(flow)
    erp.rows = [{"key": "a", "gone": "merged", "into": "b"}, {"key": "b", "account": "b"}]
    assert buckets(run(flow)) == {"excluded": 1, "unchanged": 1}
    assert open_issues() == {("merged_customer", "a", "contact")}
    loser = CrossReference.objects.get(source_id="a")
    assert loser.state == "superseded"
    assert loser.superseded_by is not None
    assert loser.superseded_by.source_id == "b"
    assert len(platform.sent) == 2
    assert buckets(run(flow)) == {"unchanged": 2}, "told again, it is no news"

    erp.rows = [{"key": "a", "account": "a", "city": "Leeds"}, {"key": "b", "account": "b"}]
    run(flow)
    assert open_issues() == set(), "active again, it is a customer like any other"


def test_an_archived_customer_that_never_had_a_contact_is_nobodys_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "gone": "archived"}, {"key": "b", "gone": "deleted"}]
    assert buckets(run(flow)) == {"excluded": 2}
    assert open_issues() == set()


def test_an_expired_watermark_reads_everything_in_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    run(flow)
    flow.refresh_from_db()
    erp.expired = flow.watermark
    erp.rows.append({"key": "b", "account": "b"})
    again = run(flow)
    assert buckets(again) == {"accepted": 1, "unchanged": 1}
    assert again.full
    assert erp.reads == ["", "token-1", ""]
    flow.refresh_from_db()
    assert flow.watermark == "token-3"


def product(key: str, name: str = "Mug") -> dict[str, Any]:
    return {"key": key, "sku": key, "name": name}


def fetched(flow: Flow, password: str = "feed-password", **headers: str) -> Any:
    token = base64.b64encode(f"feed:{password}".encode()).decode()
    return Client().get(f"/feeds/{flow.name}.csv", headers={"Authorization": f"Basic {token}", **headers})


@pytest.fixture
def _feed_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS", "platform")
    monkeypatch.setenv("PLATFORM_CONNECTOR", "emarsys")
    monkeypatch.setenv("PLATFORM_FEED_PASSWORD", "feed-password")


@pytest.mark.usefixtures("_feed_password")
def test_the_feed_is_served_whole_and_only_to_who_knows_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    assert fetched(flow).status_code == 401, "nothing is published yet, which nobody without a password learns"
    erp.rows = [product("A-1"), product("A-2", "Bowl")]
    assert buckets(run(flow)) == {"accepted": 2}
    answer = fetched(flow)
    assert b"".join(answer.streaming_content) == b"item,title\nA-1,Mug\nA-2,Bowl\n"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    packed = fetched(flow, **{"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.content) == b"item,title\nA-1,Mug\nA-2,Bowl\n"
    assert fetched(flow, **{"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert fetched(flow, "wrong").status_code == 401
    assert Client().get(f"/feeds/{flow.name}.csv").status_code == 401

    assert buckets(run(flow)) == {"unchanged": 2}
    assert ProductFeed.objects.count() == 1, "nothing changed, so there is no new version"


@pytest.mark.usefixtures("_feed_password")
def test_a_feed_that_shrank_waits_for_a_person_and_the_old_one_is_served(
    monkeypatch: pytest.MonkeyPatch, django_user_model: Any
) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(10)]
    run(flow)
    erp.rows = erp.rows[:7]
    started = runs.start(flow, ring=False)
    assert started is not None
    pipeline.work(started.pk)
    assert Flow.objects.get(pk=flow.pk).paused
    assert open_issues() == {("feed_shrunk", "", "feed")}
    assert fetched(flow).headers["X-Feed-Items"] == "10"

    refused = ProductFeed.objects.get(state="refused")
    person = django_user_model.objects.create_user("ann")
    with pytest.raises(ValueError, match="why"):
        feeds.publish_anyway(refused, person, " ")
    feeds.publish_anyway(refused, person, "The summer range is over.")
    assert fetched(flow).headers["X-Feed-Items"] == "7"
    assert open_issues() == set()
    assert AuditEvent.objects.get(action="publish feed").reason == "The summer range is over."


@pytest.mark.usefixtures("_feed_password")
def test_a_feed_that_lost_a_fifth_exactly_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(10)]
    run(flow)
    erp.rows = erp.rows[:8]
    run(flow)
    assert fetched(flow).headers["X-Feed-Items"] == "8"
    assert open_issues() == set()


@pytest.mark.usefixtures("_feed_password")
def test_an_article_with_a_fault_keeps_the_line_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product("A-1"), product("A-2"), product("A-3")]
    run(flow)
    erp.rows = [product("A-1"), product("A-2", "unwritable"), {**product("A-3"), "bad": True}]
    assert buckets(run(flow)) == {"unchanged": 1, "rejected": 2}
    answer = fetched(flow)
    assert b"".join(answer.streaming_content) == b"item,title\nA-1,Mug\nA-2,Mug\nA-3,Mug\n"
    assert open_issues() == {("too_long", "A-2", "name"), ("missing_value", "A-3", "name")}


def test_what_emarsys_tells_about_orders_is_kept_once_and_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "attribution", Effect.OBSERVE)
    Flow.objects.filter(pk=flow.pk).update(target=flows.CONSOLE)
    link = {"key": "SO-1|77|t1", "order": "SO-1", "campaign": "77", "treatment": "t1", "amount": "12.50"}
    erp.rows = [link]
    run(flow)
    erp.rows = [{**link, "amount": "10.25"}]
    assert buckets(run(flow)) == {"accepted": 1}
    assert AttributionLink.objects.get().amount == Decimal("10.25")
    assert platform.sent == []


def test_the_sweep_finds_what_cursors_missed_and_names_what_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}, {"key": "b", "account": "b"}]
    run(flow)
    erp.rows = [{"key": "b", "account": "b"}, {"key": "c", "account": "c"}]
    swept = run(flow, kind="sweep")
    assert {kind: found["records"] for kind, found in swept.findings.items()} == {
        "missed_by_cursor": 1,
        "gone_from_source": 1,
    }
    assert open_issues() == {("gone_from_source", "a", "")}
    assert list(PendingKey.objects.values_list("key", "reason")) == [("c", "sweep")]
    run(flow, keys_only=True)
    assert [sent["key"] for sent in platform.sent] == ["a", "b", "c"]
    assert CrossReference.objects.get(source_id="a").state == "active", "absence deletes nothing"

    erp.rows.append({"key": "a", "account": "a"})
    run(flow, kind="sweep")
    assert open_issues() == set()


def test_once_a_night_keys_are_swept_and_everybodys_consent_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, *_ = connect(monkeypatch, "consent", Effect.UPSERT, after="customer", platform_first=True)
    Flow.objects.filter(pk=flow.pk).update(watermark="token-9")
    linked = customers_flow(flow, a="a")
    off = Flow.objects.create(name="other.customer", source="other", stream="customer", target="platform",
                              entity="customer", paused_at="2026-01-01T00:00:00Z")  # fmt: skip
    CrossReference.objects.create(flow=off, source_id="x", target_id="1")
    monkeypatch.setattr("sync.runs.ring_for", lambda run_id: None)
    for _ in range(2):  # two beats at once
        tasks.sweep_all()
    assert set(SyncRun.objects.values_list("flow", "kind", "full", "watermark_from")) == {
        (linked.pk, "sweep", False, ""),
        (flow.pk, "sync", True, ""),
    }
