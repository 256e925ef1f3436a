"""A worker is overtaken while it waits to write down what the target answered: the answer counts all the same."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Sum

from sync import accounting, clock, crashpoints, pipeline, runs, triage
from sync.models import (
    ApiBudget,
    ControlTotal,
    CrossReference,
    Delivery,
    Flow,
    LedgerEntry,
    OpenSend,
    PendingKey,
    SyncIssue,
    SyncRun,
)
from tests.sync.conftest import (
    Control,
    Load,
    buckets,
    flow,
    in_thread,
    invoice,
    open_issues,
    people,
    sync,
    wait_until,
    worked,
)
from tests.sync.test_unknown_events import Deaf, an_hour_later, lost, told, work

__all__ = ["told"]
pytestmark = pytest.mark.django_db(transaction=True)
UPLOAD: dict[str, Any] = {"system": "emarsys", "path": "/sales-data/"}
INVOICES = [invoice(f"SO-{n}", "C-1", ("A", "1", "7.50"), ("B", "2", "1.00")) for n in range(1, 4)]


@contextmanager
def overtaken(act: Callable[[], None], at: str = "after_call") -> Iterator[None]:
    """Everything is answered; before the first worker writes it down another has its run, and acts."""
    passed: list[str] = []

    def passing(name: str) -> None:
        if name == at and not passed:
            passed.append(name)
            thread = in_thread(act)
            thread.join(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crashpoints, "_passing", passing)
        yield
    assert passed


def expire(run: SyncRun) -> None:
    SyncRun.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))


def takes(run: SyncRun) -> None:
    """Another worker has the run and has done nothing yet."""
    expire(run)
    assert runs.take(run.pk) is not None


def ends(run: SyncRun) -> None:
    """Another worker has worked the run to its end."""
    expire(run)
    pipeline.work(run.pk)


def queued(whose: Flow | None = None) -> SyncRun:
    run = runs.start(whose or flow("sale"), ring=False)
    assert run is not None
    return run


def states() -> dict[str, int]:
    found = list(LedgerEntry.objects.values_list("state", flat=True))
    return {state: found.count(state) for state in sorted(set(found))}


def adds_up(control: Control) -> None:
    """The three sides and the console's own books; no line twice."""
    sent = [row["s_invoice_line"] for row in control.sales()]
    accepted = LedgerEntry.objects.filter(state="accepted")
    assert sorted(sent) == sorted(accepted.values_list("source_id", flat=True))
    assert [one.said for one in accounting.accounts() if one.said] == []
    assert sum(SyncRun.objects.values_list("writes", flat=True)) == len(control.writes())
    sums = ControlTotal.objects.aggregate(
        accepted=Sum("accepted_amount"), unknown=Sum("unknown_amount"), lines=Sum("accepted_lines")
    )
    assert Decimal(str(sums["accepted"])) == sum((one.amount for one in accepted), Decimal(0))
    assert (Decimal(str(sums["unknown"])), sums["lines"]) == (Decimal(0), len(sent))


def test_what_the_next_worker_called_unknown_is_corrected_by_the_answer(load: Load) -> None:
    control = load(people(1), INVOICES, EMARSYS_SALES_BATCH="4")
    sync()
    run = queued()

    def act() -> None:
        ends(run)
        assert states() == {"unknown": 6}
        assert SyncIssue.objects.filter(kind="unknown_outcome", state="open").count() == 2

    with overtaken(act):
        run = worked(run)
    assert states() == {"accepted": 6}
    assert open_issues() == set()
    issue = SyncIssue.objects.filter(kind="unknown_outcome").earliest("pk")
    assert (issue.state, issue.resolution) == (
        "resolved",
        "The worker that had sent it wrote its answer down late: 4 lines accepted.",
    )
    # What the run read as unknown stays counted as that: it was true then, and its list says the same.
    assert (run.state, buckets(run), run.lost_writes) == ("completed", {"unknown": 6}, 0)
    assert set(Delivery.objects.filter(flow=flow("sale")).values_list("outcome", flat=True)) == {"accepted"}
    adds_up(control)
    assert buckets(sync("sale")) == {"unchanged": 6}
    adds_up(control)


def test_what_the_next_worker_has_not_looked_at_yet_counts_as_unchanged_when_it_does(load: Load) -> None:
    control = load(people(1), INVOICES, EMARSYS_SALES_BATCH="4")
    sync()
    run = queued()
    with overtaken(lambda: takes(run)):
        worked(run)
    assert states() == {"accepted": 6}
    expire(run)
    run = worked(run)
    assert (run.state, buckets(run), run.writes, run.lost_writes) == ("completed", {"unchanged": 6}, 2, 0)
    assert open_issues() == set()
    adds_up(control)


def test_whichever_of_the_two_comes_first_the_books_are_the_same(load: Load) -> None:
    """Both write at once: the one gives up what the other was told."""
    control = load(people(1), INVOICES, EMARSYS_SALES_BATCH="1")
    sync()
    run, both = queued(), list[threading.Thread]()

    def act() -> None:
        expire(run)
        both.append(in_thread(pipeline.work, run.pk))
        wait_until(lambda: SyncRun.objects.get(pk=run.pk).epoch == 2)

    with overtaken(act):
        worked(run)
    both[0].join(60)
    run.refresh_from_db()
    assert run.state == "completed" or worked(run).state == "completed"  # a deadlock leaves it to the next bell
    sync("sale")
    assert (states(), open_issues()) == ({"accepted": 6}, set())
    assert sum(SyncRun.objects.values_list("lost_writes", flat=True)) == 0
    adds_up(control)


@pytest.mark.parametrize("held", [False, True])
def test_a_worker_that_is_overtaken_before_its_intent_leaves_the_lines_of_the_other_alone(
    load: Load, held: bool
) -> None:
    """It decided what to send by what the ledger said then; frozen for a while it comes back to sent lines."""
    control = load(people(1), INVOICES, EMARSYS_SALES_BATCH="4")
    if held:
        assert buckets(sync("sale")) == {"held": 6}
        Flow.objects.filter(pk=flow("sale").pk).update(watermark="")
        CrossReference.objects.all().delete()
    sync()
    run = queued()
    with overtaken(lambda: ends(run), at="before_intent"):
        run = worked(run)
    assert (run.state, buckets(run), states()) == ("completed", {"accepted": 6}, {"accepted": 6})
    adds_up(control)
    assert buckets(sync("sale")) == {"unchanged": 6}
    adds_up(control)


@pytest.mark.parametrize("there", [True, False])
def test_what_a_person_has_decided_meanwhile_stays(load: Load, there: bool) -> None:
    control = load(people(1), INVOICES)
    sync()
    run, user = queued(), User.objects.create_user("finance")

    def act() -> None:
        ends(run)
        verb = triage.confirm_arrived if there else triage.send_again
        assert verb(SyncIssue.objects.get(state="open"), user, "Looked.") == 6

    with overtaken(act):
        worked(run)
    assert states() == {"accepted" if there else "rejected": 6}
    assert "says finance: Looked." in SyncIssue.objects.get(kind="unknown_outcome").resolution
    assert PendingKey.objects.count() == (0 if there else 6)
    assert open_issues() == set()
    assert len(control.sales()) == 6


@pytest.mark.parametrize("act", [takes, ends])
def test_of_several_answers_each_counts_for_its_lines(
    load: Load, monkeypatch: pytest.MonkeyPatch, act: Callable[[SyncRun], None]
) -> None:
    """One upload was accepted, one refused, and one lost its answer for good."""
    monkeypatch.setitem(settings.SYNC, "SENDERS", 1)
    control = load(people(1), INVOICES, EMARSYS_SALES_BATCH="2")
    sync()
    control.fault("status", code=400, body={"errors": [{"detail": "No such item."}]}, times=3, after=1, **UPLOAD)
    control.fault("drop_after_accept", after=4, **UPLOAD)
    run = queued()
    with overtaken(lambda: act(run)):
        worked(run)
    if act is takes:
        expire(run)
    run = worked(run)
    told = {one.outcome: one.records for one in Delivery.objects.filter(flow=flow("sale"))}
    assert told == {"accepted": 2, "rejected": 2, "unknown": 2}
    assert states()["unknown"] == 2
    issue = SyncIssue.objects.get(kind="unknown_outcome", state="open")
    assert issue.delivery is not None
    assert (issue.records, issue.money, issue.delivery.outcome) == (2, Decimal("8.50"), "unknown")
    refused = SyncIssue.objects.filter(kind="refused_by_target")
    assert refused.count() == 2
    assert len(control.sales()) == len({row["s_invoice_line"] for row in control.sales()})


@pytest.mark.parametrize("act", [takes, ends])
def test_what_had_not_left_is_sent_once_and_nobody_is_asked(load: Load, act: Callable[[SyncRun], None]) -> None:
    control = load(people(1), INVOICES, EMARSYS_SALES_BATCH="2")
    sync()
    control.fault("status", code=429, headers={"Retry-After": "90"}, times=0, after=1, **UPLOAD)
    run = queued()

    def heals() -> None:
        control.heal()
        ApiBudget.objects.update(blocked_until=0, bulk_until=0)  # the 90 seconds that Emarsys asked for are over
        act(run)

    with overtaken(heals):
        worked(run)
    assert len(control.sales()) == 2
    assert states() == {"accepted": 2}
    assert not SyncIssue.objects.filter(kind="unknown_outcome", state="open").exists()
    if act is takes:
        expire(run)
        worked(run)
    else:
        assert PendingKey.objects.count() == 4
        assert sync("sale").accepted == 4
    assert (states(), len(control.sales()), open_issues()) == ({"accepted": 6}, 6, set())
    assert not PendingKey.objects.exists()


def test_an_event_that_was_accepted_is_not_repeated(told: tuple[Flow, Deaf]) -> None:
    flow, platform = told
    run = queued(flow)
    with overtaken(lambda: takes(run)):
        worked(run)
    assert CrossReference.objects.get(source_id="E-1").state == "active"
    assert not OpenSend.objects.exists()
    assert not PendingKey.objects.exists()
    expire(run)
    run = worked(run)
    assert (run.state, buckets(run), len(platform.sent)) == ("completed", {"unchanged": 1}, 1)


def test_an_event_that_is_with_a_person_is_settled_by_its_answer(told: tuple[Flow, Deaf]) -> None:
    flow, platform = told
    run = queued(flow)

    def act() -> None:
        an_hour_later()
        ends(run)
        assert SyncIssue.objects.get(kind="unknown_event").state == "open"

    with overtaken(act):
        run = worked(run)
    assert SyncIssue.objects.get(kind="unknown_event").state == "resolved"
    assert CrossReference.objects.get(source_id="E-1").state == "active"
    assert (run.state, buckets(run), len(platform.sent)) == ("completed", {"unknown": 1}, 1)


def test_an_event_that_a_person_has_sent_once_more_is_not_touched(told: tuple[Flow, Deaf]) -> None:
    flow, platform = told
    run, user = queued(flow), User.objects.create_user("operator")

    def act() -> None:
        an_hour_later()
        ends(run)
        triage.send_again(SyncIssue.objects.get(kind="unknown_event"), user, "Looked.")
        platform.answers = [lost()]
        assert work(flow).state == "waiting"

    with overtaken(act):
        worked(run)
    assert OpenSend.objects.get().delivery == Delivery.objects.latest("pk"), "the second sending waits for its answer"
    assert not CrossReference.objects.filter(source_id="E-1", state="active").exists()
    assert "says operator: Looked." in SyncIssue.objects.get(kind="unknown_event").resolution
