"""`manage.py accounting` says which runs do not add up, and exits 1 for them."""

import pytest
from django.utils import timezone

from sync.models import Flow, SyncRun
from tests.commands.conftest import Run

pytestmark = pytest.mark.django_db(transaction=True)


def test_books_that_add_up_exit_0_and_others_1(run: Run) -> None:
    flow = Flow.objects.create(name="a.customer", source="a", target="b", stream="customer", entity="customer")
    good = SyncRun.objects.create(flow=flow, state="completed", finished_at=timezone.now())
    assert run("accounting").code == 0
    bad = SyncRun.objects.create(flow=flow, state="failed", read=2, held=1, finished_at=timezone.now())
    told = run("accounting", "--json")
    assert (told.code, [row["id"] for row in told.rows]) == (1, [bad.pk])
    assert told.one["said"][0] == "It read 2 records, but 1 ended in its buckets."
    assert run("accounting", str(good.pk)).code == 0
    assert run("accounting", str(bad.pk)).code == 1
    assert run("accounting", "99").code == 2
