"""Runs: the list, one run's page while it works, the records of its buckets, cancel, run now."""

import json
import re
import zlib

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sync import progress
from sync.models import AuditEvent, CrossReference, Delivery, SyncRun
from tests.admin import desk_records, sample_runs
from tests.admin.desk_records import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    found = Client()
    found.force_login(person("admin"))
    return found


def text(client: Client, url: str) -> str:
    reply = client.get(url)
    assert reply.status_code == 200, reply.status_code
    return reply.content.decode()


def test_the_list_shows_each_run_with_where_its_records_ended(client: Client) -> None:
    run = sample_runs.finished(accepted=12, unchanged=400, rejected=3)
    html = text(client, "/console/sync/syncrun/")
    assert f"/console/sync/syncrun/{run.pk}/change/" in html
    for shown in ("12 accepted", "400 unchanged", "3 rejected", "Completed"):
        assert shown in html


def test_the_list_is_narrowed_by_flow_state_kind_and_day(client: Client) -> None:
    sample_runs.finished(accepted=1)
    failed = sample_runs.finished(desk_records.flow("sale"), state="failed")
    for query in ("flow=dynamics365.sale", "state=failed", f"day={timezone.localdate()}&state=failed"):
        runs = set(re.findall(r"/syncrun/(\d+)/change/", text(client, f"/console/sync/syncrun/?{query}")))
        assert runs == {str(failed.pk)}
    assert not re.findall(r"/syncrun/(\d+)/change/", text(client, "/console/sync/syncrun/?state=nonsense"))
    for query in ("day=yesterday", "day=2026-01-01%00", "flow=a%00b", "flow=nonsense"):
        assert not re.findall(r"/syncrun/(\d+)/change/", text(client, f"/console/sync/syncrun/?{query}"))


def test_the_list_costs_the_same_however_many_runs_there_are(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get("/console/sync/syncrun/")
        return len(captured)

    sample_runs.finished(accepted=1)
    few = queries()
    for number in range(40):
        sample_runs.finished(accepted=number)
    assert queries() == few <= 16


def test_a_running_run_shows_records_rate_and_time_left(client: Client) -> None:
    run = sample_runs.running(read=500, accepted=500, total=2000)
    found = progress.of(run)
    assert found.rate == pytest.approx(50, rel=0.1)
    assert found.left == pytest.approx(30, rel=0.1)
    assert found.percent == 25
    html = text(client, f"/console/sync/syncrun/{run.pk}/change/")
    assert f'data-poll="/console/sync/syncrun/{run.pk}/progress/"' in html
    assert "of 2,000" in html


def test_a_finished_run_is_not_asked_any_more(client: Client) -> None:
    run = sample_runs.finished(accepted=1)
    assert "data-poll" not in text(client, f"/console/sync/syncrun/{run.pk}/change/")


def test_the_progress_answers_with_numbers_and_the_part_of_the_page(client: Client) -> None:
    run = sample_runs.running(read=500, accepted=480, rejected=20, total=2000)
    found = client.get(f"/console/sync/syncrun/{run.pk}/progress/").json()
    assert (found["state"], found["active"], found["read"], found["total"]) == ("running", True, 500, 2000)
    assert found["buckets"]["rejected"] == 20
    assert "480 accepted" in found["html"]


def test_each_bucket_opens_exactly_its_records(client: Client) -> None:
    run = sample_runs.finished(accepted=3, rejected=2, unchanged=50)
    CrossReference.objects.create(flow=run.flow, source_id="gbsi|accepted-1", target_id="501")
    html = text(client, f"/console/sync/syncrun/{run.pk}/records/accepted/")
    assert re.findall(r'class="key">(gbsi\|accepted-\d)<', html) == [f"gbsi|accepted-{n}" for n in range(3)]
    assert ">501<" in html
    rejected = text(client, f"/console/sync/syncrun/{run.pk}/records/rejected/")
    assert len(re.findall(r'class="key">gbsi\|rejected', rejected)) == 2


def test_a_long_bucket_is_shown_page_by_page(client: Client) -> None:
    run = sample_runs.finished(accepted=450)
    seen: list[str] = []
    for page in (1, 2, 3):
        html = text(client, f"/console/sync/syncrun/{run.pk}/records/accepted/?page={page}")
        seen += re.findall(r'class="key">(gbsi\|accepted-\d+)<', html)
    assert len(set(seen)) == 450


def test_unchanged_records_are_counted_and_the_page_says_why_they_are_not_listed(client: Client) -> None:
    run = sample_runs.finished(unchanged=1234)
    html = text(client, f"/console/sync/syncrun/{run.pk}/records/unchanged/")
    assert "counted, not listed" in html
    assert "1,234" in html


def test_a_failed_run_says_in_plain_words_what_happened_and_what_it_means(client: Client) -> None:
    run = sample_runs.finished(state="failed", message="The system refused our credentials.")
    html = text(client, f"/console/sync/syncrun/{run.pk}/change/")
    assert "The system refused our credentials." in html
    assert "What was accepted stays accepted" in html


def test_a_delivery_opens_the_records_it_carried_with_its_outcome(client: Client) -> None:
    run, now = sample_runs.finished(accepted=1), timezone.now()
    delivery = Delivery.objects.create(
        run=run,
        flow=run.flow,
        key="k1",
        epoch=1,
        records=3,
        keys=zlib.compress(json.dumps(["gbsi|1", "gbsi|2", "gbsi|3"]).encode()),
        intended_at=now,
        finished_at=now,
        outcome="unknown",
        message=f"No answer about '{desk_records.CANARY}'",
    )
    assert "Unknown" in text(client, f"/console/sync/syncrun/{run.pk}/change/")
    html = text(client, f"/console/sync/syncrun/{run.pk}/delivery/{delivery.pk}/")
    assert re.findall(r'class="key">(gbsi\|\d)<', html) == ["gbsi|1", "gbsi|2", "gbsi|3"]
    assert "No answer about" in html
    assert "canary" not in html


def test_a_comparison_shows_its_findings_each_opening_its_exceptions(client: Client) -> None:
    findings = {
        "field_drift": {"records": 12, "money": {"GBP": "1200.50"}, "examples": ["gbsi|1", "gbsi|2"]},
        "orphan": {"records": 3, "money": {}, "examples": []},
    }
    run = sample_runs.finished(kind="compare", findings=findings, read=4339)
    html = text(client, f"/console/sync/syncrun/{run.pk}/change/")
    assert "12 × Field differs" in html
    assert "£1,200.50" in html
    assert "?q=gbsi%7C2" in html
    assert f"kind=orphan&amp;run={run.pk}" in html
    assert "12 × Field differs" in text(client, "/console/sync/syncrun/?kind=compare")


def test_an_audit_shows_what_it_found_and_says_that_it_changed_nothing(client: Client) -> None:
    run = sample_runs.finished(kind="compare", apply=False, findings={"orphan": {"records": 3}}, read=10)
    html = text(client, f"/console/sync/syncrun/{run.pk}/change/")
    assert "An audit only looks" in html
    assert "kind=orphan" not in html


def test_cancel_asks_the_run_to_stop_and_is_in_the_audit_log(client: Client) -> None:
    run = sample_runs.running()
    assert client.post(f"/console/sync/syncrun/{run.pk}/cancel/").status_code == 302
    run.refresh_from_db()
    assert run.cancel_requested
    assert AuditEvent.objects.get(object_type="syncrun").actor_name == "admin"


def test_a_queued_run_is_cancelled_at_once(client: Client) -> None:
    run = sample_runs.running(state="queued", started_at=None, read=0, accepted=0)
    client.post(f"/console/sync/syncrun/{run.pk}/cancel/")
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_run_now_queues_a_run_asked_by_the_person(client: Client) -> None:
    flow = desk_records.flow()
    reply = client.post(f"/console/sync/flow/{flow.pk}/run/", {"full": "on"})
    run = SyncRun.objects.get()
    assert reply["Location"] == f"/console/sync/syncrun/{run.pk}/change/"
    assert (run.state, run.full, run.trigger, run.asked_by.get_username()) == ("queued", True, "manual", "admin")


def test_run_now_twice_is_one_run(client: Client) -> None:
    flow = desk_records.flow()
    first = client.post(f"/console/sync/flow/{flow.pk}/run/")["Location"]
    assert client.post(f"/console/sync/flow/{flow.pk}/run/")["Location"] == first
    assert SyncRun.objects.count() == 1


def test_a_comparison_is_started_beside_a_sync(client: Client) -> None:
    flow = desk_records.flow()
    client.post(f"/console/sync/flow/{flow.pk}/run/")
    client.post(f"/console/sync/flow/{flow.pk}/run/", {"kind": "compare"})
    assert sorted(SyncRun.objects.values_list("kind", flat=True)) == ["compare", "sync"]


def test_people_without_the_right_have_no_buttons() -> None:
    run = sample_runs.running()
    viewer = Client()
    viewer.force_login(person("viewer"))
    html = text(viewer, f"/console/sync/syncrun/{run.pk}/change/") + text(
        viewer, f"/console/sync/flow/{run.flow_id}/change/"
    )
    for words in ("Cancel run", "Run now", "Pause this flow", "Full run"):
        assert words not in html


def test_a_page_that_does_not_exist_is_a_plain_not_found(client: Client) -> None:
    run = sample_runs.finished(accepted=1)
    huge = "9" * 40
    wrong = ("999999/change/", "abc/change/", f"{run.pk}/records/nonsense/", "999999/progress/", f"{huge}/change/")
    for path in (*wrong, f"{huge}/progress/", f"{run.pk}/delivery/{huge}/"):
        assert client.get(f"/console/sync/syncrun/{path}").status_code == 404
    assert client.get(f"/console/sync/flow/{huge}/change/").status_code == 404
    for page in (huge, "-1", "x", "99999"):
        assert client.get(f"/console/sync/syncrun/{run.pk}/records/accepted/?page={page}").status_code == 200
