"""Actions on many exceptions: what is chosen, what is left alone, and a worker that dies half-way."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sync import bulk, clock, triage
from sync.models import AuditEvent, BulkOperation, PendingKey, SyncIssue
from tests.admin.desk_records import drift, flow, issue, person

pytestmark = pytest.mark.django_db
MARKETING: dict[str, Any] = {"teams": ["marketing"], "filter": {}}


def many(number: int) -> list[SyncIssue]:
    now = timezone.now()
    customer = flow()
    return SyncIssue.objects.bulk_create(
        SyncIssue(
            flow=customer,
            entity="customer",
            source_id=f"gb01|{n}",
            kind="field_drift",
            field="city",
            team="marketing",
            first_seen_at=now,
            last_seen_at=now,
        )
        for n in range(number)
    )


def test_everything_a_filter_matches_is_retried_and_the_rest_is_listed_with_its_reason() -> None:
    user = person("marketing")
    good = [drift(f"gb01|{n}") for n in range(3)]
    run_level = issue("run_unavailable", "", team="marketing")
    operation = bulk.ask("retry", MARKETING, user)
    assert operation.total == 4
    bulk.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.skipped) == ("completed", 3, 1)
    [(why, left)] = operation.query["residue"].items()
    assert left == [run_level.pk]
    assert "run" in why
    assert set(PendingKey.objects.values_list("key", flat=True)) == {one.source_id for one in good}
    assert AuditEvent.objects.filter(action="retry", object_type="syncissue").count() == 3


def test_a_selection_touches_what_was_selected_and_nothing_of_another_team() -> None:
    mine, other = drift("gb01|1"), drift("gb01|2")
    finances = issue("zero_total", "gb01|536365", entity="sale")
    operation = bulk.ask("retry", {"teams": ["marketing"], "ids": [mine.pk, finances.pk]}, person("marketing"))
    bulk.run(operation.pk)
    states = {one.pk: one.state for one in SyncIssue.objects.all()}
    assert states == {mine.pk: "retrying", other.pk: "open", finances.pk: "open"}


def test_what_came_after_the_question_is_not_touched() -> None:
    drift("gb01|1")
    operation = bulk.ask("retry", MARKETING, person("marketing"))
    later = drift("gb01|2")
    bulk.run(operation.pk)
    later.refresh_from_db()
    assert later.state == "open"


def test_a_worker_that_dies_half_way_is_followed_by_one_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    many(5)
    operation = bulk.ask("retry", MARKETING, person("marketing"))
    remember, calls = bulk._remember, []

    def dies_after_two(*given: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise SystemExit
        remember(*given)

    monkeypatch.setattr(bulk, "_remember", dies_after_two)
    with pytest.raises(SystemExit):
        bulk.run(operation.pk)
    monkeypatch.setattr(bulk, "_remember", remember)
    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("running", 2)
    bulk.run(operation.pk)
    operation.refresh_from_db()
    assert operation.done == 2, "the lease of the dead worker has not run out yet"
    BulkOperation.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert bulk.due() == [operation.pk]
    bulk.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.skipped) == ("completed", 5, 0)
    assert AuditEvent.objects.filter(action="retry", object_type="syncissue").count() == 5


def test_a_second_worker_leaves_a_running_operation_alone() -> None:
    many(1)
    operation = bulk.ask("retry", MARKETING, person("marketing"))
    BulkOperation.objects.update(state="running", heartbeat_at=timezone.now())
    bulk.run(operation.pk)
    assert SyncIssue.objects.get().state == "open"


@pytest.mark.postgresql  # with SQLite there is one machine and one clock
@pytest.mark.parametrize("minutes", [10, -10])
def test_a_worker_whose_clock_is_wrong_takes_no_operation_that_another_works_on(
    monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    many(1)
    operation = bulk.ask("retry", MARKETING, person("marketing"))
    BulkOperation.objects.update(state="running", heartbeat_at=clock.now())
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(minutes=minutes))
    assert bulk.due() == []
    bulk.run(operation.pk)
    assert SyncIssue.objects.get().state == "open"
    BulkOperation.objects.update(heartbeat_at=clock.now() - timedelta(minutes=2))
    assert bulk.due() == [operation.pk]


def test_a_cancelled_operation_stops_and_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    many(6)
    user = person("marketing")
    operation = bulk.ask("retry", MARKETING, user)
    remember = bulk._remember

    def cancelled_meanwhile(*given: Any) -> None:
        remember(*given)
        BulkOperation.objects.update(cancel_requested=True)

    monkeypatch.setattr(bulk, "_remember", cancelled_meanwhile)
    bulk.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("cancelled", 2)
    with pytest.raises(triage.RefusedError):
        bulk.cancel(operation, user)


def test_a_queued_operation_can_be_cancelled_before_it_begins() -> None:
    many(1)
    user = person("marketing")
    operation = bulk.ask("retry", MARKETING, user)
    bulk.cancel(operation, user)
    bulk.run(operation.pk)
    assert SyncIssue.objects.get().state == "open"
    assert BulkOperation.objects.get().state == "cancelled"


def test_assigning_many_gives_each_its_own_line_in_the_trail() -> None:
    user, colleague = person("marketing"), person("marketing", "anna")
    many(3)
    operation = bulk.ask("assign", MARKETING, user, to=str(colleague.pk))
    bulk.run(operation.pk)
    assert set(SyncIssue.objects.values_list("assignee__username", flat=True)) == {"anna"}
    assert AuditEvent.objects.filter(action="assign", after__assignee="anna").count() == 3


def test_handing_many_to_another_team_goes_through_although_they_leave_the_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    many(5)
    operation = bulk.ask("assign", MARKETING, person("marketing"), team="finance")
    bulk.run(operation.pk)
    assert SyncIssue.objects.filter(team="finance").count() == 5


def test_the_filters_mean_what_their_words_say() -> None:
    now = timezone.now()
    old = drift("gb01|1", first_seen_at=now - timedelta(days=40), due_at=now - timedelta(days=30))
    mine = drift("gb01|2", assignee=person("marketing"), due_at=now + timedelta(days=1))
    waived = drift("gb01|3", state="waived")

    def found(**chosen: str) -> set[int]:
        return {one.pk for one in bulk.matching({"teams": ["marketing"], "filter": chosen})}

    assert found() == {old.pk, mine.pk}
    assert found(state="all") == {old.pk, mine.pk, waived.pk}
    assert found(state="waived") == {waived.pk}
    assert found(age="month") == found(age="late") == {old.pk}
    assert found(assignee="none") == {old.pk}
    assert found(assignee=str(mine.assignee_id)) == {mine.pk}
    assert found(record="gb01|2") == {mine.pk}
    assert found(kind="orphan") == set()


def test_forty_thousand_are_accepted_within_two_seconds() -> None:
    user = person("marketing")
    now, customer = timezone.now(), flow()
    found = (
        SyncIssue(
            flow=customer,
            entity="customer",
            source_id=f"gb01|{n}",
            kind="field_drift",
            team="marketing",
            first_seen_at=now,
            last_seen_at=now,
        )
        for n in range(40_000)
    )
    SyncIssue.objects.bulk_create(found, batch_size=2_000)
    started = time.monotonic()
    operation = bulk.ask("retry", MARKETING, user)
    assert time.monotonic() - started < 2
    assert operation.total == 40_000


def test_a_chunk_costs_as_many_queries_whatever_its_size(django_assert_max_num_queries: Any) -> None:
    many(200)
    operation = bulk.ask("retry", MARKETING, person("marketing"))
    with django_assert_max_num_queries(40):
        bulk.run(operation.pk)
    assert SyncIssue.objects.filter(state="retrying").count() == 200
