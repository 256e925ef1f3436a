"""What `manage.py sync` was asked for is done, whatever run of the flow is under way."""

import pytest
from django.core.management import call_command

from sync import runs
from sync.models import SyncRun
from tests.sync.conftest import Load, flow, invoice, people, sync

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("asked", [{"full": True}, {}])
def test_a_run_under_way_that_reads_less_is_followed_by_the_one_that_was_asked_for(
    load: Load, asked: dict[str, bool]
) -> None:
    load(people(3), [invoice("SO-1", "C-1", ("A", "1", "1.00"))])
    sync()
    sync("sale")
    less = runs.start(flow("sale"), keys_only=not asked, ring=False)
    assert less is not None
    call_command("sync", "dynamics365.sale", **asked)
    less.refresh_from_db()
    last = SyncRun.objects.filter(flow=flow("sale")).latest("pk")
    assert less.state == last.state == "completed"
    assert (last.pk > less.pk, last.full, last.keys_only) == (True, bool(asked), False)


def test_a_run_under_way_that_reads_as_much_is_the_one(load: Load) -> None:
    load(people(3))
    queued = runs.start(flow(), ring=False)
    assert queued is not None
    call_command("sync", "dynamics365.customer")
    queued.refresh_from_db()
    assert queued.state == "completed"
    assert SyncRun.objects.count() == 1
