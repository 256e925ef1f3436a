"""Plans made and applied to their end."""

from typing import Any

from django.contrib.auth import get_user_model

from sync import pipeline, plans
from sync.models import Flow, SyncPlan, SyncRun
from tests.sync.conftest import flow, worked


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
