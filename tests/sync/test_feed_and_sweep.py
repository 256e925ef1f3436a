"""The feed never goes out empty, doubled or by halves; a sweep that learnt nothing says so."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.base import Change, Effect
from connectors.errors import UnavailableError
from sync import feeds, holds, issues, pending, pipeline, runs
from sync.models import CrossReference, FeedItem, Flow, PendingKey, ProductFeed, SyncIssue, SyncRun
from tests.sync.conftest import buckets, open_issues
from tests.sync.plain_systems import Erp, connect
from tests.sync.test_other_ways import _feed_password, confirm, customers_flow, event, fetched, product, run
from tests.sync.test_pipeline_customers import by_the_page

__all__ = ["_feed_password"]
pytestmark = pytest.mark.django_db(transaction=True)


def text(flow: Flow) -> str:
    return b"".join(fetched(flow).streaming_content).decode()


# ------------------------------------------------------------------------------------------------ the feed


@pytest.mark.usefixtures("_feed_password")
def test_an_empty_feed_never_goes_out_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    run(flow)
    assert fetched(flow).status_code == 401, "nothing is published"
    assert open_issues() == {("feed_shrunk", "", "feed")}
    erp.rows = [product("A-1")]
    run(flow)
    assert text(flow) == "item,title\nA-1,Mug\n"
    assert open_issues() == set()


@pytest.mark.usefixtures("_feed_password")
def test_a_version_that_was_refused_is_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(10)]
    run(flow)
    erp.rows = erp.rows[:5]
    for _ in range(3):
        flow.refresh_from_db()
        runs.resume(flow, None)  # the breaker stops the flow each time
        started = runs.start(flow, ring=False)
        assert started is not None
        pipeline.work(started.pk)
    assert ProductFeed.objects.filter(state="refused").count() == 1
    assert SyncIssue.objects.get(kind="feed_shrunk").occurrences == 3


@pytest.mark.usefixtures("_feed_password")
def test_one_item_number_of_two_companies_stands_once_in_the_file_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [
        {"key": "ussi|A-1", "sku": "A-1", "name": "Mug of ussi"},
        {"key": "usmf|A-1", "sku": "A-1", "name": "Mug of usmf"},
        {"key": "usmf|A-2", "sku": "A-2", "name": "Bowl"},
    ]
    assert buckets(run(flow)) == {"accepted": 3}
    assert text(flow) == "item,title\nusmf|A-1,Mug of usmf\nusmf|A-2,Bowl\n"
    assert fetched(flow).headers["X-Feed-Items"] == "2"
    assert open_issues() == {("duplicate_article", "ussi|A-1", "sku")}
    assert "usmf|A-1" in SyncIssue.objects.get().message
    run(flow)
    assert open_issues() == {("duplicate_article", "ussi|A-1", "sku")}, "a run that changes nothing closes nothing"
    erp.rows = erp.rows[1:]
    run(flow)
    assert open_issues() == set()


@pytest.mark.usefixtures("_feed_password")
def test_a_scan_killed_half_way_and_resumed_publishes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(10)]
    run(flow)
    _in_two_pages(monkeypatch, erp, breaks=True)
    started = runs.start(flow, ring=False)
    assert started is not None
    pipeline.work(started.pk)
    started.refresh_from_db()
    assert started.state == "waiting"
    assert fetched(flow).headers["X-Feed-Items"] == "10"
    _in_two_pages(monkeypatch, erp, breaks=False)
    SyncRun.objects.filter(pk=started.pk).update(wait_until=started.queued_at)
    pipeline.work(started.pk)
    started.refresh_from_db()
    assert started.state == "completed"
    assert fetched(flow).headers["X-Feed-Items"] == "10"
    assert open_issues() == set()


def _in_two_pages(monkeypatch: pytest.MonkeyPatch, erp: Erp, *, breaks: bool) -> None:
    import msgspec

    from connectors.base import Page

    def read(stream: str, since: str, resume: str = "") -> Iterator[Page]:
        rows = [msgspec.json.encode(row) for row in erp.rows]
        if not resume:
            yield Page(rows[:5], "half")
        if breaks:
            raise UnavailableError("The ERP went away.")
        yield Page(rows[5:], "end", watermark="w")

    monkeypatch.setattr(erp, "read", read)
    monkeypatch.setattr("sync.gathering.PATIENCE", 0.0)


@pytest.mark.usefixtures("_feed_password")
def test_a_run_of_single_articles_takes_none_of_the_others_away(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product("A-1"), product("A-2")]
    run(flow)
    erp.rows = [product("A-1", "Cup"), product("A-2")]
    pending.note(flow, ["A-1", "A-9"], "event")
    run(flow, keys_only=True)
    assert text(flow) == "item,title\nA-1,Cup\nA-2,Mug\n"
    assert buckets(run(flow)) == {"unchanged": 2}


@pytest.mark.usefixtures("_feed_password")
def test_a_worker_that_dies_between_forgetting_and_publishing_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(10)]
    run(flow)
    erp.rows = erp.rows[:9]
    publish = feeds._publish

    def dies(feed: ProductFeed) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(feeds, "_publish", dies)
    started = runs.start(flow, ring=False)
    assert started is not None
    with pytest.raises(KeyboardInterrupt):
        pipeline.work(started.pk)
    monkeypatch.setattr(feeds, "_publish", publish)
    SyncRun.objects.filter(pk=started.pk).update(lease_until=started.queued_at)
    pipeline.work(started.pk)
    assert fetched(flow).headers["X-Feed-Items"] == "9"


@pytest.mark.usefixtures("_feed_password")
def test_articles_that_come_as_changes_stay_until_they_are_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.streams = {name: replace(stream, change=Change.DELTA) for name, stream in erp.streams.items()}
    erp.rows = [product(f"A-{n}") for n in range(6)]
    run(flow)
    erp.rows = []
    run(flow)
    assert fetched(flow).headers["X-Feed-Items"] == "6", "nothing new is nothing gone"
    erp.rows = [product("A-1", "Cup"), {"key": "A-5", "gone": "deleted"}]
    assert buckets(run(flow)) == {"accepted": 1, "excluded": 1}
    assert "A-1,Cup" in text(flow)
    assert fetched(flow).headers["X-Feed-Items"] == "5"
    erp.rows = [product(f"A-{n}") for n in range(4)]
    run(flow, full=True)
    assert fetched(flow).headers["X-Feed-Items"] == "4", "read from the beginning, what is not there is gone"


@pytest.mark.usefixtures("_feed_password")
def test_an_article_that_is_no_longer_sold_leaves_at_once_when_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(6)]
    run(flow)
    erp.rows[0] = {"key": "A-0", "gone": "archived"}
    pending.note(flow, ["A-0"], "event")
    run(flow, keys_only=True)
    assert fetched(flow).headers["X-Feed-Items"] == "5"


def test_a_page_of_articles_costs_as_many_queries_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    counts = []
    for size in (10, 10, 2_000):  # the very first load is watched by fewer breakers
        FeedItem.objects.all().delete()
        ProductFeed.objects.all().delete()
        erp.rows = [product(f"A-{n}") for n in range(size)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            run(flow)
        counts.append(len(by_the_page(queries)))
    assert counts[2] <= counts[1] + 2


# ------------------------------------------------------------------------------------------------ the sweep


def swept(flow: Flow) -> SyncRun:
    started = runs.start(flow, ring=False, kind="sweep")
    assert started is not None
    pipeline.work(started.pk)
    started.refresh_from_db()
    return started


def test_a_source_that_lists_nothing_is_suspected_and_closes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": key, "account": key} for key in "abc"]
    run(flow)
    erp.rows = erp.rows[1:]
    run(flow, kind="sweep")
    assert open_issues() == {("gone_from_source", "a", "")}
    erp.rows = []
    done = swept(flow)
    assert done.state == "failed"
    assert "2" not in done.message or "3" in done.message
    assert {kind for kind, _, _ in open_issues()} == {"gone_from_source", "run_unexpected"}


def test_a_source_that_goes_away_in_the_middle_declares_nobody_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": key, "account": key} for key in "abc"]
    run(flow)

    def broken(stream: str) -> Iterator[Sequence[str]]:
        yield ["a"]
        raise UnavailableError("The ERP went away.")

    monkeypatch.setattr(erp, "keys", broken)
    done = swept(flow)
    assert done.state == "waiting"
    assert {kind for kind, _, _ in open_issues()} == {"run_unavailable"}


def test_a_closed_link_is_not_said_to_be_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": key, "account": key} for key in "ab"]
    run(flow)
    erp.rows = erp.rows[1:]
    run(flow, kind="sweep")
    CrossReference.objects.filter(source_id="a").update(state="archived")
    run(flow, kind="sweep")
    closed = SyncIssue.objects.get(kind="gone_from_source")
    assert closed.state == "resolved"
    assert "closed" in closed.resolution


def test_a_sweep_of_a_flow_that_never_ran_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    assert swept(flow).state == "completed"
    assert not PendingKey.objects.exists(), "its first run reads everything anyway"


def test_a_sweep_of_many_links_costs_few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    many = 10_000
    CrossReference.objects.bulk_create(
        [CrossReference(flow=flow, source_id=f"k{n}", target_id=str(n)) for n in range(many)], batch_size=5_000
    )
    monkeypatch.setattr(
        erp, "keys", lambda stream: ([f"k{n}" for n in range(start, start + 5_000)] for start in range(0, many, 5_000))
    )
    with CaptureQueriesContext(connection) as queries:
        done = swept(flow)
    assert (done.state, done.read, done.findings) == ("completed", many, {})
    assert len(queries) < 60


def test_hundreds_that_are_missing_or_gone_are_all_told(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    CrossReference.objects.bulk_create(
        [CrossReference(flow=flow, source_id=f"k{n}", target_id=str(n)) for n in range(600)]
    )
    monkeypatch.setattr(erp, "keys", lambda stream: iter([[f"k{n}" for n in range(300, 900)]]))
    found = swept(flow).findings
    assert {kind: one["records"] for kind, one in found.items()} == {"missed_by_cursor": 300, "gone_from_source": 300}
    assert PendingKey.objects.count() == SyncIssue.objects.count() == 300


def test_hundreds_of_customers_that_are_waited_for_are_hundreds_of_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    parent = customers_flow(flow)
    erp.rows = [event(f"e{n}", f"c{n}") for n in range(300)]
    assert buckets(run(flow)) == {"held": 300}
    assert SyncIssue.objects.filter(kind="held_for_parent").count() == 300
    confirm(parent, **{f"c{n}": f"c{n}" for n in range(300)})
    holds.release(parent)
    run(flow, keys_only=True)
    assert open_issues() == set()


def test_keys_with_half_characters_stop_no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    run(flow)
    monkeypatch.setattr(erp, "keys", lambda stream: iter([["a", "\ud800", "n\x00", "x" * 500, ""]]))
    assert swept(flow).state == "completed"


def test_who_is_left_out_by_a_rule_is_not_missed_each_night(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.base import Excluded, Mapped
    from connectors.records import Customer

    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}, {"key": "b", "account": "b"}]
    plain = erp._map
    internal = [True]

    def by_rule(row: bytes) -> Mapped:
        mapped = plain(row)
        record = mapped.record
        assert isinstance(record, Customer)
        return Mapped(Excluded("b", "internal", record)) if record.key == "b" and internal[0] else mapped

    erp.streams = {name: replace(stream, map=by_rule) for name, stream in erp.streams.items()}
    assert buckets(run(flow)) == {"accepted": 1, "excluded": 1}
    assert swept(flow).findings == {}
    assert not PendingKey.objects.exists()
    assert buckets(run(flow)) == {"unchanged": 1, "excluded": 1}, "still listed by the rule"
    internal[0] = False
    assert buckets(run(flow)) == {"accepted": 1, "unchanged": 1}
    assert [sent["key"] for sent in platform.sent] == ["a", "b"]


# ------------------------------------------------------------------------------------------------ comparisons


def test_a_comparison_closes_only_what_it_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, _, _ = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    issues.raise_all(flow, None, [issues.Finding("duplicate_in_target", "e1", "contact", "Refused.")])
    run(flow, kind="compare")
    assert open_issues() == {("duplicate_in_target", "e1", "contact")}


def test_contacts_of_another_erp_are_no_orphans(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.base import Observed

    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    run(flow)
    platform.readable({})
    monkeypatch.setattr(
        platform, "scan", lambda inlet: iter([[Observed(f"id-{key}", key, {}) for key in ("a", "theirs", "nobodys")]])
    )
    other = Flow.objects.create(name="other.customer", source="other", stream="customer", target=flow.target,
                                entity="customer")  # fmt: skip
    CrossReference.objects.create(flow=other, source_id="theirs", target_id="id-theirs", target_key="theirs")
    run(flow, kind="compare")
    assert set(SyncIssue.objects.values_list("kind", "target_id")) == {("orphan", "id-nobodys")}
