"""Too many refused, nothing at all, far from usual, a catalogue that shrank: the run stops before it concludes."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.utils import timezone

from connectors.base import Effect
from sync import breakers, pending, runs
from sync.models import Breaker, Flow, ProductFeed, SyncRun
from tests.sync.breakers.conftest import change, pages_of, run, stopped_by
from tests.sync.conftest import open_issues, worked
from tests.sync.plain_systems import Erp, Platform, connect
from tests.sync.test_other_ways import product

pytestmark = pytest.mark.django_db(transaction=True)


def test_too_many_refused_records_stop_before_the_rest_leaves(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, platform = customers
    watermark = Flow.objects.get(pk=flow.pk).watermark
    change(erp, 120, bad=True)
    erp.rows[399]["city"] = "Elsewhere"
    stopped = run(flow)
    assert (stopped.state, platform.sent) == ("failed", [])
    assert Flow.objects.get(pk=flow.pk).watermark == watermark
    assert stopped_by(flow).cause["seen"] == "120 of the 400 records read so far were refused (30 %)."


def test_a_retry_of_what_is_refused_every_time_stops_nothing(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    change(erp, 60, bad=True)
    assert run(flow).state == "completed", "15 %"
    pending.note(flow, [f"c{n}" for n in range(60)], "retry")
    again = run(flow, keys_only=True)
    assert (again.state, again.rejected) == ("completed", 60)


def test_nothing_where_there_was_something_concludes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(50)]
    run(flow)
    rows, erp.rows = erp.rows, []
    assert run(flow).state == "failed"
    assert stopped_by(flow).kind == "zero_records"
    assert stopped_by(flow).cause["seen"] == "The source lists no product at all, although 50 are known."
    assert ProductFeed.objects.filter(state="refused").count() == 0, "it was judged before the feed"
    erp.rows = rows
    runs.resume(flow, None)
    assert run(flow).state == "completed", "the cause is gone, the limit holds"
    assert not Breaker.objects.filter(tripped_at__isnull=False).exists()


def test_an_incremental_read_of_nothing_is_no_news(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    erp.rows = []
    assert run(flow).state == "completed"


def past(flow: Flow, reads: list[int], *, weeks_apart: int = 1) -> None:
    """Completed runs of the weeks before, at this hour."""
    for back, read in enumerate(reads, 1):
        done = SyncRun.objects.create(flow=flow, state="completed", read=read, unchanged=read, watermark_from="w")
        SyncRun.objects.filter(pk=done.pk).update(queued_at=timezone.now() - timedelta(weeks=back * weeks_apart))


@pytest.mark.parametrize(
    ("history", "now", "state"),
    [
        ([300, 320, 280, 310, 290], 20, "failed"),
        ([300, 320, 280, 310, 290], 250, "completed"),
        ([300, 320, 280], 20, "completed"),  # too little history
        ([0, 900, 30, 600, 200], 20, "completed"),  # it varies that much
        ([40, 50, 45, 40], 390, "failed"),
    ],
)
def test_a_count_far_from_the_weekdays_usual_stops_the_run(
    customers: tuple[Flow, Erp, Platform], history: list[int], now: int, state: str
) -> None:
    flow, erp, _ = customers
    past(flow, history)
    before = timezone.now() - timedelta(days=1)  # the load was yesterday: nothing piled up since, as every day
    SyncRun.objects.filter(flow=flow, watermark_from="").update(queued_at=before)
    SyncRun.objects.create(flow=flow, state="completed", watermark_from="w")
    erp.rows = erp.rows[:now]
    erp.rows[0]["city"] = "Elsewhere"
    done = run(flow)
    assert done.state == state, done.message
    assert Flow.objects.get(pk=flow.pk).paused is (state == "failed")


def test_too_many_are_noticed_before_any_of_them_leaves(
    monkeypatch: pytest.MonkeyPatch, customers: tuple[Flow, Erp, Platform]
) -> None:
    flow, erp, platform = customers
    past(flow, [40, 50, 45, 40])
    SyncRun.objects.create(flow=flow, state="completed", watermark_from="w")
    pages_of(monkeypatch, erp, 20, total=True)
    change(erp, 30)
    assert run(flow).state == "failed"
    assert platform.sent == []
    cause = stopped_by(flow).cause
    assert cause["usual"] == f"The last 4 {today()}s brought 40 to 50, mostly 42."
    assert cause["seen"] == f"Expected between 0 and 170 records on {today()}s, the source lists 400."
    assert cause["limit"] == (
        "Expected is at least 25 % and at most 4 times of the usual 42, and more where the weeks differ much; "
        "50 more or fewer are never unusual."
    )


def today() -> str:
    return f"{timezone.now().astimezone(ZoneInfo(settings.LOCAL_TIME_ZONE)):%A}"


def test_too_few_are_told_with_what_was_expected(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, erp, _ = customers
    past(flow, [300, 320, 280, 310, 290])
    erp.rows = erp.rows[:20]
    done = run(flow)
    seen = f"Expected between 75 and 1,200 records on {today()}s, got 20."
    assert stopped_by(flow).cause["seen"] == seen
    assert seen in done.message


def test_the_bound_that_is_told_is_the_one_that_was_passed(customers: tuple[Flow, Erp, Platform]) -> None:
    """After three days without a run three times as much may come."""
    flow, erp, _ = customers
    past(flow, [4, 5, 4, 5])
    SyncRun.objects.filter(flow=flow, watermark_from="").delete()
    last = SyncRun.objects.create(flow=flow, state="completed", watermark_from="w")
    SyncRun.objects.filter(pk=last.pk).update(queued_at=timezone.now() - timedelta(days=3))
    change(erp, 400)
    run(flow)
    cause = stopped_by(flow).cause
    assert cause["seen"] == f"Expected between 0 and 162 records on {today()}s, got 400 so far."
    assert "The run before lies further back than usual, so as many times more may come." in cause["limit"]


def test_after_a_pause_more_is_expected(customers: tuple[Flow, Erp, Platform]) -> None:
    flow, _, _ = customers
    past(flow, [40, 50, 45, 40])
    assert run(flow).state == "completed", "a week's records after a week"


def test_a_feed_that_shrank_stops_its_flow_and_publishing_it_lets_the_flow_go_on(
    monkeypatch: pytest.MonkeyPatch, admin_user: Any
) -> None:
    from sync import feeds

    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(50)]
    run(flow)
    del erp.rows[:25]
    assert run(flow).state == "failed"
    assert stopped_by(flow).kind == "catalogue_shrink"
    assert open_issues() == {("feed_shrunk", "", "feed")}, "one exception for one problem"
    feeds.publish_anyway(ProductFeed.objects.get(state="refused"), admin_user, "End of season")
    flow.refresh_from_db()
    assert not flow.paused
    assert run(flow).state == "completed"


def test_a_shrink_that_is_allowed_is_published_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    flow, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [product(f"A-{n}") for n in range(50)]
    run(flow)
    del erp.rows[:25]
    run(flow)
    assert worked(breakers.resume_once(flow, "catalogue_shrink", None)).state == "completed"
    assert ProductFeed.objects.get(state="published").items == 25
    assert open_issues() == set()
