"""Merges undone and repeated, customers that go while their events wait, opt-outs after bare yeses, two ERPs."""

from collections.abc import Sequence
from typing import Any

import pytest

from connectors.base import Answer, Effect, Encoded, Outcome, Result
from connectors.errors import ExpiredWatermarkError
from sync import flows, holds, pipeline, runs, triage
from sync.models import CrossReference, Flow, PendingKey, SyncIssue, SyncRun
from tests.sync.conftest import buckets, open_issues
from tests.sync.plain_systems import Platform, connect
from tests.sync.test_other_ways import confirm, customers_flow, event, run

pytestmark = pytest.mark.django_db(transaction=True)


# ------------------------------------------------------------------------------------------------ events


@pytest.mark.parametrize("state", ["archived", "rejected", "superseded"])
def test_an_event_that_was_told_is_not_told_again_when_its_customer_comes_back(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    parent = customers_flow(flow, c1="c1")
    erp.rows = [event("e1", "c1")]
    run(flow)
    CrossReference.objects.filter(flow=parent).update(state=state)
    erp.rows = [event("e1", "c1", tracking_url="https://carrier.example/1")]
    assert buckets(run(flow)) == {"unchanged": 1}
    CrossReference.objects.filter(flow=parent).update(state="active")
    holds.release(parent)
    run(flow)
    assert [sent["key"] for sent in platform.sent] == ["e1"]
    assert open_issues() == set()


def test_an_event_of_a_merged_customer_reaches_the_one_that_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    parent = customers_flow(flow, a="a", b="b", c="c")
    a, b, c = (CrossReference.objects.get(flow=parent, source_id=key) for key in "abc")
    CrossReference.objects.filter(pk=a.pk).update(state="superseded", superseded_by=b)
    CrossReference.objects.filter(pk=b.pk).update(state="superseded", superseded_by=c)
    erp.rows = [event("e1", "a"), event("e2", "nobody")]
    assert buckets(run(flow)) == {"accepted": 1, "held": 1}
    assert [(sent["key"], sent["customer"], sent["account"]) for sent in platform.sent] == [("e1", "c", "c")]


def test_a_ring_of_merges_holds_the_event_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    parent = customers_flow(flow, a="a", b="b")
    a, b = (CrossReference.objects.get(flow=parent, source_id=key) for key in "ab")
    CrossReference.objects.filter(pk=a.pk).update(state="superseded", superseded_by=b)
    CrossReference.objects.filter(pk=b.pk).update(state="superseded", superseded_by=a)
    erp.rows = [event("e1", "a")]
    assert buckets(run(flow)) == {"held": 1}


def test_a_held_event_follows_when_its_customer_was_merged_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    parent = customers_flow(flow, b="b")
    erp.rows = [event("e1", "a")]
    run(flow)
    survivor = CrossReference.objects.get(source_id="b")
    CrossReference.objects.create(flow=parent, source_id="a", state="superseded", superseded_by=survivor)
    holds.release(parent)
    run(flow, keys_only=True)
    assert [sent["customer"] for sent in platform.sent] == ["b"]
    assert open_issues() == set()


def test_retry_of_what_waits_asks_for_what_waits(monkeypatch: pytest.MonkeyPatch, django_user_model: Any) -> None:
    flow, erp, _ = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    customers_flow(flow)
    erp.rows = [event("e1", "c1"), event("e2", "c1")]
    run(flow)
    triage.retry(SyncIssue.objects.get(), django_user_model.objects.create_user("ann"))
    assert set(PendingKey.objects.values_list("key", flat=True)) == {"e1", "e2"}
    run(flow, keys_only=True)
    assert SyncIssue.objects.get().state == "open"


def test_a_refused_event_goes_out_by_retry_under_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    customers_flow(flow, c1="c1")
    erp.rows = [event("e1", "c1")]
    send = platform.send
    monkeypatch.setattr(platform, "send", lambda inlet, batch, key: Answer([Result("e1", Outcome.REJECTED)]))
    assert buckets(run(flow)) == {"rejected": 1}
    assert CrossReference.objects.get(source_id="e1").state == "rejected"
    monkeypatch.setattr(platform, "send", send)
    assert buckets(run(flow)) == {"accepted": 1}
    assert open_issues() == set()


# ------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize("effect", [Effect.UPSERT, Effect.KEYED])
@pytest.mark.parametrize("outcome", [Outcome.RETRYABLE, Outcome.UNKNOWN, None])
def test_one_record_that_the_target_wants_later_waits_and_is_counted_once(
    monkeypatch: pytest.MonkeyPatch, effect: Effect, outcome: Outcome | None
) -> None:
    flow, erp, platform = connect(monkeypatch, "customer", effect)
    erp.rows = [{"key": "a", "account": "a"}, {"key": "b", "account": "b"}]
    send = platform.send

    def half(inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        monkeypatch.setattr(platform, "send", send)
        answer = send(inlet, [one for one in batch if one.key == "a"], key)
        return Answer([*answer.results, *([Result("b", outcome)] if outcome else [])])

    monkeypatch.setattr(platform, "send", half)
    started = runs.start(flow, ring=False)
    assert started is not None
    pipeline.work(started.pk)
    started.refresh_from_db()
    if outcome is None:
        assert started.state == "failed", "an answer about other records than were asked is none"
        started = run(flow)
    else:
        assert started.state == "waiting"
        SyncRun.objects.filter(pk=started.pk).update(wait_until=started.queued_at)
        pipeline.work(started.pk)
        started.refresh_from_db()
    assert (started.state, started.read, buckets(started)) == ("completed", 2, {"accepted": 1, "unchanged": 1})
    assert [sent["key"] for sent in platform.sent] == ["a", "b"]


# ------------------------------------------------------------------------------------------------ consent


def test_an_opt_out_goes_out_again_when_a_bare_yes_came_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer")
    customers_flow(flow, a="a")
    for given in ("no", "yes", "no", "", "no"):
        erp.rows = [{"key": "a", "customer": "a", "given": given}]
        run(flow)
    assert [sent["given"] for sent in platform.sent] == ["no", "no", "no"]


def test_a_conflict_is_asked_for_the_key_the_target_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer")
    customers_flow(flow, **{"usmf|1": "1"})
    platform.readable({"usmf|1": "no"})
    erp.rows = [{"key": "usmf|1|email", "customer": "usmf|1", "account": "1", "given": "yes"}]
    run(flow)
    assert open_issues() == {("consent_conflict", "usmf|1|email", "email")}


def test_an_opt_out_of_a_contact_follows_when_its_customer_is_known_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer", platform_first=True)
    parent = Flow.objects.create(name="erp.customer", source="erp", stream="customer", target="platform",
                                 entity="customer")  # fmt: skip
    erp.rows = [{"key": "C-1", "customer": "C-1", "given": "no"}, {"key": "C-2", "customer": "C-2", "given": "no"}]
    assert buckets(run(flow)) == {"excluded": 2}
    confirm(parent, **{"usmf|C-1": "C-1"})
    holds.release(parent)
    assert list(PendingKey.objects.values_list("key", flat=True)) == ["C-1"]
    run(flow, keys_only=True)
    assert [sent["customer"] for sent in platform.sent] == ["usmf|C-1"]
    holds.release(parent)
    assert not PendingKey.objects.exists()


def test_a_merge_is_told_once_though_consents_are_read_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "consent", Effect.UPSERT, after="customer")
    customers_flow(flow, a="a")
    erp.rows = [{"key": "a", "customer": "a", "given": "no"}]
    run(flow)
    erp.rows = [{"key": "a", "gone": "merged", "into": "b"}]
    assert buckets(run(flow)) == {"excluded": 1}
    assert open_issues() == set(), "the customers' flow tells it"


# ------------------------------------------------------------------------------------------------ merges


def customer(key: str, **values: str) -> dict[str, Any]:
    return {"key": key, "account": key, **values}


def merged(key: str, into: str) -> dict[str, Any]:
    return {"key": key, "gone": "merged", "into": into}


def test_a_merge_undone_and_done_again_is_a_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    for row in (customer("a"), merged("a", "b"), customer("a"), merged("a", "b")):
        erp.rows = [row, customer("b")]
        run(flow)
    assert not CrossReference.objects.filter(source_id="a").exclude(state="superseded").exists()
    assert open_issues() == {("merged_customer", "a", "contact")}


def test_chains_and_rings_of_merges_name_whoever_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [customer(key) for key in "abcd"]
    run(flow)
    erp.rows = [merged("b", "c")]
    run(flow)
    erp.rows = [merged("a", "b"), merged("d", "d")]  # b is gone already; d is its own survivor
    run(flow)
    a, d = (CrossReference.objects.get(source_id=key) for key in "ad")
    assert a.superseded_by is not None
    assert a.superseded_by.source_id == "b"
    assert a.superseded_by.superseded_by.source_id == "c"
    assert (d.state, d.superseded_by) == ("superseded", None)


def test_a_survivor_that_comes_later_is_known_then(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [customer("a")]
    run(flow)
    erp.rows = [merged("a", "z")]
    run(flow)
    assert CrossReference.objects.get(source_id="a").superseded_by is None
    erp.rows = [customer("z")]
    run(flow)
    survivor = CrossReference.objects.get(source_id="a").superseded_by
    assert survivor is not None
    assert survivor.source_id == "z"


# ------------------------------------------------------------------------------------------------ runs


def test_a_watermark_that_expires_again_and_again_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [customer("a")]
    read = erp.read

    def expiring(stream: str, since: str, resume: str = "") -> Any:
        from dataclasses import replace

        if resume:
            raise ExpiredWatermarkError("The token is too old.")
        for page in read(stream, since, resume):
            yield replace(page, watermark=None)
            yield page
        raise ExpiredWatermarkError("The token is too old.")

    monkeypatch.setattr(erp, "read", expiring)
    Flow.objects.filter(pk=flow.pk).update(watermark="w")
    flow.refresh_from_db()
    started = runs.start(flow, ring=False)
    assert started is not None
    for _ in range(10):
        pipeline.work(started.pk)
        started.refresh_from_db()
        if not started.active:
            break
    assert started.state == "failed"
    assert ("run_unexpected", "", "") in open_issues()


def test_a_keys_only_run_does_not_touch_an_expired_watermark(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows, erp.expired = [customer("a")], "old"
    Flow.objects.filter(pk=flow.pk).update(watermark="old")
    from sync import pending

    pending.note(flow, ["a"], "retry")
    assert buckets(run(flow, keys_only=True)) == {"accepted": 1}
    flow.refresh_from_db()
    assert (flow.watermark, erp.reads) == ("old", [])


# ------------------------------------------------------------------------------------------------ two ERPs


def second_erp(platform: Platform, first: Flow, *, key: str = "C-1") -> Flow:
    other = Flow.objects.create(name="other.customer", source="other", stream="customer", target=first.target,
                                entity="customer")  # fmt: skip
    CrossReference.objects.create(flow=other, source_id=key, target_id="id-9", target_key=key, state="active")
    return other


def test_a_number_that_another_erp_has_linked_is_contested_and_not_overwritten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    second_erp(platform, flow)
    erp.rows = [customer("C-1"), customer("C-2")]
    assert buckets(run(flow)) == {"accepted": 1, "rejected": 1}
    assert [sent["key"] for sent in platform.sent] == ["C-2"]
    assert open_issues() == {("contested_link", "C-1", "contact")}
    assert "other" in SyncIssue.objects.get().message


def test_each_flow_keeps_its_target_when_another_connection_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMA_URL", "https://prima.example/ws")
    monkeypatch.setenv("DATAVERSE_CONNECTOR", "dynamics365.dataverse")
    monkeypatch.setenv("CONNECTIONS", "prima,emarsys")
    flows.ensure()
    monkeypatch.setenv("CONNECTIONS", "dataverse,prima,emarsys")
    flows.ensure()
    flows.ensure()
    found = Flow.objects.filter(source="emarsys", stream="consent")
    assert dict(found.values_list("target", "name")) == {
        "prima": "emarsys.consent",
        "dataverse": "emarsys.consent.dataverse",
    }


def test_a_line_waits_for_the_customer_at_its_own_target(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "sale", Effect.ONCE)
    from dataclasses import replace

    erp.streams = {**erp.streams, "sale": replace(erp.streams["sale"], after="customer")}
    elsewhere = Flow.objects.create(name="erp.customer.else", source="erp", stream="customer", target="else",
                                    entity="customer")  # fmt: skip
    confirm(elsewhere, c="c")
    parent = customers_flow(flow)
    erp.rows = [{"key": "u|I-1|1", "document": "I-1", "line": "1", "company": "u", "customer": "c", "account": "c",
                 "sku": "A", "quantity": "1", "unit_price": "1", "amount": "1", "currency": "GBP",
                 "sold_at": "2026-01-15T12:00:00Z", "document_total": "1"}]  # fmt: skip
    assert buckets(run(flow)) == {"held": 1}
    confirm(parent, c="c")
    assert buckets(run(flow)) == {"accepted": 1}
