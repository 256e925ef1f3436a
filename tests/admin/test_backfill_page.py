"""The backfill's form and preview: what was pasted is answered for, id by id."""

import pytest
from django.test import Client
from django.urls import reverse

from sync.models import Backfill, CrossReference
from tests.admin.desk_records import person
from tests.sync.conftest import Load, emulators, flow, load, people

__all__ = ["emulators", "load"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin() -> Client:
    client = Client(headers={"accept": "text/html"})
    client.force_login(person("admin"))
    return client


def test_the_preview_says_what_was_completed_and_what_is_not_clear(load: Load, admin: Client) -> None:
    load(people(1))
    for key in ("usmf|C-1", "usmf|C-2", "gbsi|C-2"):
        CrossReference.objects.create(flow=flow(), source_id=key, state="active")
    url = reverse("admin:sync_flow_backfill", args=[flow().pk])
    answer = admin.post(url, {"ids": "C-1 C-2 X-1", "reason": "city was empty"}, follow=True)
    page = answer.content.decode()
    assert Backfill.objects.get().number == 1
    assert "C-1 = usmf|C-1" in page
    assert "C-2: gbsi|C-2 or usmf|C-2" in page
    assert "paste COMPANY|ID, with one of gbsi, usmf" in page
