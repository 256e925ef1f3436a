"""A plan of a feed is its difference to what is published."""

from typing import Any

import pytest

from connectors.base import Effect
from sync import plans
from sync.models import FeedItem, ProductFeed
from tests.sync.conftest import worked
from tests.sync.plain_systems import connect
from tests.sync.plans.conftest import apply, person, plan

pytestmark = pytest.mark.django_db(transaction=True)


def article(key: str, name: str) -> dict[str, Any]:
    return {"key": key, "sku": key, "name": name}


def test_a_feed_is_planned_by_its_difference_and_published_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [article(f"p{n}", "Hat") for n in range(9)]
    assert plan(asked).counts == {"create": 9}
    assert not FeedItem.objects.exists()
    assert not ProductFeed.objects.exists()
    apply(plan(asked))
    assert FeedItem.objects.count() == 9
    erp.rows = [article("p0", "Cap"), *(article(f"p{n}", "Hat") for n in range(1, 8)), article("p9", "Tie")]
    found = plan(asked)
    assert found.counts == {"change": 1, "create": 1, "deactivate": 1, "unchanged": 7}
    assert found.read == 9
    assert found.fields == {"title": {"changed": 1, "blanked": 0}}
    erp.rows[0]["name"], erp.rows[1:3] = "Glove", [article("p1", "Hat")]
    plans.approve(found, person("bob"))
    apply(found)
    lines = dict(FeedItem.objects.values_list("source_id", "body"))
    assert (lines["p0"], lines["p9"]) == ("p0,Hat", "p9,Tie"), "an unplanned change keeps the line it had"
    assert set(lines) == {f"p{n}" for n in range(10)} - {"p8"}, "what was planned to go goes, and nothing else"


def test_another_feed_was_published_since(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, _ = connect(monkeypatch, "product", Effect.REPLACE)
    erp.rows = [article("p0", "Hat")]
    found = plan(asked)
    apply(plan(asked))
    run = worked(plans.apply(found, ring=False))
    assert run.state == "failed"
    assert "feed" in run.message
