"""A flow's page: switched on or not, what waits, and which comparisons it can be asked for."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sync.models import AuditEvent, Flow, SyncRun
from sync.models.flow import NOT_WANTED_YET
from tests.admin import desk_records, sample_runs
from tests.admin.desk_records import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.runs.ring_for", lambda run_id: None)


def of(role: str) -> Client:
    client = Client()
    client.force_login(person(role))
    return client


def flow(entity: str, **given: Any) -> Flow:
    found = desk_records.flow(entity)
    Flow.objects.filter(pk=found.pk).update(**given)
    found.refresh_from_db()
    return found


def page(client: Client, shown: Flow) -> str:
    answer = client.get(f"/console/sync/flow/{shown.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def ask(client: Client, asked: Flow, **given: str) -> Any:
    return client.post(f"/console/sync/flow/{asked.pk}/run/", given, follow=True)


@pytest.mark.parametrize(
    ("entity", "compare", "keys"),
    [
        ("customer", True, True),
        ("sale", True, True),
        ("consent", True, False),
        ("order_status", True, False),
        ("order_event", False, False),
        ("product", False, False),
        ("attribution", False, False),
        ("purchase", False, False),
    ],
)
def test_only_what_can_be_compared_is_offered_and_taken(entity: str, compare: bool, keys: bool) -> None:
    admin, asked = of("admin"), flow(entity)
    html = page(admin, asked)
    assert ("Compare now" in html, "Compare keys" in html) == (compare, keys)
    assert ("Why it is not compared" in html) is not compare
    for kind, possible in (("compare", compare), ("sweep", keys)):
        ask(admin, asked, kind=kind)
        assert SyncRun.objects.filter(kind=kind).exists() is possible


def test_a_sweep_is_queued_once_and_asked_for_by_a_name(client: Client) -> None:
    asked = flow("customer")
    first = ask(of("admin"), asked, kind="sweep")
    second = ask(of("admin"), asked, kind="sweep")
    run = SyncRun.objects.get()
    assert (run.kind, run.state, run.asked_by.get_username()) == ("sweep", "queued", "admin")
    assert "The run is queued" in first.content.decode()
    assert "active already" in second.content.decode()


def test_a_run_asked_for_on_a_paused_flow_is_said_to_wait() -> None:
    asked = flow("customer", paused_at=timezone.now(), paused_note="Month end")
    said = ask(of("admin"), asked).content.decode()
    assert "waits until somebody resumes the flow" in said
    assert "within seconds" not in said
    assert SyncRun.objects.get().state == "queued"


@pytest.mark.parametrize("role", ["marketing", "finance", "viewer"])
def test_nobody_else_may_sweep(role: str) -> None:
    asked = flow("customer")
    assert of(role).post(f"/console/sync/flow/{asked.pk}/run/", {"kind": "sweep"}).status_code == 403
    assert not SyncRun.objects.exists()
    assert "Compare keys" not in page(of(role), asked)


def test_a_kind_that_is_none_is_not_started() -> None:
    assert of("admin").post(f"/console/sync/flow/{flow('customer').pk}/run/", {"kind": "delete"}).status_code == 404


def test_a_flow_that_nobody_wanted_yet_is_switched_on_from_its_page() -> None:
    admin = of("admin")
    waiting = flow("order_event", paused_at=timezone.now(), paused_note=NOT_WANTED_YET)
    html = page(admin, waiting)
    assert "Not switched on yet." in html
    assert "Run now" not in html
    answer = admin.post(f"/console/sync/flow/{waiting.pk}/resume/", follow=True).content.decode()
    assert "is switched on: press Run now for its first run" in answer
    assert "Run now</button>" in answer
    assert AuditEvent.objects.get(action="resume flow").actor_name == "admin"


def test_what_waits_for_its_customer_is_counted_with_the_exceptions_it_opens() -> None:
    waiting = flow("order_event")
    for number in range(2):
        desk_records.issue("held_for_parent", f"C-{number}", entity="order_event", flow=waiting, records=3)
    desk_records.issue("held_for_parent", "C-9", entity="order_event", flow=waiting, records=5, state="resolved")
    html = page(of("viewer"), waiting)
    assert "6 records wait" in html
    assert "kind=held_for_parent" in html
    assert "records wait" not in page(of("viewer"), flow("customer"))


def test_the_page_asks_the_database_as_often_for_many_runs_as_for_few() -> None:
    admin, shown = of("admin"), flow("customer")

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            page(admin, shown)
        return len(found)

    sample_runs.finished(shown)
    few = asked()
    for number in range(8):
        sample_runs.finished(shown)
        desk_records.issue("held_for_parent", f"C-{number}", entity="customer", flow=shown)
    assert asked() == few
