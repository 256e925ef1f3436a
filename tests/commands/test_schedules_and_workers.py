"""schedule, workers, watermark, pause --until."""

from datetime import timedelta

import pytest

from sync import clock, workers
from sync.models import Flow, WorkerProcess
from tests.commands.conftest import Run
from tests.sync.conftest import Load, people

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS, SALES = "dynamics365.customer", "dynamics365.sale"


def test_a_schedule_is_set_shown_and_switched_off(run: Run, load: Load) -> None:
    load(people(1))
    assert run("schedule", CUSTOMERS).out.strip() == f"{CUSTOMERS} has no schedule."
    told = run("schedule", CUSTOMERS, "--daily", "01:30", "--zone", "Europe/London", "--missed", "skip", "--json").one
    assert (told["schedule"], told["missed"], told["overlap"], len(told["next"])) == (
        "daily at 01:30, Europe/London", "skip", "coalesce", 5,
    )  # fmt: skip
    assert run("schedule", CUSTOMERS, "--off", "--json").one["next"] == []
    assert "every 5 minutes" in run("schedule", CUSTOMERS, "--every", "5", "--on", "--overlap", "queue").out
    for wrong in (("--every", "0"), ("--every", "0.01"), ("--daily", "25:00"), ("--zone", "Mars/Olympus")):
        assert run("schedule", CUSTOMERS, *wrong).code == 2
    assert "every 5 minutes" in run("schedule", CUSTOMERS).out


def test_a_pause_has_a_date(run: Run, load: Load) -> None:
    load(people(1))
    assert run("pause", CUSTOMERS, "--until", "2020-01-01T00:00Z").code == 2
    later = (clock.now() + timedelta(days=1)).isoformat()
    assert run("pause", CUSTOMERS, "--note", "price import", "--until", later, "--json").one["paused_until"]
    assert Flow.objects.get(name=CUSTOMERS).paused_until is not None


def test_a_pause_is_not_paused_over(run: Run, load: Load) -> None:
    load(people(1))
    assert run("pause", CUSTOMERS, "--note", "Stopped for good reason").code == 0
    again = run("pause", CUSTOMERS, "--note", "price import", "--until", (clock.now() + timedelta(days=1)).isoformat())
    assert (again.code, "is paused already: Stopped for good reason" in again.err) == (1, True)
    assert run("pause", CUSTOMERS, "--json").one["paused_note"] == "Stopped for good reason"
    assert Flow.objects.get(name=CUSTOMERS).paused_until is None


def test_workers_say_who_is_gone_and_what_to_do(run: Run) -> None:
    workers.alive()
    now = clock.now()
    WorkerProcess.objects.create(name="h:1", host="h", pid=1, started_at=now, seen_at=now - timedelta(minutes=9))
    found = {row["state"]: row["what_to_do"] for row in run("workers", "--json").rows}
    assert found == {"alive": "Nothing.", "gone": "Start a worker again on h (script/worker)."}
    assert "gone" in run("workers").out


def test_a_watermark_is_moved_back_only_with_yes_and_a_reason(run: Run, load: Load) -> None:
    load(people(1))
    Flow.objects.filter(name=SALES).update(watermark="2026-11-20")
    assert run("watermark", SALES, "--json").one["watermark"] == "2026-11-20"
    assert run("watermark", SALES, "--reset", "2026-11-01", "--json").one["moved"] is False
    assert run("watermark", SALES, "--reset", "2026-11-01", "--yes").code == 1
    assert run("watermark", SALES, "--reset", "2026-11-01", "--yes", "--reason", "wrong prices").code == 0
    assert Flow.objects.get(name=SALES).watermark == "2026-11-01"
    assert run("watermark", SALES, "--undo").code == 0
    assert Flow.objects.get(name=SALES).watermark == "2026-11-20"
    assert run("watermark", SALES, "--undo").code == 1
