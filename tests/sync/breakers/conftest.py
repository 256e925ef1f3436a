"""A flow with four hundred customers of which the test changes as many as it likes."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from connectors.base import Effect, Page
from sync import breakers, runs
from sync.models import Breaker, Flow, SyncRun
from tests.sync.conftest import worked
from tests.sync.plain_systems import Erp, Platform, connect


@pytest.fixture
def customers(monkeypatch: pytest.MonkeyPatch) -> tuple[Flow, Erp, Platform]:
    """Four hundred customers, loaded once."""
    flow, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": f"c{n}", "account": f"c{n}"} for n in range(400)]
    assert run(flow).state == "completed"
    platform.sent.clear()
    return flow, erp, platform


def run(flow: Flow, **options: Any) -> SyncRun:
    flow.refresh_from_db()
    started = runs.start(flow, ring=False, **options)
    assert started is not None
    return worked(started)


def pages_of(monkeypatch: pytest.MonkeyPatch, erp: Erp, size: int, *, total: bool = False) -> None:
    """The source gives its rows in pages, each a unit of work of its own."""

    def read(stream: str, since: str, resume: str = "") -> Iterator[Page]:
        rows = [msgspec.json.encode(row) for row in erp.rows]
        start = int(resume or 0)
        for first in range(start, len(rows), size):
            last = first + size >= len(rows)
            counted = len(rows) - start if total else None
            yield Page(rows[first : first + size], str(first + size), "w" if last else None, counted)

    monkeypatch.setattr(erp, "read", read)
    monkeypatch.setattr("sync.gathering.PATIENCE", 0.0)


def change(erp: Erp, number: int, **values: Any) -> None:
    for row in erp.rows[:number]:
        row |= values or {"city": "Elsewhere"}


def stopped_by(flow: Flow) -> Breaker:
    flow.refresh_from_db()
    found = breakers.tripped(flow)
    assert found is not None
    return found
