"""A backfill of events: who was told is not told again, and what the ERP has is not called missing."""

import pytest

from sync import backfills
from sync.models import CrossReference, Flow
from tests.sync.conftest import worked
from tests.systems.conftest import World, emulated, sync, world

__all__ = ["emulated", "world"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_that_is_pasted_is_found_and_its_event_is_not_told_again(world: World) -> None:
    control = world("dynamics365")
    sync("dynamics365.customer")
    assert sync("dynamics365.order_event").accepted == 1
    told = len(control.requests("POST", "/trigger"))
    asked = backfills.by_ids(Flow.objects.get(name="dynamics365.order_event"), "usmf|SO-1 usmf|SO-9")
    [event] = CrossReference.objects.filter(flow=asked.flow, state="active").values_list("source_id", flat=True)
    assert event.startswith("usmf|SO-1|dispatch|")
    [out] = asked.preview["taken_out"]
    assert (out["records"], list(out["ids"])) == (1, [event])
    assert "told already" in out["words"]
    assert list(asked.preview["unknown"]["ids"]) == ["usmf|SO-9"]
    assert any(note.startswith("1 id is an order: what was told of it stays out") for note in asked.preview["notes"])
    run = backfills.start(asked)
    assert run is not None
    run = worked(run)
    asked.refresh_from_db()
    assert (run.state, run.read, run.unchanged) == ("completed", 1, 1)
    assert (asked.missing, asked.missing_number) == (["usmf|SO-9"], 1)
    assert len(control.requests("POST", "/trigger")) == told


def test_an_order_with_its_event_names_the_event_once_and_another_order_that_begins_alike_is_none_of_it(
    world: World,
) -> None:
    world("dynamics365")
    sync("dynamics365.customer")
    sync("dynamics365.order_event")
    flow = Flow.objects.get(name="dynamics365.order_event")
    link = CrossReference.objects.get(flow=flow)
    CrossReference.objects.create(flow=flow, source_id="usmf|SO-12|confirmed", state="active")
    CrossReference.objects.create(flow=flow, source_id="usmf|SO-1|confirmed", state="held")
    asked = backfills.by_ids(flow, f"usmf|SO-1 {link.source_id}")
    assert [list(part["ids"]) for part in asked.preview["taken_out"]] == [[link.source_id]]
    assert (asked.number, asked.preview["unknown"]) == (1, None)


def test_an_order_without_its_company_is_the_one_that_is_known(world: World) -> None:
    world("dynamics365")
    sync("dynamics365.customer")
    sync("dynamics365.order_event")
    asked = backfills.by_ids(Flow.objects.get(name="dynamics365.order_event"), "SO-1")
    assert [part["records"] for part in asked.preview["taken_out"]] == [1]
    assert list(asked.preview["completed"]["ids"]) == ["SO-1 = usmf|SO-1"]
    run = backfills.start(asked)
    assert run is not None
    run = worked(run)
    asked.refresh_from_db()
    assert (run.state, run.unchanged, asked.missing) == ("completed", 1, [])
