"""An event whose answer was lost: repeated under its key for a while, then put before a person."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from connectors.base import Answer, Effect, Encoded
from connectors.errors import UnavailableError, UnknownOutcomeError
from sync import clock, pipeline, runs, triage
from sync.models import Flow, OpenSend, SyncIssue, SyncRun
from tests.sync.conftest import buckets
from tests.sync.plain_systems import Platform, connect
from tests.sync.test_other_ways import customers_flow

pytestmark = pytest.mark.django_db(transaction=True)
EVENT = {"key": "E-1", "event": "dispatched", "order": "SO-1", "customer": "c1", "happened_at": "2026-01-15T12:00:00Z"}


class Deaf(Platform):
    """Acts on what it is sent; `answers` says what its sender hears."""

    answers: list[Exception] = []

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        if self.answers:
            error = self.answers.pop(0)
            if isinstance(error, UnknownOutcomeError):
                super().send(inlet, batch, key)
            raise error
        return super().send(inlet, batch, key)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> tuple[Flow, Deaf]:
    monkeypatch.setattr("tests.sync.plain_systems.Platform", Deaf)
    flow, erp, platform = connect(monkeypatch, "order_event", Effect.KEYED, after="customer")
    customers_flow(flow, c1="c1")
    erp.rows = [EVENT]
    assert isinstance(platform, Deaf)
    platform.answers = []
    return flow, platform


def work(flow: Flow) -> SyncRun:
    run = runs.start(flow, ring=False)
    assert run is not None
    SyncRun.objects.filter(pk=run.pk).update(wait_until=clock.now())
    pipeline.work(run.pk)
    run.refresh_from_db()
    return run


def an_hour_later() -> None:
    assert OpenSend.objects.count() == 1
    OpenSend.objects.update(first_sent_at=clock.now() - timedelta(minutes=61))


def lost() -> UnknownOutcomeError:
    return UnknownOutcomeError("No answer.")


def test_within_the_hour_it_is_repeated_and_nobody_is_asked(told: tuple[Flow, Deaf]) -> None:
    flow, platform = told
    platform.answers = [lost(), lost()]
    assert work(flow).state == "waiting"
    assert work(flow).state == "waiting"
    run = work(flow)
    assert (run.state, buckets(run)) == ("completed", {"accepted": 1})
    assert [one["key"] for one in platform.sent] == ["E-1"] * 3
    assert not OpenSend.objects.exists()
    assert not SyncIssue.objects.filter(state="open").exists()


def test_after_the_hour_it_waits_for_a_person_and_the_others_go_on(told: tuple[Flow, Deaf]) -> None:
    flow, platform = told
    platform.answers = [lost()]
    work(flow)
    an_hour_later()
    for _ in range(2):
        run = work(flow)
        assert (run.state, buckets(run), len(platform.sent)) == ("completed", {"unknown": 1}, 1)
    issue = SyncIssue.objects.get(kind="unknown_event")
    assert (issue.state, issue.source_id, issue.team, issue.delivery_id is not None) == (
        "open",
        "E-1",
        "operations",
        True,
    )
    assert triage.why_not_retryable(issue)


def test_a_worker_that_died_after_sending_started_the_hour(told: tuple[Flow, Deaf]) -> None:
    flow, platform = told
    platform.answers = [RuntimeError("the machine went down")]
    with pytest.raises(RuntimeError):
        work(flow)
    an_hour_later()
    assert buckets(work(flow)) == {"unknown": 1}
    assert platform.sent == []


def test_a_refusal_for_now_starts_no_hour_and_ends_none(told: tuple[Flow, Deaf]) -> None:
    flow, platform = told
    platform.answers = [UnavailableError("Later."), lost(), UnavailableError("Later.")]
    work(flow)
    assert not OpenSend.objects.exists()
    work(flow)
    first = OpenSend.objects.get().first_sent_at
    work(flow)
    assert OpenSend.objects.get().first_sent_at == first
