"""Who tries a door that is not theirs is told so, and it is written down."""

import pytest
from django.test import Client

from sync.models import AuditEvent
from tests.admin.desk_records import person

pytestmark = pytest.mark.django_db


def test_a_refused_address_stands_in_the_audit_trail(client: Client) -> None:
    client.force_login(person("viewer"))
    assert client.get("/console/auth/user/").status_code == 403
    event = AuditEvent.objects.get(action="access denied")
    assert (event.actor_name, event.after["path"]) == ("viewer", "/console/auth/user/")


def test_an_open_door_is_no_news(client: Client) -> None:
    client.force_login(person("viewer"))
    assert client.get("/console/").status_code == 200
    assert not AuditEvent.objects.filter(action="access denied").exists()
