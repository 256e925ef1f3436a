"""A customer that a rule keeps out takes its orders, events and status with it, and brings them back."""

from typing import Any

import pytest

from sync import pipeline, runs
from sync.models import CrossReference, Flow, LedgerEntry, PendingKey, SyncRun
from tests.sync.conftest import Control, buckets, open_issues
from tests.systems.conftest import World, sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def prima(world: World) -> Control:
    return world("prima", PRIMA_CONSENT_WRITE_BACK="yes")


def becomes(prima: Control, kind: str, customer: str = "C-1") -> None:
    prima("PATCH", f"prima/customers/{customer}", {"CustomerType": kind})


def released(name: str) -> SyncRun:
    """The short run that takes what waits to be looked at again."""
    run = SyncRun.objects.get(flow__name=name, state="queued")
    pipeline.work(run.pk)
    run.refresh_from_db()
    assert run.state == "completed", run.message
    return run


def link(customer: str = "C-1") -> CrossReference:
    return CrossReference.objects.get(flow__name="prima.customer", source_id=customer)


def lines(customer: str = "C-1") -> set[tuple[str, str]]:
    return set(LedgerEntry.objects.filter(customer=customer).values_list("state", "rule"))


def sold_to(prima: Control, customer: str) -> list[Any]:
    return [row for row in prima.sales() if row["customer"] == customer]


def test_what_belongs_to_an_excluded_customer_is_excluded_by_its_rule_and_comes_back_with_it(prima: Control) -> None:
    becomes(prima, "WHOLESALE")
    assert buckets(sync("prima.customer")) == {"accepted": 4, "excluded": 1}
    assert (link().state, link().rule) == ("excluded", "wholesale")
    sales = sync("prima.sale")
    assert sales.held == 0
    assert sales.excluded > 0
    assert lines() == {("excluded", "customer: wholesale")}
    assert sync("prima.order_event").held == 0
    theirs = CrossReference.objects.filter(target_key="C-1").exclude(flow__name="prima.customer")
    assert set(theirs.values_list("state", flat=True)) == {"excluded"}
    assert not sold_to(prima, "C-1")
    assert not {kind for kind, *_ in open_issues()} & {"held_for_parent"}
    sync("prima.customer", full=True)
    assert not PendingKey.objects.exists(), "an excluded customer releases nothing, however often it is read"

    becomes(prima, "RETAIL")
    sync("prima.customer")
    assert link().state == "active"
    assert released("prima.sale").excluded == 0
    assert {state for state, _ in lines()} == {"accepted"}
    assert sold_to(prima, "C-1")
    released("prima.order_event")
    assert not theirs.filter(state="excluded", flow__entity="order_event").exists()
    sync("prima.customer", full=True)
    assert not PendingKey.objects.filter(flow__entity="sale").exists(), "what came back is not released again"


def test_what_was_held_before_its_customer_was_known_to_be_excluded_is_excluded_then(prima: Control) -> None:
    becomes(prima, "WHOLESALE")
    assert sync("prima.sale").held > 0
    runs.resume(Flow.objects.get(name="prima.order_event"), None)
    assert sync("prima.order_event").held > 0
    sync("prima.customer")
    assert released("prima.sale").held == 0
    assert lines() == {("excluded", "customer: wholesale")}
    assert not open_issues() & {("held_for_parent", "C-1", "GBP")}
    released("prima.order_event")
    events = CrossReference.objects.filter(flow__entity="order_event", target_key="C-1")
    assert set(events.values_list("state", flat=True)) == {"excluded"}


def test_a_contact_of_a_customer_that_is_excluded_later_keeps_its_link_and_is_no_orphan(prima: Control) -> None:
    sync("prima.customer")
    contact = link().target_id
    becomes(prima, "WHOLESALE")
    sync("prima.customer")
    assert (link().state, link().target_id) == ("excluded", contact)
    sync("prima.sale")
    assert not sold_to(prima, "C-1"), "kept out from now on"
    compared = sync("prima.customer", kind="compare")
    assert "orphan" not in compared.findings
    assert "missing_in_source" not in compared.findings
    becomes(prima, "RETAIL")
    sync("prima.customer")
    assert (link().state, link().target_id) == ("active", contact)
    assert len(prima.all_contacts()) == 5


def test_the_consent_of_an_excluded_customer_whose_contact_is_there_waits_for_nothing(prima: Control) -> None:
    sync("prima.customer")
    CrossReference.objects.filter(flow__name="prima.customer", source_id="C-2").update(state="excluded", rule="b2b")
    sync("prima.consent")
    assert CrossReference.objects.get(flow__name="prima.consent", source_id__startswith="C-2|").state == "active"
    assert prima.contacts()["C-2"]["31"] == "2"
