"""The verbs on one exception, as stored: states, audit trail, keys to look at again, and who was first."""

from datetime import date
from decimal import Decimal

import pytest

from sync import triage
from sync.catalogue import KINDS
from sync.models import AuditEvent, ControlTotal, LedgerEntry, PendingKey, SyncIssue, SyncRun
from tests.admin.desk_records import drift, issue, line, person, unknown_outcome

pytestmark = pytest.mark.django_db


def events(of: SyncIssue) -> list[tuple[str, str]]:
    found = AuditEvent.objects.filter(object_type="syncissue", object_id=str(of.pk)).order_by("id")
    return list(found.values_list("action", "actor_name"))


def test_a_retry_asks_for_the_record_and_says_who_asked() -> None:
    user, found = person("marketing"), drift()
    triage.retry(found, user)
    found.refresh_from_db()
    assert found.state == "retrying"
    assert list(PendingKey.objects.values_list("key", "reason", "asked_by__username", "urgent")) == [
        ("gb01|12346", "retry", "marketing", True)
    ]
    assert events(found) == [("retry", "marketing")]


@pytest.mark.parametrize(("kind", "source_id"), [("orphan", ""), ("duplicate_in_target", "gb01|1")])
def test_what_only_a_comparison_can_judge_is_compared_again(kind: str, source_id: str) -> None:
    found = issue(kind, source_id, target_id="4711")
    triage.retry(found, person("marketing"))
    assert not PendingKey.objects.exists()
    assert list(SyncRun.objects.values_list("kind", "trigger", "apply")) == [("compare", "retry", True)]


def test_a_retry_of_held_orders_asks_for_the_lines_that_wait() -> None:
    line(1, state="held"), line(2, state="held"), line(3, state="accepted")
    found = issue("held_for_parent", "gb01|17850", entity="sale", blocked_by="gb01|17850")
    triage.retry(found, person("finance"))
    assert sorted(PendingKey.objects.values_list("key", flat=True)) == ["gb01|536365|1", "gb01|536365|2"]


@pytest.mark.parametrize(
    ("kind", "source_id"),
    [("unknown_outcome", ""), ("excluded_no_customer", ""), ("case_only_codes", ""), ("run_unavailable", "")],
)
def test_what_a_retry_cannot_help_is_refused_with_a_reason(kind: str, source_id: str) -> None:
    found = issue(kind, source_id, entity="sale")
    with pytest.raises(triage.RefusedError) as refused:
        triage.retry(found, person("finance"))
    assert len(str(refused.value)) > 20
    assert not PendingKey.objects.exists()


def test_of_two_people_who_retry_the_second_is_told_who_was_first() -> None:
    found = drift()
    as_seen_by_both = SyncIssue.objects.get(pk=found.pk)
    triage.retry(found, person("marketing", "anna"))
    with pytest.raises(triage.ChangedError, match="Changed by anna"):
        triage.waive(as_seen_by_both, person("marketing", "ben"), "Fine with us")
    found.refresh_from_db()
    assert found.state == "retrying"
    assert events(found) == [("retry", "anna")]


def test_of_two_people_who_take_an_exception_one_has_it() -> None:
    found = drift()
    stale = SyncIssue.objects.get(pk=found.pk)
    anna, ben = person("marketing", "anna"), person("marketing", "ben")
    triage.assign(found, anna, to=anna)
    with pytest.raises(triage.ChangedError, match="anna"):
        triage.assign(stale, ben, to=ben)
    assert SyncIssue.objects.get(pk=found.pk).assignee == anna


def test_a_retry_whose_run_was_cancelled_can_be_asked_again() -> None:
    user, found = person("marketing"), issue("orphan", "", target_id="4711")
    triage.retry(found, user)
    with pytest.raises(triage.RefusedError, match="under way"):
        triage.retry(found, user)
    SyncRun.objects.update(state="cancelled")
    triage.retry(found, user)
    assert SyncRun.objects.filter(state="queued").count() == 1


def test_handing_to_a_team_clears_the_assignee_and_keeps_both_in_the_trail() -> None:
    anna, found = person("marketing", "anna"), drift()
    triage.assign(found, anna, to=anna)
    triage.assign(found, anna, team="finance")
    found.refresh_from_db()
    assert (found.team, found.assignee) == ("finance", None)
    last = AuditEvent.objects.filter(object_id=str(found.pk)).latest("id")
    assert (last.before, last.after) == (
        {"assignee": "anna", "team": "marketing"},
        {"assignee": "", "team": "finance"},
    )


def test_a_waiver_needs_a_reason_and_keeps_it() -> None:
    user, found = person("marketing"), drift()
    with pytest.raises(triage.RefusedError, match="reason"):
        triage.waive(found, user, "   ")
    triage.waive(found, user, "The shop asked for it")
    found.refresh_from_db()
    assert found.state == "waived"
    assert "The shop asked for it" in found.resolution
    assert AuditEvent.objects.get(action="waive").reason == "The shop asked for it"


def test_a_waived_exception_opens_again_unless_the_problem_is_open_already() -> None:
    user, found = person("marketing"), drift()
    triage.waive(found, user, "Fine")
    newer = drift()
    with pytest.raises(triage.RefusedError, match="newer"):
        triage.reopen(found, user)
    newer.delete()
    triage.reopen(SyncIssue.objects.get(pk=found.pk), user)
    found.refresh_from_db()
    assert (found.state, found.resolved_at, found.resolution) == ("open", None, "")


def test_an_empty_comment_is_refused_and_a_real_one_is_kept() -> None:
    user, found = person("marketing"), drift()
    with pytest.raises(triage.RefusedError):
        triage.comment(found, user, " ")
    triage.comment(found, user, "Asked the shop.")
    assert [(one.author, one.text) for one in found.comments.all()] == [(user, "Asked the shop.")]


def test_lines_that_arrived_count_as_accepted_and_are_never_sent_again() -> None:
    found = unknown_outcome()
    assert triage.confirm_arrived(found, person("finance"), "Seen in Data Sources") == 3
    assert set(LedgerEntry.objects.values_list("state", flat=True)) == {"accepted"}
    found.refresh_from_db()
    assert found.state == "resolved"
    assert not PendingKey.objects.exists()
    total = ControlTotal.objects.get(day=date(2010, 12, 1))
    assert (total.accepted_lines, total.unknown_lines, total.accepted_amount) == (3, 0, Decimal("45.90"))


def test_lines_that_did_not_arrive_are_sent_again_on_a_persons_word() -> None:
    found = unknown_outcome(2)
    assert triage.send_again(found, person("finance"), "Not in Data Sources") == 2
    assert set(LedgerEntry.objects.values_list("state", flat=True)) == {"rejected"}
    assert sorted(PendingKey.objects.values_list("key", flat=True)) == ["gb01|536365|1", "gb01|536365|2"]
    assert AuditEvent.objects.get(action="send_again").reason == "Not in Data Sources"


def test_an_unknown_outcome_is_settled_once() -> None:
    found = unknown_outcome()
    stale = SyncIssue.objects.get(pk=found.pk)
    triage.confirm_arrived(found, person("finance", "fay"), "Seen")
    with pytest.raises(triage.ChangedError, match="fay"):
        triage.send_again(stale, person("finance", "finn"), "Not seen")
    assert set(LedgerEntry.objects.values_list("state", flat=True)) == {"accepted"}
    assert not PendingKey.objects.exists()


def test_an_unknown_outcome_cannot_be_waived_away() -> None:
    with pytest.raises(triage.RefusedError):
        triage.waive(unknown_outcome(), person("finance"), "Never mind")


@pytest.mark.parametrize("kind", triage.NOT_BY_KEY)
def test_a_counted_card_does_not_advise_the_retry_it_does_not_offer(kind: str) -> None:
    assert KINDS[kind].retry_helps.startswith("Retry does not help")
