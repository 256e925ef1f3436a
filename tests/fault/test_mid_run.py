"""Rows 1, 9 and 11 of the fault matrix in the middle of runs that need every bell: a process of the pool is killed
alone, and the broker forgets everything or freezes."""

import os
import signal
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from bench import killing
from sync import accounting, runs
from sync.models import SyncRun, WorkerProcess
from tests.fault.brokers import CELERY, ForgetfulBroker, broker
from tests.fault.conftest import Started
from tests.sync.conftest import Control, Load, flow, invoice, people, wait_until

__all__ = ["broker"]
pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
PEOPLE, INVOICES = 1_000, 300
SIZES = {"DYNAMICS365_PAGE_SIZE": "50", "EMARSYS_CONTACT_BATCH": "25", "EMARSYS_SALES_BATCH": "25"}
LEASE, TICK = 2, 1
RESUMED = 90
"""Seconds within which somebody goes on with the run of a process that was killed, with the settings as they are."""
AWAY = 2.0
STOP, ENDED = 3, 8
"""Seconds that a worker gives its processes, and within which it is gone."""


def begun(stream: str) -> SyncRun:
    run = runs.start(flow(stream))
    assert run is not None
    return further(run)


def further(run: SyncRun, pages: int = 2) -> SyncRun:
    """So many pages later."""
    before = run.pages
    wait_until(lambda: fresh(run).pages >= before + pages, 45, pause=0.05)
    return run


def fresh(run: SyncRun) -> SyncRun:
    run.refresh_from_db()
    return run


def completed(run: SyncRun) -> int:
    """How many records it read; each ended in a bucket."""
    wait_until(lambda: fresh(run).state == "completed", 45, pause=0.1)
    assert run.read == run.accepted + run.unchanged + run.unknown
    return run.read


def killed(run: SyncRun) -> int:
    """The process that holds the run, and nobody else."""
    holder = int(fresh(run).holder.rpartition(":")[2])
    os.kill(holder, signal.SIGKILL)
    return holder


@pytest.fixture
def control(load: Load, start: Started, broker: ForgetfulBroker) -> Control:
    lines = ("A", "1", "7.50"), ("B", "2", "1.00")
    control = load(people(PEOPLE), [invoice(f"SO-{n}", f"C-{n + 1}", *lines) for n in range(INVOICES)], **SIZES)
    control.fault("slow", system="emarsys", seconds=0.05, bytes_per_second=0, times=0)
    secret = (Path(os.environ.get("STATE_DIR") or "var") / "secret-key").read_text(encoding="utf-8")
    own = {"CELERY_BROKER_URL": broker.url, "SECRET_KEY": secret, "SYNC_SLICE_SECONDS": "1",
           "SYNC_TICK_SECONDS": str(TICK), "SYNC_LEASE_SECONDS": str(LEASE)}  # fmt: skip
    start(*CELERY, "worker", "--concurrency", "2", "--without-gossip", "--without-mingle", **own)
    wait_until(lambda: any(len(one.processes) == 2 for one in WorkerProcess.objects.all()), 45, pause=0.1)
    return control


def test_a_run_survives_what_happens_to_its_process_and_to_its_broker(
    control: Control, broker: ForgetfulBroker, django_user_model: type[User]
) -> None:
    assert settings.SYNC["LEASE_SECONDS"] + settings.SYNC["TICK_SECONDS"] < RESUMED
    run = begun("customer")
    holder, epoch, died = killed(run), run.epoch, time.monotonic()
    wait_until(lambda: fresh(run).epoch > epoch, LEASE + TICK + 10, pause=0.05)
    assert time.monotonic() - died >= LEASE - TICK, "the lease was still the dead one's"
    assert not run.holder.endswith(f":{holder}")

    further(run)
    broker.signal(signal.SIGKILL)
    time.sleep(AWAY)  # the slice that is under way goes on to its end, and nobody can be told of the next
    broker.start()
    assert completed(run) == PEOPLE
    assert killing.check_customers(control, flow()) == PEOPLE

    sales = begun("sale")
    broker.signal(signal.SIGSTOP)
    time.sleep(AWAY)
    broker.signal(signal.SIGCONT)
    further(sales)
    killed(sales)
    assert completed(sales) == 2 * INVOICES
    assert killing.check_before_settling(control, flow("sale")) == sales.unknown <= 50, "one page at the most"
    killing.settle(control, flow("sale"), django_user_model.objects.create_user("night-shift"))
    again = runs.start(flow("sale"))
    assert again is not None
    completed(again)
    assert killing.check_sales(control, flow("sale")) == 2 * INVOICES
    assert [one.said for one in accounting.accounts() if one.said] == []
    assert set(SyncRun.objects.values_list("state", flat=True)) == {"completed"}


def test_a_worker_that_is_told_to_end_ends_its_page_and_another_goes_on(
    load: Load, start: Started, broker: ForgetfulBroker
) -> None:
    assert settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT + ENDED - STOP <= 30
    lines = ("A", "1", "7.50"), ("B", "2", "1.00")
    control = load(people(300), [invoice(f"SO-{n}", f"C-{n + 1}", *lines) for n in range(INVOICES)], **SIZES)
    secret = (Path(os.environ.get("STATE_DIR") or "var") / "secret-key").read_text(encoding="utf-8")
    own = {"CELERY_BROKER_URL": broker.url, "SECRET_KEY": secret, "SYNC_TICK_SECONDS": str(TICK),
           "WORKER_STOP_SECONDS": str(STOP), "REMAP_SIGTERM": "SIGQUIT"}  # fmt: skip
    command = (*CELERY, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle")
    worker = start(*command, **own)
    completed(begun("customer"))
    control.fault("slow", system="emarsys", seconds=0.5, bytes_per_second=0, times=0)
    run = begun("sale")
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    worker.wait(ENDED + 20)
    assert time.monotonic() - began < ENDED
    assert (fresh(run).state, run.epoch, run.attempt) == ("running", 1, 0), "its slice has ended"
    control.heal()
    start(*command, **own)
    assert completed(run) == 2 * INVOICES
    assert (run.accepted, run.unknown) == (2 * INVOICES, 0)
    assert killing.check_sales(control, flow("sale")) == 2 * INVOICES
    assert run.writes == len(control.requests("POST", "/sales-data/"))
