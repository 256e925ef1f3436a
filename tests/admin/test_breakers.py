"""A stopped flow's page says why with numbers, and one press lets it go on."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sync.models import AuditEvent, Breaker, Flow
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
