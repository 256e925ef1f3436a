"""What people do with plans: ask for one, look twice, apply it, or throw it away."""

from typing import Any

from django.db import transaction
from django.db.models import F

from sync import clock, flows, history, runs
from sync.catalogue import ACTIVE_RUNS, RunState
from sync.models import Flow, SyncPlan, SyncRun
from sync.models.plan import (
    APPLYING,
    APPROVED,
    BUILDING,
    DISCARDED,
    EXPIRED,
    READY,
    SECOND_LOOK,
    WAITING,
)
from sync.storage.fitting import storable

MOST_IDS = 10_000


class PlanError(Exception):
    """It cannot be done; the message says why, and what to do instead."""


def ask(
    flow: Flow,
    user: Any = None,
    *,
    full: bool = False,
    since: str = "",
    ids: list[str] | None = None,
    trigger: str = "preview",
    ring: bool = True,
) -> SyncPlan:
    """A plan that is being made; the one under way where there is one. Raises PlanError."""
    if flow.target == flows.CONSOLE:
        raise PlanError("Nothing of this flow is sent anywhere, so there is nothing to plan.")
    wanted = [key for key in dict.fromkeys(ids or []) if len(key) <= 200 and storable(key)]
    if len(wanted) > MOST_IDS:
        raise PlanError(f"A plan takes at most {MOST_IDS:,} ids; without ids it reads what changed.")
    with transaction.atomic():
        Flow.objects.select_for_update().get(pk=flow.pk)  # two people ask at the same moment
        under_way = runs.active(flow, "plan")
        if under_way is not None and under_way.plan is not None:
            return under_way.plan
        plan = SyncPlan.objects.create(
            flow=flow, asked_by=user, asked_at=clock.now(), full=full, since=since, ids=wanted
        )
        run = runs.start(
            flow, trigger=trigger, user=user, full=full, keys_only=bool(wanted), kind="plan", ring=ring, plan=plan
        )
        if run is None or run.plan_id != plan.pk:
            raise PlanError("A preview of this flow is under way already.")
        if since:
            SyncRun.objects.filter(pk=run.pk).update(watermark_from=since)
        history.record("ask for plan", plan, actor=user, after={"flow": flow.name, "full": full, "since": since})
    return plan


def making(plan: SyncPlan) -> SyncRun | None:
    """The run that makes it."""
    return plan.runs.filter(kind="plan").select_related("flow").order_by("-id").first()


def application(plan: SyncPlan) -> SyncRun | None:
    """The latest run that applies it."""
    return plan.runs.filter(kind="sync").select_related("flow").order_by("-id").first()


def may_approve(plan: SyncPlan, user: Any) -> str:
    """Why the person may not give the second look; empty when they may."""
    if plan.state != SECOND_LOOK:
        return "This plan needs no second look."
    if plan.asked_by_id is not None and plan.asked_by_id == user.pk:
        return "You asked for this plan: a second person looks at it."
    return ""


def approve(plan: SyncPlan, user: Any) -> None:
    """The second look. Raises PlanError for the person who asked for the plan."""
    tidy()
    with transaction.atomic():
        found = _locked(plan)
        if why := may_approve(found, user):
            raise PlanError(why if found.state in WAITING else _why_not(found))
        history.record("approve plan", found, actor=user, after={"hash": found.digest, "counts": found.counts})
        SyncPlan.objects.filter(pk=found.pk).update(state=APPROVED, approved_by=user, approved_at=clock.now())
    plan.refresh_from_db()


def apply(plan: SyncPlan, user: Any = None, *, trigger: str = "plan", ring: bool = True) -> SyncRun:
    """The run that applies the plan: one, whoever presses how often. Raises PlanError where it may not be applied."""
    tidy()
    with transaction.atomic():
        found = _locked(plan)
        under_way = application(found)
        if found.state == APPLYING and under_way is not None:
            return under_way
        _may_apply(found, user)
        flow = found.flow
        run = runs.start(
            flow,
            trigger=trigger,
            user=user,
            full=not found.watermark_from,
            keys_only=bool(found.ids),
            ring=ring,
            plan=found,
        )
        if run is None or run.plan_id != found.pk:
            raise PlanError("A run of this flow is under way: apply the plan when it has ended.")
        SyncRun.objects.filter(pk=run.pk).update(watermark_from=found.watermark_from)
        run.watermark_from = found.watermark_from
        SyncPlan.objects.filter(pk=found.pk).update(state=APPLYING, applied_by=user, applied_at=clock.now())
        history.record("apply plan", found, actor=user, after={"hash": found.digest, "counts": found.counts})
    plan.refresh_from_db()
    return run


def _may_apply(plan: SyncPlan, user: Any) -> None:
    if plan.state == SECOND_LOOK:
        raise PlanError("This plan needs a second look first: a person who did not ask for it approves it.")
    if plan.state not in (READY, APPROVED):
        raise PlanError(_why_not(plan))
    if plan.state == APPROVED and user is not None and plan.approved_by_id == user.pk:
        raise PlanError("You approved this plan: somebody else applies it.")
    if plan.flow.paused:
        raise PlanError(f"{plan.flow} is paused: {plan.flow.paused_note} Resume it, then apply the plan.")


def _why_not(plan: SyncPlan) -> str:
    said = {
        BUILDING: "This plan is still being made.",
        APPLYING: "This plan is being applied.",
        EXPIRED: "This plan has expired: what it saw may be different by now. Make a new one.",
        DISCARDED: "This plan was discarded.",
    }
    return said.get(plan.state, "This plan was applied already. Make a new one.")


def discard(plan: SyncPlan, user: Any = None) -> None:
    """It will not be applied; a preview under way stops. Raises PlanError once it is applied."""
    with transaction.atomic():
        found = _locked(plan)
        if found.state not in (*WAITING, BUILDING):
            raise PlanError(_why_not(found))
        history.record("discard plan", found, actor=user, before={"state": found.state})
        SyncPlan.objects.filter(pk=found.pk).update(state=DISCARDED, message="Discarded by a person.")
        run = making(found)
        if run is not None and run.active:
            runs.cancel(run, user)
    plan.refresh_from_db()


def _locked(plan: SyncPlan) -> SyncPlan:
    SyncPlan.objects.select_for_update().get(pk=plan.pk)
    return SyncPlan.objects.select_related("flow").get(pk=plan.pk)


def tidy() -> None:
    """Plans whose time is over expire; those whose run ended early are told so. Called by the tick, and before
    anybody decides on a plan."""
    now = clock.now()
    over = "Its time was over before it was applied."
    SyncPlan.objects.filter(state__in=WAITING, expires_at__lte=now).update(state=EXPIRED, message=over)
    ended = [state for state in RunState if state not in ACTIVE_RUNS]
    stopped = SyncRun.objects.filter(plan__state=BUILDING, kind="plan", state__in=ended).exclude(state="completed")
    for plan_id, state, message in stopped.values_list("plan_id", "state", "message"):
        said = message or f"The preview ended as {state}."
        SyncPlan.objects.filter(pk=plan_id or 0, state=BUILDING).update(state=DISCARDED, message=said)
    for plan in SyncPlan.objects.filter(state=APPLYING):
        last = application(plan)
        if last is not None and not last.active and last.state != RunState.COMPLETED:
            # What it sent is unchanged by now, and what is left may be applied.
            before = APPROVED if plan.approved_by_id else READY
            said = f"Run {last.pk} ended as {last.state}: {last.message}"
            SyncPlan.objects.filter(pk=plan.pk, state=APPLYING, applied_at=F("applied_at")).update(
                state=before, message=said
            )
