"""The start page answers: is everything fine, what is broken and what does it cost, what waits for me."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sync import overview
from sync.models import Breaker, Flow, SyncRun, WorkerProcess
from tests.admin import desk_records, sample_runs
from tests.admin.desk_records import person

pytestmark = pytest.mark.django_db


def page(role: str) -> str:
    client = Client()
    client.force_login(person(role))
    reply = client.get("/console/")
    assert reply.status_code == 200
    return reply.content.decode()


def test_a_healthy_company_is_told_that_everything_is_fine() -> None:
    sample_runs.finished(unchanged=4_000, accepted=12)
    html = page("admin")
    assert "Everything is fine" in html
    assert "4,000 unchanged" in html


def test_without_any_flow_the_page_says_what_to_do() -> None:
    assert "No flow yet" in page("admin")


def test_a_flow_without_a_recent_complete_run_is_late() -> None:
    long_ago = timezone.now() - timedelta(hours=9)
    sample_runs.finished(accepted=1, finished_at=long_ago)
    found = overview.context(person("admin"))
    assert found["lines"][0].freshness == "late"
    assert [p.text for p in found["problems"]] == [
        "dynamics365.customer is late: its target is a completed run every 60 minutes"
    ]


def test_open_exceptions_are_not_called_everything_fine() -> None:
    sample_runs.finished(accepted=1)
    desk_records.issue()
    html = page("marketing")
    assert "The flows are fine" in html
    assert "Everything is fine" not in html


def test_a_retry_of_a_few_keys_does_not_make_a_flow_fresh() -> None:
    sample_runs.finished(accepted=1, keys_only=True)
    assert overview.context(person("admin"))["lines"][0].freshness == "never"


def test_a_paused_flow_is_named_with_its_note_and_is_not_called_late() -> None:
    flow = desk_records.flow()
    Flow.objects.filter(pk=flow.pk).update(paused_at=timezone.now(), paused_note="month end")
    texts = [p.text for p in overview.context(person("admin"))["problems"]]
    assert texts == ["dynamics365.customer is paused: month end"]


def test_a_failed_run_is_a_problem_that_opens_the_run() -> None:
    sample_runs.finished(accepted=1)
    failed = sample_runs.finished(state="failed", message="503")
    problem = overview.context(person("marketing"))["problems"][0]
    assert problem.url == f"/console/sync/syncrun/{failed.pk}/change/"


def test_a_breaker_is_one_problem_that_says_what_it_saw() -> None:
    failed = sample_runs.finished(state="failed", message="Stopped before damage.")
    Flow.objects.filter(pk=failed.flow_id).update(paused_at=timezone.now(), paused_note="Breaker mass change")
    cause = {"seen": "158 of 397 linked records would be changed."}
    limits = {"percent": 20, "minimum": 100}
    Breaker.objects.create(
        flow=failed.flow, kind="mass_change", tripped_at=timezone.now(), run=failed, cause=cause, **limits
    )
    problems = overview.context(person("viewer"))["problems"]
    assert [(p.tone, p.text, p.url) for p in problems] == [
        (
            "bad",
            "A breaker stopped dynamics365.customer: 158 of 397 linked records would be changed.",
            f"/console/sync/flow/{failed.flow_id}/change/",
        )
    ]


def test_a_flow_that_did_not_start_is_named_to_operations() -> None:
    sample_runs.finished(accepted=1)
    desk_records.issue("flow_late", "")
    assert "Flow did not start" in overview.context(person("admin"))["problems"][0].text
    assert not overview.context(person("finance"))["problems"]


def worker(host: str, seconds_ago: int, **given: object) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerProcess.objects.create(name=f"{host}:7", kind="worker", host=host, pid=7, started_at=at, seen_at=at, **given)


def test_when_no_worker_lives_everybody_is_told_that_nothing_runs() -> None:
    sample_runs.finished(accepted=1)
    worker("app-1", 300)
    told = overview.context(person("admin"))["problems"]
    assert [(p.tone, p.url) for p in told] == [("bad", "/console/sync/workerprocess/")]
    assert "nothing runs" in told[0].text
    marketing = overview.context(person("marketing"))["problems"]
    assert [p.url for p in marketing] == [""], "a link must not lead to a page that is refused"
    worker("app-2", 1)
    told = overview.context(person("admin"))["problems"]
    assert [(p.tone, p.text) for p in told] == [("warn", "No worker lives on app-1 any more; the others do its work")]


def test_a_worker_that_was_replaced_or_stopped_in_good_order_is_not_missed() -> None:
    sample_runs.finished(accepted=1)
    worker("app-2", 3600, stopped_at=timezone.now())
    worker("app-1", 1)
    WorkerProcess.objects.filter(host="app-1").update(name="app-1:8")
    worker("app-1", 3600)
    assert not overview.context(person("admin"))["problems"]


def test_unknown_outcomes_are_named_with_their_age_and_number_of_records() -> None:
    since = timezone.now() - timedelta(hours=5)
    desk_records.issue("unknown_outcome", "", entity="sale", records=37, first_seen_at=since)
    problem = overview.context(person("finance"))["problems"][0]
    assert problem.text.startswith("37 records sent")
    assert problem.since == since
    assert "team=finance&amp;kind=unknown_outcome" in page("finance")


def test_value_at_risk_is_never_added_across_currencies() -> None:
    for currency, amount in (("GBP", "10.00"), ("GBP", "5.50"), ("EUR", "7.00")):
        desk_records.issue("zero_total", f"{currency}{amount}", entity="sale", money=Decimal(amount), currency=currency)
    desk = overview.context(person("finance"))["desks"][0]
    assert desk.money == {"GBP": Decimal("15.50"), "EUR": Decimal("7.00")}
    html = page("finance")
    assert "£15.50" in html
    assert "€7.00" in html


def test_each_role_sees_its_own_desk_first_and_no_other_teams() -> None:
    desk_records.issue()
    desk_records.issue("zero_total", "gbsi|1|1", entity="sale")
    named = {role: [d.name for d in overview.context(person(role))["desks"]] for role in ("marketing", "finance")}
    assert named == {"marketing": ["Marketing"], "finance": ["Finance"]}
    assert len(overview.context(person("viewer"))["desks"]) == 3
    assert "Invoice with a total of zero" not in page("marketing")


def test_every_number_opens_the_list_that_counts_it() -> None:
    for number in range(3):
        desk_records.issue("field_drift", f"gbsi|{number}")
    desk_records.issue("orphan", target_id="9")
    client = Client()
    client.force_login(person("marketing"))
    html = client.get("/console/").content.decode()
    links = re.findall(r'<a href="([^"]*kind=[^"]*)">[^<]*</a><span class="num">(\d+)</span>', html)
    assert len(links) == 2
    for url, number in links:
        listed = client.get(url.replace("&amp;", "&")).content.decode()
        assert len(set(re.findall(r"/console/sync/syncissue/(\d+)/change/", listed))) == int(number)


def test_my_queue_holds_what_is_assigned_to_me_by_due_date() -> None:
    me, now = person("marketing"), timezone.now()
    desk_records.issue("orphan", "gbsi|late", assignee=me, due_at=now + timedelta(days=2))
    desk_records.issue("orphan", "gbsi|soon", assignee=me, due_at=now - timedelta(days=1))
    desk_records.issue("orphan", "gbsi|other", assignee=person("marketing", "mia"))
    queue = overview.context(me)["queue"]
    assert [(line["issue"].source_id, line["late"]) for line in queue] == [("gbsi|soon", True), ("gbsi|late", False)]


def test_somebody_without_a_role_sees_no_flows_and_is_told_whom_to_ask() -> None:
    sample_runs.finished(accepted=1)
    user = person("viewer", "newcomer")
    user.groups.clear()
    client = Client()
    client.force_login(user)
    html = client.get("/console/").content.decode()
    assert "no role yet" in html
    assert "dynamics365.customer" not in html


def test_the_chart_counts_records_and_exceptions_of_the_last_fourteen_days() -> None:
    sample_runs.finished(accepted=40, rejected=2)
    old = sample_runs.finished(accepted=7)
    SyncRun.objects.filter(pk=old.pk).update(queued_at=timezone.now() - timedelta(days=20))
    desk_records.issue()
    chart = overview.context(person("marketing"))["chart"]
    assert len(chart.days) == 14
    assert [(day.total, day.found) for day in chart.days[-1:]] == [(42, 1)]
    assert sum(day.total for day in chart.days) == 42


def test_the_number_of_queries_does_not_grow_with_runs_flows_or_exceptions() -> None:
    client = Client()
    client.force_login(person("admin"))

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            client.get("/console/")
        return len(captured)

    sample_runs.finished(accepted=1)
    desk_records.issue()
    few = queries()
    for number in range(30):
        sample_runs.finished(desk_records.flow(f"stream{number % 5}"), accepted=number)
        desk_records.issue("orphan", f"gbsi|{number}", assignee=person("admin"))
    assert queries() == few <= 20


def test_the_demo_says_that_its_people_are_generated(settings: pytest.FixtureRequest) -> None:
    settings.ENVIRONMENT_NAME = "Demo"
    assert "names, e-mails and consents are generated" in page("viewer")
    settings.ENVIRONMENT_NAME = "Staging"
    html = page("viewer")
    assert "generated" not in html
    assert "Staging" in html


def test_the_sidebar_shows_only_what_the_role_may_open_with_its_open_counts() -> None:
    for number in range(3):
        desk_records.issue("field_drift", f"gbsi|{number}")
    marketing, viewer = page("marketing"), page("viewer")
    assert ">Users<" not in marketing
    assert ">Control totals<" not in marketing
    assert ">Audit log<" in viewer
    assert ">My queue<" not in viewer
    assert re.search(r'class="badge badge-hot"[^>]*>3<', marketing)


def test_a_badge_stops_counting_at_a_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    from sync.templatetags.console import capped

    assert capped(999) == "999"
    assert capped(1000) == "999+"
