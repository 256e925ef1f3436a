"""A stopped flow's page says why with numbers, and one press lets it go on."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sync import breaker_limits
from sync.models import AuditEvent, Breaker, Flow, SyncRun
from tests.admin import desk_records
from tests.admin.desk_records import person

pytestmark = pytest.mark.django_db


def test_the_flow_page_explains_the_stop_and_resumes_it_once() -> None:
    flow = desk_records.flow()
    Flow.objects.filter(pk=flow.pk).update(paused_at=timezone.now(), paused_note="Breaker")
    cause = {"seen": "3,000 of 10,000 linked records would be changed.", "limit": "The limit is 2,000.",
             "numbers": {"seen": 3000, "limit": 2000}, "examples": ["C-1"]}  # fmt: skip
    Breaker.objects.create(flow=flow, kind="mass_change", percent=20, minimum=100, tripped_at=timezone.now(),
                           cause=cause)  # fmt: skip
    client = Client()
    client.force_login(person("admin"))
    page = client.get(reverse("admin:sync_flow_change", args=[flow.pk])).content.decode()
    assert "3,000 of 10,000 linked records would be changed." in page
    assert "Resume and allow this once" in page
    client.post(reverse("admin:sync_flow_breaker_keep", args=[flow.pk]), {"note": "Asked the ERP team"})
    flow.refresh_from_db()
    assert flow.paused_note == "Asked the ERP team"
    client.post(reverse("admin:sync_flow_breaker_allow", args=[flow.pk]), {"kind": "mass_change"})
    flow.refresh_from_db()
    assert not flow.paused
    assert Breaker.objects.get().allowed_once
    assert AuditEvent.objects.get(action="resume and allow once").actor_name == person("admin").get_username()


def limits(**changed: str) -> dict[str, str]:
    """As the page of a customer flow sends them."""
    stored = {"error_rate": (25, 50), "mass_change": (20, 100), "mass_deactivation": (5, 20), "zero_records": (0, 10),
              "out_of_range": (75, 50)}  # fmt: skip
    sent = {"why": "Spring clean-up"}
    for kind, (percent, minimum) in stored.items():
        sent |= {f"{kind}-on": "on", f"{kind}-percent": str(percent), f"{kind}-minimum": str(minimum)}
    return sent | changed


def test_limits_are_changed_on_their_page_and_only_what_differs_is_audited() -> None:
    flow = desk_records.flow()
    client = Client()
    client.force_login(person("admin"))
    url = reverse("admin:sync_flow_breakers", args=[flow.pk])
    assert "Trips when a run is about to end or put on hold too many records." in client.get(url).content.decode()
    assert client.post(url, limits(**{"mass_deactivation-percent": "12"})).status_code == 302
    breaker = Breaker.objects.get()
    assert (breaker.kind, breaker.percent, breaker.minimum, breaker.on) == ("mass_deactivation", 12, 20, True)
    event = AuditEvent.objects.get(action="change breaker")
    assert (event.before["percent"], event.after["percent"], event.reason) == (5, 12, "Spring clean-up")


@pytest.mark.parametrize(
    "wrong", [{"why": ""}, {"mass_change-percent": "101"}, {"mass_change-percent": "0"}, {"zero_records-minimum": ""}]
)
def test_a_limit_that_is_none_or_without_a_reason_is_not_stored(wrong: dict[str, str]) -> None:
    flow = desk_records.flow()
    client = Client()
    client.force_login(person("admin"))
    url = reverse("admin:sync_flow_breakers", args=[flow.pk])
    answer = client.post(url, limits(**{"error_rate-percent": "30"} | wrong))
    assert "nothing was stored" in answer.content.decode()
    assert not Breaker.objects.exists()


def test_who_may_only_look_reads_the_limits_in_sentences() -> None:
    client = Client()
    client.force_login(person("marketing"))
    url = reverse("admin:sync_flow_breakers", args=[desk_records.flow().pk])
    page = client.get(url).content.decode()
    assert "20 % of the linked records, and at least 100 changed records." in page
    assert "Save limits" not in page
    assert client.post(url, limits()).status_code == 403


def test_beside_each_limit_stand_what_is_usual_and_the_last_trip_in_as_many_queries() -> None:
    flow = desk_records.flow()
    client = Client()
    client.force_login(person("admin"))
    url = reverse("admin:sync_flow_breakers", args=[flow.pk])
    assert "No run has completed yet." in client.get(url).content.decode()
    SyncRun.objects.create(flow=flow, state="completed", read=300, unchanged=300, changes=7)
    with CaptureQueriesContext(connection) as first:
        page = client.get(url).content.decode()
    assert "Usually 7 a run (the last completed run). Of 0 linked records: trips above 100." in page
    run = SyncRun.objects.create(flow=flow, state="failed", finished_at=timezone.now())
    for line in breaker_limits.lines(flow):
        line.breaker.run, line.breaker.cause = run, {"seen": "Far too many."}
        line.breaker.resumed_by, line.breaker.resumed_at = person("admin"), timezone.now()
        line.breaker.save()
    with CaptureQueriesContext(connection) as second:
        page = client.get(url).content.decode()
    assert page.count("Far too many.") == Breaker.objects.count() == 5
    assert len(second) <= len(first)
