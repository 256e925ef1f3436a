"""Which queue a message goes to, and who may start while another system waits for a process."""

import os
import socket
from collections.abc import Sequence

import pytest
from django.conf import settings

from sync import clock, lanes, pending, runs
from sync.models import Flow, SyncRun, WorkerProcess
from tests.sync.conftest import Load, flow, people

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def two_erps(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(1), CONNECTIONS="dynamics365,other,emarsys", OTHER_CONNECTOR="dynamics365")
    monkeypatch.setattr(settings, "LANES", ("urgent", "dynamics365", "other", "emarsys"))


def queued(name: str) -> SyncRun:
    run = runs.start(Flow.objects.get(name=name), ring=False)
    assert run is not None
    return run


def worker(number: int) -> Sequence[int]:
    """This process and others are a worker's."""
    pids = [os.getpid(), *(10**7 + n for n in range(number - 1))]
    now = clock.now()
    WorkerProcess.objects.create(
        name="w", host=socket.gethostname()[:100], pid=10**7 - 1, processes=pids, started_at=now, seen_at=now
    )
    return pids


def taken_by(run: SyncRun, pid: int) -> None:
    assert runs.take(run.pk)
    SyncRun.objects.filter(pk=run.pk).update(holder=f"{socket.gethostname()}:{pid}")


def test_a_worker_listens_to_the_common_queue_and_to_each_lane() -> None:
    names = [one.name for one in settings.CELERY_TASK_QUEUES]
    assert names == ["celery", "urgent", "dynamics365", "emarsys"]
    assert settings.CELERY_WORKER_CONCURRENCY == 3, "a process for each system and one for what is urgent"


def test_a_run_goes_to_the_queue_of_its_erp_whichever_side_the_erp_is_on() -> None:
    assert lanes.queue("work", queued("dynamics365.customer").pk) == "dynamics365"
    assert lanes.queue("work", queued("other.sale").pk) == "other"
    consent = Flow.objects.create(
        name="emarsys.consent", source="emarsys", stream="consent", target="other", entity="consent"
    )
    assert lanes.queue("work", queued(consent.name).pk) == "other"
    observed = Flow.objects.filter(source="emarsys", target="console").first()
    assert observed is not None
    assert lanes.queue("work", queued(observed.name).pk) == "emarsys"


def test_what_a_person_waits_for_goes_to_the_urgent_queue() -> None:
    pending.ask(flow(), ["usmf|C-1"], "retry")
    run = SyncRun.objects.get()
    assert lanes.queue("work", run.pk) == "dynamics365"
    pending.note(flow(), ["usmf|C-1"], "event", urgent=True)
    assert lanes.queue("work", run.pk) == "urgent"
    assert lanes.queue("inbox_event", 0) == "urgent"


def test_a_message_without_a_lane_goes_to_the_queue_that_everybody_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lanes.queue("tick", None) is None
    assert lanes.queue("bulk_operation", 1) is None
    assert lanes.queue("work", 10**6) is None
    monkeypatch.setattr(settings, "LANES", ("urgent", "dynamics365", "emarsys"))
    assert lanes.queue("work", queued("other.customer").pk) is None, "a system that the workers do not know of yet"


def test_a_second_run_of_a_system_waits_while_the_process_is_kept_for_another() -> None:
    pids = worker(2)
    taken_by(queued("other.customer"), pids[1])
    second, elsewhere = queued("other.sale"), queued("dynamics365.customer")
    assert lanes.take(second.pk) is None
    second.refresh_from_db()
    assert (second.state, second.attempt) == ("queued", 0), "its turn comes with a later look"
    assert lanes.take(elsewhere.pk) is not None


def test_a_second_run_of_a_system_starts_where_nobody_else_needs_the_process() -> None:
    pids = worker(3)
    taken_by(queued("other.customer"), pids[1])
    taken_by(queued("dynamics365.customer"), pids[2])
    assert lanes.take(queued("other.sale").pk) is not None, "each system has one"


def test_what_is_paused_needs_no_process() -> None:
    pids = worker(2)
    taken_by(queued("other.customer"), pids[1])
    Flow.objects.exclude(source="other").update(paused_at=clock.now())
    assert lanes.take(queued("other.sale").pk) is not None


def test_a_lease_that_ran_out_holds_no_process() -> None:
    pids = worker(2)
    dead = queued("other.customer")
    taken_by(dead, pids[1])
    SyncRun.objects.filter(pk=dead.pk).update(lease_until=clock.now())
    assert lanes.take(queued("other.sale").pk) is not None


def test_a_process_that_was_replaced_a_moment_ago_is_still_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool replaces its processes; the worker says so with its next sign of life."""
    now = clock.now()
    gone, sibling = 10**7, 10**7 + 1
    WorkerProcess.objects.create(
        name="w", host=socket.gethostname()[:100], pid=os.getppid(), processes=[gone, sibling], started_at=now,
        seen_at=now,
    )  # fmt: skip
    taken_by(queued("other.customer"), sibling)
    assert lanes.take(queued("other.sale").pk) is None


def test_outside_a_worker_nothing_is_kept_for_anybody() -> None:
    assert runs.take(queued("other.customer").pk)
    assert lanes.take(queued("other.sale").pk) is not None
