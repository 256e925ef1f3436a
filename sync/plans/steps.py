"""A plan's part of its runs: what is checked before the first page, and what is remembered after the last."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from sync import clock, runs
from sync.catalogue import RunState
from sync.flows import Route
from sync.models import SyncPlan, SyncPlanPage, SyncRun
from sync.models.plan import APPLIED, APPLYING, BUILDING, EXPIRED, READY, SECOND_LOOK
from sync.plans import pages, result
from sync.runs import Lease


class StalePlanError(Exception):
    """The plan may not be applied any more; its message says why."""


def is_preview(run: SyncRun) -> bool:
    return run.kind == "plan"


def begin(route: Route, run: SyncRun) -> None:
    """Before the first page. Raises StalePlanError where the world of the plan is not the run's."""
    plan = run.plan
    if plan is None:
        return
    base = result.published(route.flow)
    if is_preview(run):
        SyncPlan.objects.filter(pk=plan.pk).update(mapping_version=route.version[:200], base=base)
        return
    why = _stale(plan, route, base)
    if why and not run.pages:  # once it has begun, the feed may be its own
        SyncPlan.objects.filter(pk=plan.pk).update(state=EXPIRED, message=why)
        raise StalePlanError(f"{why} Nothing was sent. Make a new plan.")


def _stale(plan: SyncPlan, route: Route, base: str) -> str:
    if plan.mapping_version != route.version[:200]:
        return "The mapping has changed since the plan was made."
    if plan.base != base:
        return "Another feed was published since the plan was made."
    if pages.digest(plan) != plan.digest:
        return "The stored plan is not what was looked at: its records do not match its hash."
    return ""


def take_back(run: SyncRun, numbers: Sequence[int]) -> None:
    """A crash: what was decided after the resume point is decided again."""
    if is_preview(run):
        SyncPlanPage.objects.filter(plan=run.plan_id, number__in=numbers).delete()


def forget(run: SyncRun) -> None:
    """Everything is read again."""
    if is_preview(run):
        SyncPlanPage.objects.filter(plan=run.plan_id).delete()


def finish(route: Route, lease: Lease) -> None:
    """The end of a preview: the plan is added up, and may be applied or needs a second look."""
    run = lease.run
    assert run.plan is not None
    plan = SyncPlan.objects.select_related("flow").get(pk=run.plan.pk)
    result.plan_absent(route, run, plan)
    result.add_up(plan)
    now = clock.now()
    plan.read = sum(plan.counts.values()) - _absent(plan)
    plan.watermark_from, plan.watermark_to = run.watermark_from, run.watermark_to
    plan.built_at, plan.expires_at = now, now + timedelta(hours=settings.SYNC["PLAN_HOURS"])
    plan.state = SECOND_LOOK if plan.dangers else READY
    with transaction.atomic():
        runs.finish(lease, RunState.COMPLETED)
        if SyncPlan.objects.filter(pk=plan.pk, state=BUILDING).exists():
            plan.save()


def _absent(plan: SyncPlan) -> int:
    return sum(page.summary.get("absent", 0) for page in SyncPlanPage.objects.filter(plan=plan).defer("records"))


def applied(run: SyncRun) -> bool:
    """The end of a plan's application, within the transaction that ends its run. Says whether the watermark may
    move: never over a record that was kept back, nor from a moment that somebody chose."""
    plan = run.plan
    if plan is None:
        return True
    plan.outcome = result.outcome(run, plan)
    plan.state = APPLIED
    SyncPlan.objects.filter(pk=plan.pk, state=APPLYING).update(state=APPLIED, outcome=plan.outcome)
    found = {result.KIND: plan.outcome["changed"], "planned_not_met": plan.outcome["not_met"]}
    run.findings = {kind: told for kind, told in found.items() if told["records"]}
    SyncRun.objects.filter(pk=run.pk).update(findings=run.findings)
    return not plan.outcome["changed"]["records"] and not plan.since
