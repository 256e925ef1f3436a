"""A segment at the emulated Emarsys against the customers of the emulated ERP, over HTTP."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import flows, pipeline, runs, segment_check
from sync.models import Flow, SegmentCheck, SyncIssue
from tests.admin.desk_records import drift, issue, person

pytestmark = pytest.mark.django_db
CUSTOMERS = """customer_id,email,first_name,last_name,country,birth_date,loyalty_tier
C-1,ana@example.com,Ana,Diaz,GB,1980-02-29,gold
C-2,bo@example.com,Bo,Baker,GB,,platinum
C-3,cy@example.com,Cy,Young,GB,,gold
C-4,di@example.com,Di,Dorn,DE,,gold
C-5,ed@example.com,Ed,East,GB,,silver
"""
SEGMENT = "UK gold and platinum customers"
Control = Callable[..., Any]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "connectors.emulators", "--port", str(port), "--dataset", str(folder)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen([*command, "--no-drift"], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/_control"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def control(address: str) -> Control:
    def call(method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{address}/{path}", data, {"Content-Type": "application/json"}, method=method)
        for _ in range(150):
            try:
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer) if answer.status != 204 else None
            except OSError as error:
                if isinstance(error, urllib.error.HTTPError) and error.code != 503:  # 503: they are still loading
                    raise
                time.sleep(0.1)
        raise AssertionError("the emulators did not start")

    return call


@pytest.fixture
def synced(control: Control, monkeypatch: pytest.MonkeyPatch) -> Control:
    """Both systems connected, and every customer in Emarsys."""
    systems = control("GET", "systems")
    erp, esp = systems["dynamics365"], systems["emarsys"]
    settings = {
        "DYNAMICS365_URL": erp["environment"],
        "DYNAMICS365_TENANT": erp["tenant"],
        "DYNAMICS365_TOKEN_URL": erp["token_url"],
        "DYNAMICS365_CLIENT_ID": erp["clients"][0]["client_id"],
        "DYNAMICS365_CLIENT_SECRET": erp["clients"][0]["client_secret"],
        "EMARSYS_URL": esp["url"],
        "EMARSYS_TOKEN_URL": esp["token_url"],
        "EMARSYS_CLIENT_ID": esp["client_id"],
        "EMARSYS_CLIENT_SECRET": esp["client_secret"],
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    flows.ensure()
    run = runs.start(Flow.objects.get(name="dynamics365.customer"))
    assert run is not None
    pipeline.work(run.pk)
    run.refresh_from_db()
    assert (run.state, run.accepted) == ("completed", 5), run.message
    return control


def checked(name: str = SEGMENT) -> SegmentCheck:
    user = person("marketing")
    segment_check.run(segment_check.ask("emarsys", user).pk)
    found, _ = segment_check.listed("emarsys")
    segment = next(one for one in found if one["name"] == name)
    check = segment_check.ask("emarsys", user, segment["id"], name)
    segment_check.run(check.pk)
    check.refresh_from_db()
    return check


def contacts(control: Control) -> dict[str, str]:
    """E-mail → id of the contacts as Emarsys stores them."""
    listed = control("GET", "emarsys/contacts?limit=100")
    rows = listed if isinstance(listed, list) else next(one for one in listed.values() if isinstance(one, list))
    return {row["3"]: row["id"] for row in rows if row.get("3")}


def wrong(check: SegmentCheck) -> set[tuple[str, str, str, str]]:
    found = check.findings.values_list("direction", "source_id", "cause", "message")
    return {(direction, source_id.rpartition("|")[2], cause, said) for direction, source_id, cause, said in found}


def test_a_segment_is_judged_person_by_person_with_the_cause_of_each(synced: Control) -> None:
    check = checked()
    assert (check.state, check.readable, check.members, check.expected) == ("completed", True, 3, 3), check.message
    assert check.verdict == "send"
    assert check.criteria["labels"]["country"]["184"] == "GB"

    ids = contacts(synced)
    tier = next(
        name for name, value in synced("GET", f"emarsys/contacts/{ids['ana@example.com']}").items() if value == "gold"
    )
    synced("PATCH", f"emarsys/contacts/{ids['ana@example.com']}", {tier: "silver"})
    synced("PATCH", f"emarsys/contacts/{ids['ed@example.com']}", {tier: "gold"})
    synced("DELETE", f"emarsys/contacts/{ids['bo@example.com']}")
    orphan = {"3": "orphan@example.net", "14": "184", tier: "gold"}
    synced("PUT", "emarsys/contacts/990001", orphan)
    key = Flow.objects.get(name="dynamics365.customer").links.order_by("source_id").first().source_id
    known = drift(key, target_id=ids["ana@example.com"])
    SyncIssue.objects.filter(pk=known.pk).update(field="loyalty_tier")
    stray = issue("orphan", "", target_id="990001")

    check = checked()
    assert wrong(check) == {
        ("missing", "C-1", "field_drift", "loyalty_tier"),
        ("missing", "C-2", "contact_missing", ""),
        ("extra", "C-5", "field_drift", "loyalty_tier"),
        ("extra", "", "orphan", ""),
    }
    assert (check.verdict, check.missing, check.extra) == ("wait", 2, 2)
    linked = dict(check.findings.exclude(issue=None).values_list("issue_id", "cause"))
    assert linked == {known.pk: "field_drift", stray.pk: "orphan"}


def test_a_segment_that_reads_consent_or_behaviour_shows_its_size_and_says_why_no_more(synced: Control) -> None:
    consent = checked("Newsletter Germany")
    assert (consent.state, consent.readable, consent.verdict) == ("completed", False, "ask")
    assert "optin" in consent.why_not
    behaviour = checked("Visited the shop in the last 30 days")
    assert not behaviour.readable
    assert not behaviour.findings.exists()


def test_a_check_that_cannot_reach_emarsys_ends_in_words(synced: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMARSYS_CLIENT_SECRET", "wrong")
    check = segment_check.ask("emarsys", person("marketing"))
    segment_check.run(check.pk)
    check.refresh_from_db()
    assert check.state == "failed"
    assert len(check.message) > 20


def test_asking_twice_makes_one_check(synced: Control) -> None:
    user = person("marketing")
    assert segment_check.ask("emarsys", user).pk == segment_check.ask("emarsys", user).pk
