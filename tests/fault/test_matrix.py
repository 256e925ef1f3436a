"""Rows of the fault matrix that no other test reaches: odd waits, new secrets, long outages, slow visibility."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from sync import clock, pending, pipeline, runs
from sync.models import ApiBudget, Delivery, PendingKey, SyncIssue, SyncRun
from tests.sync.conftest import (
    Load,
    buckets,
    flow,
    goes_on,
    in_thread,
    invoice,
    open_issues,
    people,
    sync,
    wait_until,
    worked,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


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


def test_a_target_that_is_down_for_six_hours_gets_the_newest_values_once_and_nothing_piles_up(load: Load) -> None:
    control = load(people(35), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    sync()
    control.fault("status", code=503, times=0, system="emarsys")
    kept = Delivery.objects.count()
    control.forget_requests()
    asked = [0]
    for half_hour in range(12):
        control.customer(f"C-{half_hour + 1}", AddressCity=f"Town {half_hour}")
        control.customer("C-35", AddressCity=f"Town {half_hour}")
        pending.ask(flow(), ["usmf|C-34"], "retry")
        SyncRun.objects.filter(state="waiting").update(wait_until=clock.now())
        due = runs.start(flow(), trigger="schedule", ring=False)
        run = due or SyncRun.objects.get(state__in=["queued", "waiting", "running"])
        worked(run)
        assert run.state in ("waiting", "failed")
        asked.append(len(control.requests()))
        assert asked[-1] - asked[-2] <= 20, "a slice tries a few times and waits"
    assert open_issues() == {("run_unavailable", "", "")}
    assert PendingKey.objects.count() == 1
    assert Delivery.objects.count() - kept <= 12 * 2
    assert SyncRun.objects.filter(state__in=["queued", "waiting", "running"]).count() <= 1

    control.heal()
    control.forget_requests()
    SyncRun.objects.filter(state="waiting").update(wait_until=clock.now())
    while runs.due():  # the run of the key that somebody asked for
        assert worked(SyncRun.objects.get(pk=runs.due()[0])).state == "completed"
    assert sync().state == "completed"
    assert (open_issues(), PendingKey.objects.count()) == (set(), 0)
    cities = {account: one["11"] for account, one in control.contacts().items()}
    assert cities["C-35"] == "Town 11"
    assert [cities[f"C-{half_hour + 1}"] for half_hour in range(12)] == [f"Town {half_hour}" for half_hour in range(12)]
    sent = [one for one in control.writes() if one["status"] == 200]
    assert sum(one["records"] for one in sent) <= 14, "each once, with its newest value"


BAD_PAGES: list[dict[str, Any]] = [
    {"kind": "duplicate_page"},
    {"kind": "duplicate_rows", "rows": 3},
    {"kind": "repeat_next_link"},
    {"kind": "stale_next_link"},
    {"kind": "mutate_rows", "delete": 1},
    {"kind": "mutate_rows", "insert": 1},
]


@pytest.mark.parametrize("fault", BAD_PAGES, ids=lambda one: "-".join(str(part) for part in one.values()))
@pytest.mark.parametrize("after", [0, 1])
def test_pages_that_repeat_overlap_or_shift_lose_and_double_nobody(
    load: Load, fault: dict[str, Any], after: int
) -> None:
    control = load(people(35), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    control("POST", "faults", {"system": "dynamics365", "path": "CustomersV3", "after": after, **fault})
    run = sync()
    assert run.state == "completed", run.message
    assert sum(buckets(run).values()) == run.read
    assert control("GET", "faults")[0]["struck"] >= 1
    control.heal()
    sync()
    left = {one["CustomerAccount"] for one in control("GET", "dynamics365/customers")}
    contacts = [one.get(control.key_field) for one in control.all_contacts()]
    assert len(contacts) == len(set(contacts)), "nobody twice"
    assert left <= set(contacts), "nobody lost"


def test_while_the_token_endpoint_is_down_the_token_is_used_and_then_the_run_waits(load: Load) -> None:
    control = load(people(35), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    control.fault("status", code=503, times=0, system="emarsys", path="/oauth2/token", after=1)
    control.fault("status", code=503, times=0, system="dynamics365", path="/token", after=1)
    run = sync()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 35}), "each token serves to its end"
    control.customer("C-1", AddressCity="York")
    run = sync()
    assert (run.state, open_issues()) == ("waiting", {("run_unavailable", "", "")})
    control.heal()
    run = goes_on(run)
    assert (run.state, control.contacts()["C-1"]["11"], open_issues()) == ("completed", "York", set())


@pytest.mark.parametrize("fault", BAD_PAGES[:4], ids=lambda one: "-".join(str(part) for part in one.values()))
@pytest.mark.parametrize("path", ["SalesInvoiceHeadersV2", "SalesInvoiceV2Lines"])
def test_such_pages_double_and_lose_no_line_of_a_sale(load: Load, fault: dict[str, Any], path: str) -> None:
    invoices = [invoice(f"SO-{n:02}", f"C-{n % 5 + 1}", ("A", "1", f"{n}.50"), ("B", "2", "1.00")) for n in range(20)]
    control = load(people(5), invoices, EMARSYS_SALES_BATCH="7", DYNAMICS365_PAGE_SIZE="9")
    sync()
    control("POST", "faults", {"system": "dynamics365", "path": path, "after": 1, **fault})
    run = sync("sale")
    assert run.state == "completed", run.message
    assert sum(buckets(run).values()) == run.read
    control.heal()
    sync("sale")
    sent = [row["s_invoice_line"] for row in control.sales()]
    assert len(sent) == len(set(sent)) == 40


def test_text_of_any_script_arrives_as_it_is_and_one_letter_written_in_two_ways_is_no_difference(load: Load) -> None:
    towns = [
        "\U0001f600 Zo\u00eb",
        "Zoe\u0308",
        "\u05d0\u05d1\u05d2 \u0645\u062d\u0645\u062f",
        "a\u200db",
        "\u0e19\u0e49\u0e33",
        "Q\u0301\u0323",
    ]
    control = load(people(len(towns)))
    for number, town in enumerate(towns, 1):
        control.customer(f"C-{number}", AddressCity=town)
    sync()
    contacts = control.contacts()
    assert [contacts[f"C-{number}"].get("11") for number in range(1, len(towns) + 1)] == [None, *towns[1:]]
    told = {("unsupported_characters", "usmf|C-1", "city")}
    assert open_issues() == told, "Emarsys takes no emoji there: the field is left out, the customer is not"
    control("PATCH", f"emarsys/contacts/{contacts['C-2']['id']}", {"11": "Zo\u00eb"})
    compared = sync(kind="compare")
    assert (compared.state, compared.findings, open_issues()) == ("completed", {}, told)
