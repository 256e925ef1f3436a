"""Who resumes allows what stopped the flow, once; limits are changed with a trace."""

from typing import Any

import pytest

from sync import breakers, clock, runs
from sync.models import AuditEvent, Flow
from tests.sync.breakers.conftest import change, run, stopped_by
from tests.sync.plain_systems import Erp, Platform

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_what_stops_the_flow_can_be_resumed(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    with pytest.raises(breakers.NotTrippedError):
        breakers.resume_once(flow, "mass_change", None)
    change(erp, 400)
    run(flow)
    with pytest.raises(breakers.NotTrippedError):
        breakers.resume_once(flow, "error_rate", None)
    breakers.keep_paused(flow, None, "Asked the ERP team")
    assert Flow.objects.get(pk=flow.pk).paused_note == "Asked the ERP team"
    breakers.resume_once(flow, "mass_change", None)
    with pytest.raises(breakers.NotTrippedError):
        breakers.resume_once(flow, "mass_change", None)
    assert AuditEvent.objects.filter(action="resume and allow once").count() == 1


def test_a_limit_that_is_changed_is_in_the_trail(customers: tuple[Flow, Erp, Platform], admin_user: Any) -> None:
    flow, erp, _ = customers
    breakers.edit(flow, "mass_change", on=False, percent=20, minimum=100, user=admin_user)
    breakers.edit(flow, "mass_change", on=False, percent=20, minimum=100, user=admin_user)
    [event] = AuditEvent.objects.filter(action="change breaker")
    assert (event.actor_name, event.after) == ("admin", {"kind": "mass_change", "on": False})
    change(erp, 400)
    assert run(flow).state == "completed", "it is off"


def test_the_date_of_a_pause_resumes_no_flow_that_a_breaker_stopped(
    customers: tuple[Flow, Erp, Platform], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody pauses while the page is read that trips; when the date comes, a person has still to look."""
    flow, erp, platform = customers
    change(erp, 400)
    reads = erp.read

    def read(*asked: Any) -> Any:
        runs.pause(Flow.objects.get(pk=flow.pk), "Lunch", None, clock.now())
        return reads(*asked)

    monkeypatch.setattr(erp, "read", read)
    assert run(flow).state == "failed"
    assert platform.sent == []
    assert runs.resume_in_time() == []
    assert stopped_by(flow).kind == "mass_change"
