"""A worker killed while it makes a plan, or applies one: the plan is whole, and done once."""

import signal

import pytest

from sync.models import SyncPlan, SyncRun
from tests.fault.conftest import Started
from tests.sync.conftest import Load, buckets, people

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
PAGES = {"DYNAMICS365_PAGE_SIZE": "12", "EMARSYS_CONTACT_BATCH": "10"}
"""A request holds less than a page: a worker may die between two resume points."""


def killed_and_followed(start: Started, point: str, *command: str) -> None:
    """A process that dies at `point`, and another that goes on."""
    first = start("manage.py", *command, SYNC_CRASHPOINT=point)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL, said
    second = start("manage.py", *command)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said


@pytest.mark.parametrize("point", ["after_remember", "after_remember:2", "after_remember:3"])
def test_a_preview_whose_worker_was_killed_plans_every_record(load: Load, start: Started, point: str) -> None:
    control = load(people(36), **PAGES)
    killed_and_followed(start, point, "sync", "dynamics365.customer", "--dry-run")
    plan = SyncPlan.objects.get()
    assert (plan.state, plan.counts, plan.read) == ("ready", {"create": 36}, 36)
    assert control.writes() == []


@pytest.mark.parametrize("point", ["after_intent", "after_call:2", "after_remember:2", "before_completion"])
def test_a_plan_whose_worker_was_killed_is_applied_to_its_end(load: Load, start: Started, point: str) -> None:
    control = load(people(36), **PAGES)
    assert start("manage.py", "sync", "dynamics365.customer", "--dry-run").wait(60) == 0
    control.customer("C-7", AddressCity="York")
    plan = SyncPlan.objects.get()
    first = start("manage.py", "apply", str(plan.pk), SYNC_CRASHPOINT=point)
    first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL
    assert start("manage.py", "apply", str(plan.pk)).wait(60) == 0
    plan.refresh_from_db()
    run = SyncRun.objects.get(kind="sync")
    assert (plan.state, run.state, run.read, sum(buckets(run).values())) == ("applied", "completed", 36, 36)
    assert plan.outcome["changed"]["records"] == 1
    assert "C-7" not in control.contacts()
    assert len(control.all_contacts()) == 35
