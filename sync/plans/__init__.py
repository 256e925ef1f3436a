"""Plan and apply: what a sync would do is decided by the sync itself, looked at, and done exactly so or named."""

from sync.models import SyncRun
from sync.plans.applying import Applying
from sync.plans.building import Building
from sync.plans.desk import PlanError, application, apply, approve, ask, discard, making, may_approve, tidy
from sync.plans.result import planned, spare_absent
from sync.plans.steps import StalePlanError, applied, begin, finish, forget, is_preview, take_back
from sync.slices import Slice


def slice_of(run: SyncRun) -> type[Slice]:
    """How the pages of this run are worked on."""
    if run.plan_id is None:
        return Slice
    return Building if is_preview(run) else Applying


__all__ = [
    "PlanError",
    "StalePlanError",
    "application",
    "applied",
    "apply",
    "approve",
    "ask",
    "begin",
    "discard",
    "finish",
    "forget",
    "is_preview",
    "making",
    "may_approve",
    "planned",
    "slice_of",
    "spare_absent",
    "take_back",
    "tidy",
]
