"""Whatever happens in whatever order: a record is at the target with its newest value, or will be looked at again.

A source of moments with late commits and equal times; a worker that ends its slice, dies at a named moment, or sleeps
between its last look at the lease and its request while another takes over.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.db import connections
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from connectors.base import Answer, Effect, Encoded, Page
from sync import clock, crashpoints, pipeline, runs
from sync.catalogue import ACTIVE_RUNS
from sync.models import CrossReference, Delivery, Flow, PendingKey, SyncIssue, SyncRun
from tests.sync.conftest import _small_tables_are_emptied_by_delete, rung
from tests.sync.plain_systems import Erp, Platform, connect

__all__ = ["_small_tables_are_emptied_by_delete", "rung"]
OVERLAP, KEYS, PAGE = 3, 5, 2
POINTS = (
    *("after_take", "in_intent", "after_intent", "after_call", "before_remember", "in_remember", "after_remember"),
    *("before_pending_done", "after_pending_done", "before_completion", "in_completion", "after_completion"),
)


class Died(BaseException):
    """The process is gone: nothing of ours may handle it."""


class Clocked(Erp):
    """Tells changes by a moment; a row may be committed up to OVERLAP ticks after the moment it carries."""

    def __init__(self, entity: str) -> None:
        super().__init__(entity)
        self.tick = OVERLAP
        self.held: dict[str, tuple[int, int]] = {}
        """key → (value, moment)"""

    def write(self, key: str, late: int) -> None:
        self.tick += 1
        self.held[key] = (self.tick, self.tick - late)

    def _row(self, key: str) -> bytes:
        return msgspec.json.encode({"key": key, "account": key, "last_name": str(self.held[key][0])})

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        start, began = int(since or 0) - OVERLAP, self.tick
        after = tuple(msgspec.json.decode(resume)) if resume else (-1, "", began)
        began = after[2]
        while True:
            rows = sorted((moment, key) for key, (_, moment) in self.held.items() if moment >= start)
            found = [one for one in rows if one > after[:2]][:PAGE]
            if not found:
                yield Page([], resume="end", watermark=str(began))
                return
            after = (*found[-1], began)
            yield Page([self._row(key) for _, key in found], msgspec.json.encode(after).decode())

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        yield Page([self._row(key) for key in keys if key in self.held])


class Sleepy(Platform):
    """Keeps the newest it was sent; `meanwhile` happens while a request is on its way to it."""

    meanwhile: Callable[[], None] | None = None

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return super().send(inlet, batch, key)

    def holds(self) -> dict[str, int]:
        return {one["key"]: int(one["last_name"]) for one in self.sent}


class AnyOrder(RuleBasedStateMachine):
    patch: pytest.MonkeyPatch

    def __init__(self) -> None:
        super().__init__()
        for model in (PendingKey, CrossReference, Delivery, SyncIssue, SyncRun, Flow):
            model.objects.all().delete()
        flow, erp, platform = connect(self.patch, "customer", Effect.UPSERT)
        assert isinstance(erp, Clocked)
        assert isinstance(platform, Sleepy)
        self.flow, self.erp, self.platform = flow, erp, platform

    def _run(self) -> SyncRun:
        run = runs.start(Flow.objects.get(pk=self.flow.pk), ring=False)
        assert run is not None
        return run

    def _expire(self) -> None:
        ago = clock.now() - timedelta(seconds=1)
        SyncRun.objects.filter(state="running").update(lease_until=ago, attempt=0)
        SyncRun.objects.filter(state="waiting").update(wait_until=ago)

    def _work(self, seconds: float | None = None) -> None:
        run = self._run()
        self._expire()
        pipeline.work(run.pk, seconds)

    @rule(key=st.integers(0, KEYS - 1), late=st.integers(0, OVERLAP))
    def edit(self, key: int, late: int) -> None:
        self.erp.write(str(key), late)

    @rule()
    def run_slice(self) -> None:
        self._work(0)

    @rule()
    def run_to_its_end(self) -> None:
        self._work()

    @rule(point=st.sampled_from(POINTS), times=st.integers(1, 2))
    def die(self, point: str, times: int) -> None:
        passes = iter(range(1, 1000))

        def passing(name: str) -> None:
            if name == point and next(passes) == times:
                raise Died

        self.patch.setattr(crashpoints, "_passing", passing)
        try:
            self._work()
        except Died:
            pass
        finally:
            self.patch.setattr(crashpoints, "_passing", lambda name: None)
        self._expire()

    @rule(key=st.integers(0, KEYS - 1))
    def sleep_while_another_takes_over(self, key: int) -> None:
        def meanwhile() -> None:
            try:
                self.erp.write(str(key), 0)
                self._work()
            finally:
                connections.close_all()

        self.platform.meanwhile = meanwhile
        self._work()
        self.platform.meanwhile = None

    @invariant()
    def nothing_is_lost(self) -> None:
        mark = int(Flow.objects.get(pk=self.flow.pk).watermark or 0) - OVERLAP
        waiting = set(PendingKey.objects.values_list("key", flat=True))
        held = self.platform.holds()
        for key, (value, moment) in self.erp.held.items():
            assert held.get(key) == value or moment >= mark or key in waiting, f"{key} is lost"

    @invariant()
    def books_add_up(self) -> None:
        for run in SyncRun.objects.filter(state="completed"):
            assert run.read == run.accepted + run.unchanged + run.excluded + run.held + run.rejected + run.unknown

    def teardown(self) -> None:
        """Left alone, it comes to rest with the newest of everything."""
        for _ in range(3):
            self._work()
        while SyncRun.objects.filter(state__in=ACTIVE_RUNS).exists() or PendingKey.objects.exists():
            self._work()
        assert self.platform.holds() == {key: value for key, (value, _) in self.erp.held.items()}


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_in_any_order(monkeypatch: pytest.MonkeyPatch, rung: list[int], settings: Any) -> None:
    monkeypatch.setattr("tests.sync.plain_systems.Erp", Clocked)
    monkeypatch.setattr("tests.sync.plain_systems.Platform", Sleepy)
    AnyOrder.patch = monkeypatch
    run_state_machine_as_test(AnyOrder, settings=FEW)


FEW = settings(max_examples=6, stateful_step_count=9, deadline=None, derandomize=True,
               suppress_health_check=list(HealthCheck))  # fmt: skip
