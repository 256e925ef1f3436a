"""A target that shows later what it has accepted: a comparison waits for it, and for nothing else."""

import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from sync import runs
from sync.models import CrossReference, SyncRun
from tests.sync.conftest import Control, Load, flow, in_thread, open_issues, people, sync, wait_until, worked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
LATE = 2
"""Seconds after which a write shows."""


@pytest.fixture
def control(load: Load, monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """Five customers, synced long ago, at a target that begins to be late."""
    control = load(people(5))
    sync()
    CrossReference.objects.update(last_synced_at=timezone.now() - timezone.timedelta(days=1))
    control("POST", "settings", {"emarsys_visible_seconds": LATE})
    monkeypatch.setitem(settings.SYNC, "GRACE_SECONDS", 3 * LATE)
    yield control
    control("POST", "settings", {"emarsys_visible_seconds": None})


def compared(**options: object) -> tuple[SyncRun, float]:
    began = time.monotonic()
    run = sync(kind="compare", **options)
    assert run.state == "completed", run.message
    return run, time.monotonic() - began


def changed(control: Control) -> None:
    """One customer moves, another is new, and both are sent."""
    control.customer("C-1", AddressCity="York")
    control("PUT", "dynamics365/customers/usmf%7CC-6", new(control))
    assert sync().accepted == 2


def new(control: Control) -> dict[str, object]:
    [one] = [one for one in control("GET", "dynamics365/customers") if one["CustomerAccount"] == "C-2"]
    return {**one, "CustomerAccount": "C-6", "PrimaryContactEmail": "person6@example.com"}


@pytest.mark.parametrize("apply", [True, False])
def test_what_does_not_show_yet_is_no_difference(control: Control, apply: bool) -> None:
    changed(control)
    run, seconds = compared(apply=apply)
    assert run.findings == {}
    assert open_issues() == set()
    assert seconds < 3 * LATE, "no longer than the target takes"
    control.forget_requests()
    assert sync().accepted == 0, "nothing is sent again"


def test_a_difference_that_lasts_is_named_when_the_grace_time_is_over(control: Control) -> None:
    changed(control)
    control("PATCH", f"emarsys/contacts/{control.contacts()['C-1']['id']}", {"11": "Old town"})
    control("DELETE", f"emarsys/contacts/{control.contacts()['C-6']['id']}")
    run, seconds = compared()
    assert open_issues() == {("field_drift", "usmf|C-1", "city"), ("missing_in_target", "usmf|C-6", "")}
    assert {kind: one["records"] for kind, one in run.findings.items()} == {"field_drift": 1, "missing_in_target": 1}
    assert seconds >= 2 * LATE


def test_nobody_waits_for_what_was_sent_long_ago(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.SYNC, "GRACE_SECONDS", 600)
    control("PATCH", f"emarsys/contacts/{control.contacts()['C-1']['id']}", {"11": "Old town"})
    _, seconds = compared()
    assert open_issues() == {("field_drift", "usmf|C-1", "city")}
    assert seconds < 60


def test_a_comparison_that_waits_can_be_cancelled(
    control: Control, monkeypatch: pytest.MonkeyPatch, django_user_model: type[User]
) -> None:
    monkeypatch.setitem(settings.SYNC, "GRACE_SECONDS", 600)
    changed(control)
    control("PATCH", f"emarsys/contacts/{control.contacts()['C-1']['id']}", {"11": "Old town"})
    control.forget_requests()
    run = runs.start(flow(), kind="compare", ring=False)
    assert run is not None
    working = in_thread(worked, SyncRun.objects.get(pk=run.pk))
    wait_until(lambda: len(control.requests("POST", "/getdata")) >= 2, 20)
    runs.cancel(run, django_user_model.objects.create_user("night-shift"))
    working.join(20)
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert open_issues() == set()


def test_a_new_contact_that_does_not_show_beside_a_refused_one_is_accepted(control: Control) -> None:
    control.customer("C-1", AddressCity="York")
    control("PUT", "dynamics365/customers/usmf%7CC-6", new(control))
    control.fault("partial", system="emarsys", method="PUT", path="contact", keys=["C-1"], message="Invalid value")
    run = sync()
    assert (run.accepted, run.rejected) == (1, 1)
    assert open_issues() == {("refused_by_target", "usmf|C-1", "contact")}
    assert CrossReference.objects.get(source_id="usmf|C-6").target_id == control.contacts()["C-6"]["id"]
