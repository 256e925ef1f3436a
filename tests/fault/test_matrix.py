"""Rows of the fault matrix that no other test reaches: odd waits, new secrets, long outages, slow visibility."""

import os
from pathlib import Path

import pytest
from django.utils import timezone

from sync import pipeline, runs
from sync.models import ApiBudget, SyncIssue
from tests.sync.conftest import Load, buckets, flow, goes_on, in_thread, open_issues, people, sync, wait_until, worked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("asked", "seconds"), [("7200", 7_200), ("999999999999999", 86_400), ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400)]
)
@pytest.mark.parametrize(("system", "path"), [("dynamics365", "/data/CustomersV3"), ("emarsys", "/contact/")])
def test_a_long_or_absurd_retry_after_is_waited_for_in_the_database_a_day_at_most(
    load: Load, system: str, path: str, asked: str, seconds: float
) -> None:
    control = load(people(3))
    control.fault("status", code=429, headers={"Retry-After": asked}, times=0, system=system, path=path)
    run = sync()
    assert run.state == "waiting"
    assert run.wait_until is not None
    assert seconds - 10 < (run.wait_until - timezone.now()).total_seconds() < seconds + 1
    assert len(control.requests(path=path, system=system)) == 1
    control.heal()
    ApiBudget.objects.update(blocked_until=0)
    run = goes_on(run)
    assert (run.state, buckets(run)) == ("completed", {"accepted": 3})


def test_credentials_refused_twice_fail_the_run_and_a_new_secret_is_used_without_a_restart(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = load(people(35), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    secret = tmp_path / "secret"
    secret.write_text(os.environ["EMARSYS_CLIENT_SECRET"])
    secret.chmod(0o600)
    monkeypatch.setenv("EMARSYS_CLIENT_SECRET", f"file:{secret}")
    run = runs.start(flow(), ring=False)
    assert run is not None
    worked(run, seconds=0)
    before = len(control.all_contacts())
    assert 0 < before < 35

    control("PATCH", "emarsys/settings/demo", {"client_secret": "rotated"})
    control.fault("expire_token", system="emarsys")
    worked(run)
    assert (run.state, open_issues()) == ("failed", {("run_configuration", "", "")})
    told = run.message + str(SyncIssue.objects.get().details)
    assert "client secret" in run.message
    assert "emarsys" in run.message.lower()
    assert "rotated" not in told

    secret.write_text("rotated")
    run = sync()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 35 - before, "unchanged": before})
    assert open_issues() == set()


def test_a_secret_that_is_rotated_while_a_run_works_is_taken_up_by_the_same_run(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = load(people(35), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    secret = tmp_path / "secret"
    secret.write_text(os.environ["EMARSYS_CLIENT_SECRET"])
    secret.chmod(0o600)
    monkeypatch.setenv("EMARSYS_CLIENT_SECRET", f"file:{secret}")
    control.fault("slow", system="emarsys", method="PUT", path="/contact/", seconds=1.0)
    run = runs.start(flow(), ring=False)
    assert run is not None
    worker = in_thread(pipeline.work, run.pk)
    wait_until(lambda: bool(control("GET", "faults")[0]["struck"]))
    secret.write_text("rotated")
    control("PATCH", "emarsys/settings/demo", {"client_secret": "rotated"})
    control.fault("expire_token", system="emarsys")
    worker.join(30)
    run.refresh_from_db()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 35})
    assert len(control.requests("POST", "/oauth2/token")) == 2
    assert len(control.all_contacts()) == 35
