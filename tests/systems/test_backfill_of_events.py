"""A backfill of events: who was told is not told again, and what the ERP has is not called missing."""

import pytest

from sync import backfills
from sync.models import Flow
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
    run = backfills.start(asked)
    assert run is not None
    run = worked(run)
    asked.refresh_from_db()
    assert (run.state, run.read, run.unchanged) == ("completed", 1, 1)
    assert (asked.missing, asked.missing_number) == (["usmf|SO-9"], 1)
    assert len(control.requests("POST", "/trigger")) == told
