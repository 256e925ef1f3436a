"""Whether a plan may be applied: by whom, for how long, and what became of it meanwhile."""

from datetime import timedelta
from typing import Any

import pytest

from connectors.base import Effect
from sync import clock, plans
from sync.models import CrossReference, Flow, SyncIssue, SyncPlan, SyncPlanPage, SyncRun
from tests.sync.conftest import buckets, in_thread, worked
from tests.sync.plain_systems import connect
from tests.sync.plans.conftest import apply, person, plan

pytestmark = pytest.mark.django_db(transaction=True)


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
