"""A worker killed at each commit point, and another that goes on: nothing lost, nothing doubled."""

import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest
from celery import Celery
from django.db.models import Sum

from sync import runs
from sync.models import CrossReference, LedgerEntry, SyncIssue, SyncRun
from tests.fault.conftest import Started, kill
from tests.sync.conftest import Control, Load, flow, invoice, people, sync, wait_until

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
SMALL = {"DYNAMICS365_PAGE_SIZE": "10", "EMARSYS_CONTACT_BATCH": "10", "EMARSYS_SALES_BATCH": "10"}
INVOICES = [invoice(f"SO-{n}", f"C-{n % 5 + 1}", ("A", "1", f"{n}.50"), ("B", "2", "1.00")) for n in range(1, 16)]
POINTS = ["after_intent:2", "after_call:2", "after_remember:2", "before_completion", "after_completion"]


def crash(start: Started, stream: str, point: str) -> None:
    process = start("manage.py", "sync", f"dynamics365.{stream}", SYNC_CRASHPOINT=point)
    said, _ = process.communicate(timeout=40)
    assert process.returncode == -signal.SIGKILL, said


def again(start: Started, stream: str) -> None:
    process = start("manage.py", "sync", f"dynamics365.{stream}")
    said, _ = process.communicate(timeout=40)
    assert process.returncode == 0, said


@pytest.mark.parametrize("point", POINTS)
def test_customers_survive_a_kill(load: Load, start: Started, point: str) -> None:
    control = load(people(35), **SMALL)
    crash(start, "customer", point)
    again(start, "customer")
    contacts = control.contacts()
    assert len(control.all_contacts()) == len(contacts) == 35
    links = dict(CrossReference.objects.filter(state="active").values_list("source_id", "target_id"))
    assert links == {f"usmf|{account}": one["id"] for account, one in contacts.items()}
    done = SyncRun.objects.order_by("pk").last()
    assert done is not None
    assert (done.state, SyncRun.objects.count()) == ("completed", 2 if point == "after_completion" else 1)
    assert not SyncRun.objects.exclude(state="completed").exists()


@pytest.mark.parametrize("point", POINTS)
def test_sales_survive_a_kill(load: Load, start: Started, point: str) -> None:
    control = load(people(5), INVOICES, **SMALL)
    sync()
    crash(start, "sale", point)
    again(start, "sale")
    settled(control, unknown=10 if point.startswith(("after_intent", "after_call")) else 0)
    if point.startswith("after_call"):
        assert len(control.sales()) == 30, "they had arrived; only the console does not know"


def settled(control: Control, unknown: int) -> None:
    """Each line once at most; all that is not in the ledger as accepted is honestly unknown, with its money."""
    lines = dict(LedgerEntry.objects.values_list("source_id", "state"))
    sent = [row["s_invoice_line"] for row in control.sales()]
    assert len(sent) == len(set(sent))
    assert len(lines) == 30
    accepted = {key for key, state in lines.items() if state == "accepted"}
    unclear = {key for key, state in lines.items() if state == "unknown"}
    assert accepted <= set(sent) <= accepted | unclear
    assert (len(unclear), len(accepted)) == (unknown, 30 - unknown)
    if unknown:
        issue = SyncIssue.objects.get(state="open")
        money = LedgerEntry.objects.filter(state="unknown").aggregate(money=Sum("amount"))["money"]
        assert (issue.kind, issue.records, issue.money) == ("unknown_outcome", unknown, Decimal(str(money)))
    else:
        assert not SyncIssue.objects.filter(state="open").exists()


def broker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Celery, dict[str, str]]:
    """A broker of this test's own (a folder, or database 13 of the Redis that CELERY_BROKER_URL names)."""
    url = os.environ.get("CELERY_BROKER_URL", "")
    app = Celery("doorbell", set_as_current=False)
    if url.startswith("redis"):
        own = f"{url.rsplit('/', 1)[0] if url.count('/') > 2 else url}/13"
        monkeypatch.setenv("CELERY_BROKER_URL", own)  # Celery asks it before any setting
        app.conf.update(broker_url=own)
        app.control.purge()
        return app, {"CELERY_BROKER_URL": own}
    messages, control = folder / "broker" / "messages", folder / "broker" / "control"
    for one in (messages, control):
        one.mkdir(parents=True)
    app.conf.update(
        broker_url="filesystem://",
        broker_transport="integration_console.broker:Transport",
        broker_transport_options={
            "data_folder_in": str(messages),
            "data_folder_out": str(messages),
            "control_folder": str(control),
        },
    )
    return app, {"CELERY_BROKER_URL": "filesystem://", "STATE_DIR": str(folder)}


def test_a_celery_worker_killed_mid_run_is_followed_by_another_on_the_same_run(
    load: Load, start: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = load(people(45), **SMALL)
    app, own = broker(tmp_path, monkeypatch)
    secret = (Path(os.environ.get("STATE_DIR") or "var") / "secret-key").read_text(encoding="utf-8")
    command = ("-m", "celery", "-A", "integration_console.celery", "worker", "--concurrency", "1", "--loglevel",
               "WARNING", "--without-gossip", "--without-mingle")  # fmt: skip
    control.fault("slow", system="dynamics365", path="CustomersV3.*gt", after=1, seconds=3)
    run = runs.start(flow(), ring=False)
    assert run is not None
    first = start(*command, SECRET_KEY=secret, **own)
    app.send_task("sync.tasks.work", args=[run.pk])
    try:
        wait_until(lambda: SyncRun.objects.get(pk=run.pk).pages >= 2, 40)
    finally:
        kill(first)
    run.refresh_from_db()
    assert (run.state, run.epoch) == ("running", 1)
    done = run.accepted
    start(*command, SECRET_KEY=secret, **own)

    def completed() -> bool:
        app.send_task("sync.tasks.tick")  # as beat does it
        return SyncRun.objects.get(pk=run.pk).state == "completed"

    wait_until(completed, 40, pause=1)
    run.refresh_from_db()
    assert (run.accepted, run.epoch > 1, SyncRun.objects.count()) == (45, True, 1)
    assert 20 <= done < 45
    assert len(control.all_contacts()) == 45
    assert sum(one["records"] for one in control.requests("PUT", "/contact/")) <= 55
