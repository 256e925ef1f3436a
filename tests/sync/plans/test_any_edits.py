"""Whatever is edited before, between and after: plan and apply end as a sync does."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.base import Effect
from sync import pipeline, runs
from sync.models import CrossReference, Flow, SyncRun
from tests.sync.plain_systems import connect
from tests.sync.plans.conftest import apply, plan

pytestmark = pytest.mark.django_db(transaction=True)

Edits = Mapping[str, str]
NAMES = st.sampled_from(["", "Ada", "Bob", "Cy"])
PEOPLE = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), NAMES)


def rows(found: Edits) -> list[dict[str, Any]]:
    return [{"key": key, "account": key, "first_name": name} for key, name in found.items()]


@settings(
    max_examples=3, phases=[Phase.generate], deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=PEOPLE, then=PEOPLE, later=PEOPLE)
def test_plan_and_apply_are_a_sync_and_nothing_else(first: Edits, then: Edits, later: Edits) -> None:
    """Random edits: with none between plan and application both ways end alike; those between are named, not sent."""
    ends = []
    for planned in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            CrossReference.objects.all().delete()
            Flow.objects.all().delete()
            asked, erp, platform = connect(patch, "customer", Effect.UPSERT)
            for state in (first, then):
                erp.rows = rows(state)
                if planned:
                    apply(plan(asked))
                else:
                    pipeline.work(started(asked).pk)
            ends.append((sorted(map(str, platform.sent)), links()))
            if planned:
                _nothing_unplanned(asked, erp, platform, {**first, **then}, later)
    assert ends[0] == ends[1]


def started(asked: Flow) -> SyncRun:
    asked.refresh_from_db()
    run = runs.start(asked, ring=False)
    assert run is not None
    return run


def links() -> list[tuple[Any, ...]]:
    return list(
        CrossReference.objects.order_by("source_id").values_list(
            "source_id", "target_id", "state", "target_key", "raw_digest", "sent_digest"
        )
    )


def _nothing_unplanned(asked: Flow, erp: Any, platform: Any, there: Edits, later: Edits) -> None:
    found = plan(asked)
    before = len(platform.sent)
    erp.rows = rows({**there, **later})
    apply(found)
    new = {key for key, name in later.items() if there.get(key) != name}
    assert len(platform.sent) == before
    assert set(found.outcome["changed"]["examples"]) == new
