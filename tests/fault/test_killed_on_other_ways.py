"""A worker killed while it tells events, writes consent or makes the feed: told once, written, never half published."""

import signal
from datetime import timedelta
from typing import Any

import pytest

from sync import clock, runs
from sync.models import CrossReference, Flow, OpenSend, ProductFeed, SyncRun
from tests.fault.conftest import Started
from tests.sync.conftest import Control, _small_tables_are_emptied_by_delete, buckets, goes_on, open_issues, worked
from tests.systems.conftest import World, emulated, sync, world
from tests.systems.test_dataverse_and_emarsys import guids

__all__ = ["_small_tables_are_emptied_by_delete", "emulated", "world"]
pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
POINTS = ["after_intent", "after_call", "after_remember", "before_completion", "after_completion"]


def killed_and_followed(start: Started, name: str, point: str) -> SyncRun:
    """The flow's run by a process that dies at `point`, and by another that goes on."""
    flow = Flow.objects.get(name=name)
    if flow.paused:
        runs.resume(flow, None)
    first = start("manage.py", "sync", name, SYNC_CRASHPOINT=point)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL, said
    second = start("manage.py", "sync", name)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    run = SyncRun.objects.filter(flow=flow).order_by("pk").last()
    assert run is not None
    assert (run.state, sum(buckets(run).values())) == ("completed", run.read)
    return run


def triggers(control: Control) -> list[str]:
    """Those that Emarsys acted on: a repeat under the same id is logged there and does nothing."""
    return [str(one["trigger_id"]) for one in control("GET", "emarsys/triggers") if not one["duplicate"]]


@pytest.mark.parametrize("point", POINTS)
def test_events_are_told_once(world: World, start: Started, point: str) -> None:
    control = world("dynamics365")
    sync("dynamics365.customer")
    killed_and_followed(start, "dynamics365.order_event", point)
    told = triggers(control)
    assert told
    assert len(told) == len(set(told))
    links = CrossReference.objects.filter(flow__name="dynamics365.order_event", state="active")
    assert set(links.values_list("source_id", flat=True)) == set(told)
    sync("dynamics365.order_event", full=True)
    assert triggers(control) == told


def test_an_event_whose_answer_was_lost_goes_out_again_under_its_key_and_counts_once(world: World) -> None:
    control = world("dynamics365")
    sync("dynamics365.customer")
    control.fault("drop_after_accept", system="emarsys", path="/event/.*trigger", times=1)
    flow = Flow.objects.get(name="dynamics365.order_event")
    runs.resume(flow, None)
    run = runs.start(flow, ring=False)
    assert run is not None
    from sync import pipeline

    for _ in range(5):
        pipeline.work(run.pk)
        SyncRun.objects.filter(pk=run.pk, state="waiting").update(wait_until=run.queued_at)
    run.refresh_from_db()
    assert (run.state, run.unknown, sum(buckets(run).values())) == ("completed", 0, run.read)
    told = triggers(control)
    assert told
    assert len(told) == len(set(told))
    assert len(control.requests("POST", "/trigger")) > 1
    assert open_issues() == set()


@pytest.mark.parametrize(
    "fault", [{"kind": "drop_after_accept"}, {"kind": "html"}, {"kind": "status", "code": 502}], ids=str
)
def test_an_event_without_an_answer_for_an_hour_is_not_told_a_second_time(world: World, fault: dict[str, Any]) -> None:
    """Emarsys has forgotten its key by then."""
    control = world("dynamics365")
    sync("dynamics365.customer")
    control.fault(**fault, system="emarsys", path="/event/.*trigger", times=0)
    flow = Flow.objects.get(name="dynamics365.order_event")
    runs.resume(flow, None)
    run = runs.start(flow, ring=False)
    assert run is not None
    assert worked(run).state == "waiting"
    sent = OpenSend.objects.count()
    assert sent
    control.heal()
    told = len(control("GET", "emarsys/triggers"))
    OpenSend.objects.update(first_sent_at=clock.now() - timedelta(minutes=61))
    run = goes_on(run)
    assert (run.state, run.unknown) == ("completed", sent)
    assert len(control("GET", "emarsys/triggers")) == told
    assert {kind for kind, _, _ in open_issues()} == {"unknown_event"}


@pytest.mark.parametrize("point", POINTS)
def test_an_opt_out_is_written(world: World, start: Started, point: str) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    ana = guids(control)["person1@example.com"]
    control("POST", "emarsys/unsubscribe", {"id": control.contacts()[ana]["id"]})
    killed_and_followed(start, "emarsys.consent", point)
    rows = {one["contactid"]: one for one in control("GET", "dataverse/contacts")}
    assert rows[ana]["donotbulkemail"] is True
    assert len(rows) == 5
    assert open_issues() == set()
    control.forget_requests()
    sync("emarsys.consent", full=True)
    assert control.requests("PATCH", "", system="dataverse") == []


@pytest.mark.parametrize("point", ["after_remember", "before_completion", "after_completion"])
def test_a_feed_is_published_whole_or_not_at_all(world: World, start: Started, point: str) -> None:
    world("dynamics365")
    killed_and_followed(start, "dynamics365.product", point)
    published = ProductFeed.objects.get(state="published")
    assert published.items == 2
    assert open_issues() == set()
