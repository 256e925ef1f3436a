"""Plan and apply: a plan decides what a sync would do and does nothing; applying it does exactly that."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.base import Effect
from sync import clock, pending, pipeline, plans
from sync.models import (
    CrossReference,
    Delivery,
    FeedItem,
    Flow,
    LedgerEntry,
    ProductFeed,
    RunPage,
    SyncIssue,
    SyncPlan,
    SyncPlanPage,
    SyncRun,
)
from sync.progress import keys
from tests.sync.conftest import Load, buckets, flow, in_thread, invoice, people, sync, worked
from tests.sync.plain_systems import connect

pytestmark = pytest.mark.django_db(transaction=True)


def plan(asked: Flow | None = None, seconds: float | None = None, **question: Any) -> SyncPlan:
    """A plan of the flow as it stands, made to its end."""
    asked = asked or flow()
    asked.refresh_from_db()
    found = plans.ask(asked, ring=False, **question)
    run = plans.making(found)
    assert run is not None
    while run.active:
        pipeline.work(run.pk, seconds)
        run.refresh_from_db()
    assert run.state == "completed", run.message
    found.refresh_from_db()
    return found


def apply(found: SyncPlan, user: Any = None) -> SyncRun:
    run = worked(plans.apply(found, user, ring=False))
    assert run.state == "completed", run.message
    found.refresh_from_db()
    return run


def person(name: str) -> Any:
    return get_user_model().objects.create_user(name)


def links() -> list[tuple[Any, ...]]:
    return list(
        CrossReference.objects.order_by("source_id").values_list(
            "source_id", "target_id", "state", "target_key", "raw_digest", "sent_digest"
        )
    )


def test_a_plan_says_what_would_happen_and_does_nothing(load: Load) -> None:
    control = load(people(5))
    found = plan()
    assert (found.state, found.counts, found.read) == ("ready", {"create": 5}, 5)
    assert found.examples[0]["fields"][0]["after"]
    assert control.writes() == []
    assert not control.contacts()
    untouched = (CrossReference, Delivery, SyncIssue, LedgerEntry, RunPage)
    assert [model.objects.count() for model in untouched] == [0] * 5
    assert flow().watermark == ""


def test_applying_it_does_what_a_sync_would(load: Load) -> None:
    control = load(people(5))
    found = plan()
    run = apply(found)
    assert (found.state, buckets(run), run.plan_id) == ("applied", {"accepted": 5}, found.pk)
    assert len(control.contacts()) == 5
    assert buckets(sync()) == {"unchanged": 5}


def test_a_change_shows_each_field_before_and_after(load: Load) -> None:
    control = load(people(4))
    sync()
    control.customer("C-2", PersonFirstName="Renamed", AddressCity="")
    found = plan(full=True)
    assert found.counts == {"change": 1, "unchanged": 3}
    assert found.fields["first_name"] == {"changed": 1, "blanked": 0}
    assert found.fields["city"] == {"changed": 1, "blanked": 1}
    [example] = found.examples
    told = {one["field"]: (one["before"], one["after"]) for one in example["fields"]}
    assert told["first_name"] == ("First2", "Renamed")


def test_what_changed_since_the_plan_is_named_and_not_sent(load: Load) -> None:
    control = load(people(4))
    sync()
    control.customer("C-1", PersonFirstName="Planned")
    control.customer("C-2", PersonFirstName="Planned")
    found = plan()
    control.customer("C-2", PersonFirstName="Later")
    control.customer("C-3", PersonFirstName="Later")
    run = apply(found)
    contacts = control.contacts()
    assert [contacts[f"C-{n}"]["1"] for n in (1, 2, 3)] == ["Planned", "First2", "First3"]
    assert found.outcome["changed"]["records"] == 2
    assert set(found.outcome["changed"]["examples"]) == set(keys(run, "kept_back"))
    assert run.findings["changed_since_plan"]["records"] == run.excluded == 2
    sync()
    contacts = control.contacts()
    assert [contacts[f"C-{n}"]["1"] for n in (1, 2, 3)] == ["Planned", "Later", "Later"]


def test_the_watermark_never_moves_over_what_was_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    apply(plan(asked))
    asked.refresh_from_db()
    before = asked.watermark
    assert before, "nothing was kept back"
    found = plan(asked)
    erp.rows = [{"key": "b", "account": "b"}]
    apply(found)
    asked.refresh_from_db()
    assert asked.watermark == before
    assert found.watermark_to != before
    assert [one["key"] for one in platform.sent] == ["a"]


def test_what_was_planned_and_is_not_met_again_is_named(load: Load) -> None:
    control = load(people(2))
    sync()
    control.customer("C-1", PersonFirstName="Planned")
    found = plan()
    control.customer("C-1", PersonFirstName="First1")
    run = apply(found)
    assert found.outcome["not_met"]["records"] == 1
    assert run.findings["planned_not_met"]["records"] == 1


def test_a_plan_of_named_records_touches_only_them(load: Load) -> None:
    control = load(people(3))
    name = "usmf|C-2"
    found = plan(ids=[name])
    assert found.counts == {"create": 1}
    apply(found)
    assert set(control.contacts()) == {"C-2"}
    assert flow().watermark == ""


def test_keys_that_wait_for_a_retry_stay_for_the_next_run(load: Load) -> None:
    load(people(3))
    sync()
    pending.note(flow(), ["usmf|C-1"], "retry")
    found = plan()
    assert found.counts == {} or set(found.counts) == {"unchanged"}
    apply(found)
    assert list(pending.due(flow())) == ["usmf|C-1"]


def test_sales_are_planned_with_their_money_and_sent_once(load: Load) -> None:
    control = load(
        people(1), [invoice("1", "C-1", ("A", "1", "10.00"), ("B", "2", "5.50")), invoice("2", "X", ("A", "1", "3"))]
    )
    sync()
    found = plan(flow("sale"))
    assert (found.money, found.counts["create"]) == ({"GBP": "15.50"}, 2)
    run = apply(found)
    assert len(control.sales()) == run.accepted == 2
    assert not LedgerEntry.objects.filter(state="accepted").exclude(amount__in=["10.00", "5.50"]).exists()


def test_a_sale_that_came_after_the_plan_is_neither_sent_nor_lost(load: Load) -> None:
    control = load(people(1), [invoice("1", "C-1", ("A", "1", "10.00"))])
    sync()
    found = plan(flow("sale"))
    control.line("1", 1, LineAmount=11.0)
    apply(found)
    assert control.sales() == []
    assert not LedgerEntry.objects.filter(state="sending").exists()
    sync("sale")
    assert len(control.sales()) == 1


def test_a_second_person_looks_at_a_dangerous_plan(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    asked, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    settings.SYNC = {**settings.SYNC, "PLAN_SECOND_LOOK": 1}
    erp.rows = [{"key": "a", "account": "a"}, {"key": "b", "account": "b"}]
    ann, bob = person("ann"), person("bob")
    found = plan(asked, user=ann)
    assert found.state == "second_look"
    assert "2 records" in found.dangers[0]
    with pytest.raises(plans.PlanError, match="second look"):
        plans.apply(found, ann, ring=False)
    with pytest.raises(plans.PlanError, match="second person"):
        plans.approve(found, ann)
    plans.approve(found, bob)
    with pytest.raises(plans.PlanError, match="somebody else"):
        plans.apply(found, bob, ring=False)
    assert platform.sent == []
    apply(found, ann)
    assert len(platform.sent) == 2


def test_records_that_are_gone_need_a_second_look_and_go_as_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}, {"key": "b", "account": "b"}]
    apply(plan(asked))
    erp.rows = [{"key": "a", "gone": "archived"}]
    found = plan(asked)
    assert (found.counts, found.state) == ({"deactivate": 1}, "second_look")
    assert not CrossReference.objects.filter(state="archived").exists()
    assert not SyncIssue.objects.exists()
    erp.rows.append({"key": "b", "gone": "archived"})
    plans.approve(found, person("bob"))
    run = apply(found)
    assert list(CrossReference.objects.filter(state="archived").values_list("source_id", flat=True)) == ["a"]
    assert list(SyncIssue.objects.filter(kind="archived_contactable").values_list("source_id", flat=True)) == ["a"]
    assert found.outcome["changed"]["examples"] == ["b"]
    assert buckets(run) == {"excluded": 2}


def test_a_plan_expires_with_time_and_with_the_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    old, other = plan(asked), plan(asked)
    SyncPlan.objects.filter(pk=old.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    with pytest.raises(plans.PlanError, match="expired"):
        plans.apply(old, ring=False)
    SyncPlan.objects.filter(pk=other.pk).update(mapping_version="of yesterday")
    run = worked(plans.apply(other, ring=False))
    other.refresh_from_db()
    assert (run.state, other.state, platform.sent) == ("failed", "expired", [])
    assert "mapping" in run.message
    assert not SyncIssue.objects.exists()


def test_a_stored_plan_that_was_altered_is_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    found = plan(asked)
    SyncPlanPage.objects.create(plan=found, number=99, records=SyncPlanPage.objects.get().records)
    run = worked(plans.apply(found, ring=False))
    assert run.state == "failed"
    assert "hash" in run.message
    assert platform.sent == []


def test_two_people_who_press_apply_at_once_make_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    found, made = plan(asked), []
    threads = [in_thread(lambda: made.append(plans.apply(found, ring=False).pk)) for _ in range(2)]
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert len(set(made)) == 1
    assert SyncRun.objects.filter(kind="sync").count() == 1


def test_a_preview_of_a_paused_flow_is_made_and_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    Flow.objects.filter(pk=asked.pk).update(paused_at=clock.now(), paused_note="until Monday.")
    erp.rows = [{"key": "a", "account": "a"}]
    found = plan(asked)
    with pytest.raises(plans.PlanError, match="paused: until Monday"):
        plans.apply(found, ring=False)


def test_a_run_that_failed_half_way_leaves_the_plan_to_be_applied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    found = plan(asked)
    run = plans.apply(found, ring=False)
    SyncRun.objects.filter(pk=run.pk).update(state="failed", message="Nobody answered.")
    assert apply(found).state == "completed"
    assert found.state == "applied"


def test_a_discarded_plan_is_not_applied_and_its_preview_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    found = plans.ask(asked, ring=False)
    assert plans.ask(asked, ring=False) == found, "one preview of a flow at a time"
    plans.discard(found)
    run = plans.making(found)
    assert run is not None
    assert run.state == "cancelled"
    with pytest.raises(plans.PlanError, match="discarded"):
        plans.apply(found, ring=False)


def test_a_preview_that_fails_says_so_on_the_plan_and_opens_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.expired = "old"
    Flow.objects.filter(pk=asked.pk).update(watermark="old")
    erp.rows = [{"key": "a", "account": "a"}]
    assert plan(asked).counts == {"create": 1}, "an expired token: everything is read"
    monkeypatch.setattr(erp, "read", refuse)
    asked.refresh_from_db()
    found = plans.ask(asked, ring=False)
    run = plans.making(found)
    assert run is not None
    assert worked(run).state == "failed"
    plans.tidy()
    found.refresh_from_db()
    assert found.state == "discarded"
    assert "no such table" in found.message
    assert not SyncIssue.objects.exists()


def refuse(*_: Any, **__: Any) -> Any:
    from connectors.errors import ConfigurationError

    raise ConfigurationError("There is no such table.", system="erp")


def article(key: str, name: str) -> dict[str, Any]:
    return {"key": key, "sku": key, "name": name}


def test_a_feed_is_planned_by_its_difference_and_published_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [article(f"p{n}", "Hat") for n in range(9)]
    assert plan(asked).counts == {"create": 9}
    assert not FeedItem.objects.exists()
    assert not ProductFeed.objects.exists()
    apply(plan(asked))
    assert FeedItem.objects.count() == 9
    erp.rows = [article("p0", "Cap"), *(article(f"p{n}", "Hat") for n in range(1, 8)), article("p9", "Tie")]
    found = plan(asked)
    assert found.counts == {"change": 1, "create": 1, "deactivate": 1, "unchanged": 7}
    assert found.read == 9
    assert found.fields == {"title": {"changed": 1, "blanked": 0}}
    erp.rows[0]["name"], erp.rows[1:3] = "Glove", [article("p1", "Hat")]
    plans.approve(found, person("bob"))
    apply(found)
    lines = dict(FeedItem.objects.values_list("source_id", "body"))
    assert (lines["p0"], lines["p9"]) == ("p0,Hat", "p9,Tie"), "an unplanned change keeps the line it had"
    assert set(lines) == {f"p{n}" for n in range(10)} - {"p8"}, "what was planned to go goes, and nothing else"


def test_another_feed_was_published_since(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [article("p0", "Hat")]
    found = plan(asked)
    apply(plan(asked))
    run = worked(plans.apply(found, ring=False))
    assert run.state == "failed"
    assert "feed" in run.message


def test_slices_and_pages_make_the_same_plan(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(40), DYNAMICS365_PAGE_SIZE="10")
    whole, sliced = plan(), plan(seconds=0)
    assert whole.counts == sliced.counts == {"create": 40}
    assert SyncPlanPage.objects.filter(plan=sliced).count() >= 1
    assert apply(sliced).accepted == 40


def test_a_page_of_a_plan_takes_as_many_queries_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def queries(number: int) -> int:
        erp.rows = [{"key": f"{number}-{n}", "account": f"{number}-{n}"} for n in range(number)]
        found = plans.ask(asked, ring=False)
        run = plans.making(found)
        assert run is not None
        with CaptureQueriesContext(connection) as asked_for:
            pipeline.work(run.pk)
        return len(asked_for)

    asked, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    queries(1)
    assert queries(3) == queries(300)


Edits = Mapping[str, str]
NAMES = st.sampled_from(["", "Ada", "Bob", "Cy"])
PEOPLE = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), NAMES)


def rows(found: Edits) -> list[dict[str, Any]]:
    return [{"key": key, "account": key, "first_name": name} for key, name in found.items()]


@settings(
    max_examples=3, phases=[Phase.generate], deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=PEOPLE, then=PEOPLE, later=PEOPLE)
def test_plan_and_apply_are_a_sync_and_nothing_else(first: Edits, then: Edits, later: Edits) -> None:
    """Random edits: with none between plan and application both ways end alike; those between are named, not sent."""
    ends = []
    for planned in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            CrossReference.objects.all().delete()
            Flow.objects.all().delete()
            asked, erp, platform = connect(patch, "customer", Effect.UPSERT)
            for state in (first, then):
                erp.rows = rows(state)
                if planned:
                    apply(plan(asked))
                else:
                    pipeline.work(started(asked).pk)
            ends.append((sorted(map(str, platform.sent)), sent_digests()))
            if planned:
                _nothing_unplanned(asked, erp, platform, {**first, **then}, later)
    assert ends[0] == ends[1]


def started(asked: Flow) -> SyncRun:
    from sync import runs

    asked.refresh_from_db()
    run = runs.start(asked, ring=False)
    assert run is not None
    return run


def sent_digests() -> list[tuple[Any, ...]]:
    return [one[:4] + one[4:] for one in links()]


def _nothing_unplanned(asked: Flow, erp: Any, platform: Any, there: Edits, later: Edits) -> None:
    found = plan(asked)
    before = len(platform.sent)
    erp.rows = rows({**there, **later})
    apply(found)
    new = {key for key, name in later.items() if there.get(key) != name}
    assert len(platform.sent) == before
    assert set(found.outcome["changed"]["examples"]) == new
