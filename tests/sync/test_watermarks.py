"""A watermark moves forward with completed runs, and back by a person only: previewed, audited, undone."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import clock, runs, watermarks
from sync.models import AuditEvent, Flow, SyncRun, WatermarkMove
from tests.admin import desk_records
from tests.admin.desk_records import person
from tests.sync.conftest import Load, buckets, flow, invoice, people, sync, wait_until, worked
from tests.sync.conftest import in_thread as beside

pytestmark = pytest.mark.django_db


def at(watermark: str) -> Flow:
    found = desk_records.flow("sale")
    Flow.objects.filter(pk=found.pk).update(watermark=watermark)
    found.refresh_from_db()
    return found


@pytest.mark.parametrize(
    ("now", "to", "after"),
    [
        ("2026-11-20", "2026-11-21", "2026-11-21"),
        ("2026-11-20", "2026-11-19", "2026-11-20"),
        ("2026-11-20T10:00:00Z", "2026-11-20T11:30:00+02:00", "2026-11-20T10:00:00Z"),
        ("2026-11-20", "", "2026-11-20"),
        ("", "2026-11-20", "2026-11-20"),
        ("token-9", "token-1", "token-1"),  # tokens tell no time
    ],
)
def test_a_run_moves_it_forward_only(now: str, to: str, after: str) -> None:
    found = at(now)
    watermarks.advance(found, to)
    found.refresh_from_db()
    assert found.watermark == after


@given(st.dates(), st.dates())
def test_days_are_compared_as_days(now: Any, to: Any) -> None:
    assert watermarks.goes_back(now.isoformat(), to.isoformat()) == (to < now)


def test_a_reset_is_previewed_audited_and_undone() -> None:
    found = at("2026-11-20")
    for number in range(1, 4):
        desk_records.line(number, flow=found)
    planned = watermarks.preview(found, "")
    assert (planned.records, planned.after) == (3, "")
    assert watermarks.preview(found, "2020-01-01T12:00").after == "2020-01-01", "as the source writes it"
    assert watermarks.preview(found, "2020-01-01").records == 0
    found.refresh_from_db()
    assert found.watermark == "2026-11-20", "a preview changes nothing"
    watermarks.reset(found, "", person("admin"), "prices were wrong", planned.before)
    found.refresh_from_db()
    assert (found.watermark, WatermarkMove.objects.get().before) == ("", "2026-11-20")
    watermarks.undo(found, person("admin"))
    found.refresh_from_db()
    assert (found.watermark, watermarks.undoable(found)) == ("2026-11-20", None)
    told = AuditEvent.objects.filter(object_type="flow").order_by("pk").values_list("action", "actor_name", "reason")
    assert list(told) == [
        ("reset watermark", "admin", "prices were wrong"),
        ("undo watermark reset", "admin", "prices were wrong"),
    ]
    with pytest.raises(watermarks.NotMovedError, match="nothing to undo"):
        watermarks.undo(found, None)


@pytest.mark.parametrize(
    ("now", "to", "reason", "seen", "said"),
    [
        ("2026-11-20", "2026-11-21", "x", None, "is not before"),
        ("2026-11-20", "last week", "x", None, "is no day or time"),
        ("token-9", "2026-11-19", "x", None, "only be reset to the beginning"),
        ("", "", "x", None, "has no watermark"),
        ("2026-11-20", "2026-11-19", " ", None, "Say why"),
        ("2026-11-20", "2026-11-19", "x", "2026-11-18", "has moved since"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(now: str, to: str, reason: str, seen: str | None, said: str) -> None:
    found = at(now)
    with pytest.raises(watermarks.NotMovedError, match=said):
        watermarks.reset(found, to, None, reason, seen)
    found.refresh_from_db()
    assert (found.watermark, AuditEvent.objects.count()) == (now, 0)


def test_while_a_run_is_active_nothing_is_moved() -> None:
    found = at("2026-11-20")
    SyncRun.objects.create(flow=found, state="running")
    with pytest.raises(watermarks.NotMovedError, match="is active"):
        watermarks.reset(found, "", None, "why")


def test_after_a_reset_everything_is_read_again_and_nothing_is_sent_twice(load: Load) -> None:
    control = load(people(2), [invoice("SO-1", "C-1", ("A", "1", "1.00"), day="2026-03-05")])
    sync()
    sync("sale")
    stale = flow("sale")
    watermarks.reset(flow("sale"), "", None, "a look at everything")
    run = runs.start(stale, ring=False)  # whoever holds an older copy of the flow
    assert run is not None
    assert (run.watermark_from, buckets(worked(run))) == ("", {"unchanged": 1})
    assert (flow("sale").watermark, len(control.sales())) == ("2026-03-05", 1)


def test_a_run_is_cancelled_within_its_page_before_the_next_request(load: Load, settings: Any) -> None:
    settings.SYNC = settings.SYNC | {"SENDERS": 1}
    control = load(people(60), EMARSYS_CONTACT_BATCH="10")
    control.fault("slow", system="emarsys", method="PUT", path="/contact/", seconds=1.5, times=0)
    run = runs.start(flow(), ring=False)
    assert run is not None
    working = beside(worked, run)
    wait_until(lambda: bool(control.writes()), 30)
    runs.cancel(run, None)
    working.join(30)
    run.refresh_from_db()
    control.heal()
    sent = len(control.all_contacts())
    assert (run.state, "before its next request" in run.message) == ("cancelled", True)
    assert 0 < sent < 60
    assert buckets(sync()) == {"accepted": 60 - sent, "unchanged": sent}, "what was done is remembered"


def test_a_flow_that_is_switched_off_stops_after_its_page(load: Load) -> None:
    load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = runs.start(flow(), ring=False)
    assert run is not None
    run = worked(run, seconds=0)
    Flow.objects.update(enabled=False)
    run = worked(run)
    assert (run.state, run.accepted, runs.due()) == ("waiting", 10, [])
    Flow.objects.update(enabled=True)
    SyncRun.objects.update(wait_until=clock.now() - timedelta(seconds=1))
    assert buckets(worked(run)) == {"accepted": 30}
