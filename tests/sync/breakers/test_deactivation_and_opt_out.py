"""People who would be archived or opted out in bulk: it waits for a person, and none of it is lost."""

import pytest

from connectors.base import Effect
from sync import breakers
from sync.models import Breaker, CrossReference, Flow, SyncIssue, SyncRun
from tests.sync.breakers.conftest import change, run, stopped_by
from tests.sync.conftest import open_issues, worked
from tests.sync.plain_systems import Erp, Platform, connect
from tests.sync.test_other_ways import confirm

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_mass_deactivation_closes_no_link(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    erp.rows[:30] = [{"key": f"c{n}", "gone": "archived"} for n in range(30)]
    assert run(flow).state == "failed"
    assert CrossReference.objects.filter(flow=flow, state="active").count() == 400
    assert open_issues() == {("breaker_tripped", "", "mass_deactivation")}
    done = worked(breakers.resume_once(flow, "mass_deactivation", None))
    assert (done.state, done.deactivations) == ("completed", 30)
    assert CrossReference.objects.filter(flow=flow, state="archived").count() == 30


def test_customers_put_on_hold_are_deactivated(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, platform = customers
    change(erp, 25, on_hold=True)
    assert run(flow).state == "failed"
    assert platform.sent == []
    assert stopped_by(flow).kind == "mass_deactivation"


def test_a_mass_opt_out_waits_and_none_of_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer")
    parent = Flow.objects.create(name="erp.customer", source="erp", stream="customer", target="platform",
                                 entity="customer")  # fmt: skip
    confirm(parent, **{f"c{n}": f"c{n}" for n in range(100)})
    erp.rows = [{"key": f"c{n}", "customer": f"c{n}", "given": "yes", "evidence": "form"} for n in range(100)]
    assert run(flow).accepted == 100
    platform.sent.clear()
    change(erp, 21, given="no")
    assert run(flow).state == "failed"
    assert platform.sent == []
    assert "were not opted out" in SyncIssue.objects.get(kind="breaker_tripped").message
    done = worked(breakers.resume_once(flow, "mass_opt_out", None))
    assert (done.state, done.opt_outs) == ("completed", 21)
    assert [one["given"] for one in platform.sent] == ["no"] * 21


def consents(monkeypatch: pytest.MonkeyPatch, number: int) -> tuple[Flow, Erp, Platform]:
    """Nobody's consent was passed on yet: the flow has no link of its own."""
    flow, erp, platform = connect(monkeypatch, "consent", Effect.UPSERT, after="customer")
    parent = Flow.objects.create(name="erp.customer", source="erp", stream="customer", target="platform",
                                 entity="customer")  # fmt: skip
    confirm(parent, **{f"c{n}": f"c{n}" for n in range(number)})
    erp.rows = [{"key": "nobody", "customer": "nobody", "given": "yes", "evidence": "form"}]
    assert run(flow).state == "completed"
    erp.rows = [{"key": f"c{n}", "customer": f"c{n}", "given": "no"} for n in range(30)]
    return flow, erp, platform


def test_the_share_of_opt_outs_is_of_all_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, _, _ = consents(monkeypatch, 500)
    assert run(flow).state == "failed"
    assert stopped_by(flow).cause["seen"] == "30 of 500 linked records would be opted out."
    breakers.resume_once(flow, "mass_opt_out", None)
    Breaker.objects.update(allowed_once=False)
    confirm(Flow.objects.get(name="erp.customer"), **{f"d{n}": f"d{n}" for n in range(100)})
    assert worked(SyncRun.objects.get(state="queued")).opt_outs == 30, "5 % of 600 may be"


def test_opt_outs_that_the_target_shows_already_trip_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come back from where a colleague has just allowed them."""
    flow, erp, platform = consents(monkeypatch, 30)
    platform.readable({f"c{n}": "no" for n in range(30)})
    done = run(flow)
    assert (done.state, done.opt_outs) == ("completed", 0)
    erp.rows = [{**row, "key": f"again-{row['key']}"} for row in erp.rows]
    platform.readable({f"c{n}": "no" if n < 5 else "yes" for n in range(30)})
    assert run(flow).state == "failed"
    assert stopped_by(flow).cause["numbers"]["seen"] == 25
