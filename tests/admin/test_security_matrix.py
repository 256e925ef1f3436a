"""Role × address × method: what each role may open and do. An address without a row fails (SEC-R1).

A direct address is all that is tried: the sidebar and the buttons are not asked.
"""

import zlib
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from sync.models import Backfill, BulkOperation, Delivery, Flow, LedgerEntry, ProductFeed, SegmentCheck, SyncPlan
from tests.admin import arrived, desk_records, sample_runs
from tests.admin.console_addresses import address, names
from tests.admin.desk_records import person

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

ROLES = {"n": "nobody", "m": "marketing", "f": "finance", "a": "admin", "v": "viewer"}
"""`n` is signed in and has no role."""

EVERYBODY, ALL, MONEY, WORKERS = "nmfav", "mfav", "fav", "mfa"

#   address: (who may GET it, who may POST to it); the sample exception is marketing's, the settled one finance's
MATRIX: dict[str, tuple[str, str]] = {
    "index": (EVERYBODY, EVERYBODY),
    "console_search": (EVERYBODY, EVERYBODY),
    "password_change": (EVERYBODY, EVERYBODY),
    "password_change_done": (EVERYBODY, ""),
    "jsi18n": (EVERYBODY, ""),
    "logout": ("", EVERYBODY),
    "auth_user_changelist": ("a", "a"),
    "auth_user_add": ("a", "a"),
    "auth_user_change": ("a", "a"),
    "auth_user_password_change": ("a", "a"),
    "sync_auditevent_changelist": ("av", "av"),
    "console_connections": ("av", "av"),
    "console_connection": ("av", "av"),
    "console_connection_test": ("", "a"),
    "console_connection_try": ("", "a"),
    "console_mapping": ("av", "av"),
    "console_mapping_try": ("", "a"),
    "console_mapping_save": ("", "a"),
    "console_mapping_activate": ("", "a"),
    "console_mapping_discard": ("", "a"),
    "sync_inboxevent_changelist": ("av", "av"),
    "sync_workerprocess_changelist": ("av", ""),
    "sync_apibudget_changelist": ("av", ""),
    "sync_accountcheck_changelist": ("av", "av"),
    "sync_accountcheck_ask": ("", "a"),
    "sync_productfeed_changelist": ("mav", "mav"),
    "sync_productfeed_publish": ("", "a"),
    "sync_attributionlink_changelist": (ALL, ALL),
    "sync_emarsyspurchase_changelist": (ALL, ALL),
    "sync_flow_changelist": (ALL, ALL),
    "sync_flow_change": (ALL, ""),
    "sync_flow_run": ("", "a"),
    "sync_flow_pause": ("", "a"),
    "sync_flow_resume": ("", "a"),
    "sync_flow_breakers": (ALL, "a"),
    "sync_flow_breaker_allow": ("", "a"),
    "sync_flow_breaker_keep": ("", "a"),
    "sync_flow_schedule": ("a", "a"),
    "sync_flow_backfill": ("a", "a"),
    "sync_backfill_change": ("av", ""),
    "sync_backfill_start": ("", "a"),
    "sync_backfill_cancel": ("", "a"),
    "sync_flow_watermark": ("a", "a"),
    "sync_flow_watermark_undo": ("", "a"),
    "sync_syncplan_changelist": (ALL, ALL),
    "sync_syncplan_change": (ALL, ""),
    "sync_syncplan_ask": ("", "a"),
    "sync_syncplan_apply": ("", "a"),
    "sync_syncplan_approve": ("", "a"),
    "sync_syncplan_discard": ("", "a"),
    "sync_syncrun_changelist": (ALL, ALL),
    "sync_syncrun_change": (ALL, ""),
    "sync_syncrun_progress": (ALL, ""),
    "sync_syncrun_records": (ALL, ""),
    "sync_syncrun_delivery": (ALL, ""),
    "sync_syncrun_cancel": ("", "a"),
    "sync_syncissue_changelist": (ALL, ""),
    "sync_syncissue_bulk": ("", WORKERS),
    "sync_syncissue_change": ("mav", ""),
    "sync_syncissue_history": ("mav", ""),
    "sync_syncissue_progress": ("mav", "mav"),
    "sync_syncissue_read": ("", "ma"),
    "sync_syncissue_act": ("", "ma"),
    "sync_syncissue_settle": ("fa", "fa"),
    "sync_bulkoperation_changelist": (ALL, ""),
    "sync_bulkoperation_change": ("av", ""),
    "sync_bulkoperation_history": ("av", ""),
    "sync_bulkoperation_progress": ("av", "av"),
    "sync_bulkoperation_cancel": ("", "a"),
    "sync_segmentcheck_changelist": ("mav", ""),
    "sync_segmentcheck_ask": ("", "ma"),
    "sync_segmentcheck_change": ("mav", ""),
    "sync_segmentcheck_history": ("mav", ""),
    "sync_segmentcheck_progress": ("mav", "mav"),
    "sync_controltotal_changelist": (MONEY, ""),
    "sync_controltotal_export": ("", "fa"),
    "sync_ledgerentry_changelist": (MONEY, ""),
    "sync_ledgerentry_export": ("", "fa"),
    "sync_ledgerentry_change": (MONEY, ""),
    "sync_ledgerentry_history": (MONEY, ""),
}
OPEN = {"login"}
"""Needs no sign-in."""
TAKEN, REFUSED = {200, 302, 422, 502}, {403, 404, 405}
POSTED: dict[str, Any] = {
    "console_search": {"q": "12345"},
    "sync_flow_pause": {"note": "month end"},
    "sync_flow_schedule": {"frequency": "every", "minutes": "5", "on": "on"},
    "auth_user_change": {"is_active": "on"},
    "sync_syncissue_act": {"text": "I look at it"},
    "sync_segmentcheck_ask": {"connection": "emarsys"},
}


@pytest.fixture(autouse=True)
def a_connection_with_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the demo has one; nothing is called, and nobody waits for what a thread cannot see of this transaction."""
    monkeypatch.setattr("sync.segment_check.connections_with_segments", lambda: ["emarsys"])
    monkeypatch.setattr("sync.admin.exceptions.READ_SECONDS", 0.05)
    monkeypatch.setattr("sync.admin.field_mappings.SECONDS", 0.05)
    monkeypatch.setattr("sync.doorbell.ring", lambda *_: None)


def a_ledger_entry() -> LedgerEntry:
    amounts = dict.fromkeys(("quantity", "unit_price", "amount", "document_total"), Decimal(1))
    found, _ = LedgerEntry.objects.get_or_create(
        flow=desk_records.flow("sale"),
        source_id="gbsi|536365|1",
        defaults={
            **amounts,
            "document": "536365",
            "line": "1",
            "currency": "GBP",
            "day": date(2011, 1, 4),
            "state": "accepted",
            "updated_at": timezone.now(),
        },
    )
    return found


def a_refused_feed(flow: Flow) -> ProductFeed:
    return ProductFeed.objects.create(
        flow=flow, state="refused", items=1, before=9, digest="d", content=b"", created_at=timezone.now()
    )


def sample_objects() -> dict[str, dict[str, object]]:
    """One object of every kind, and the arguments of each address that needs one."""
    flow = desk_records.flow()
    run, issue, entry = sample_runs.running(flow), desk_records.issue(), a_ledger_entry()
    plan = SyncPlan.objects.create(flow=flow, state="ready", asked_at=timezone.now())
    lost = desk_records.issue("unknown_outcome", "", entity="sale")
    bulk = BulkOperation.objects.create(query={"ids": [issue.pk]}, asked_by=person("admin"))
    segment = SegmentCheck.objects.create(connection="emarsys", segment_id="1", name="Gold")
    fay = person("finance", "fay")
    backfill = Backfill.objects.create(flow=flow, keys=zlib.compress(b'["C-1"]'), number=1)
    arrived.everything()
    sent = Delivery.objects.create(
        run=run, flow=flow, key=f"k{run.pk}", epoch=1, records=1, keys=b"", intended_at=timezone.now()
    )
    arguments: dict[str, dict[str, object]] = {
        "sync_syncrun_delivery": {"pk": run.pk, "number": sent.pk},
        "auth_user_change": {"object_id": fay.pk},
        "auth_user_password_change": {"id": fay.pk},
        "sync_flow_change": {"object_id": flow.pk},
        "sync_productfeed_publish": {"pk": a_refused_feed(flow).pk},
        **{f"console_connection{view}": {"name": "emarsys"} for view in ("", "_test", "_try")},
        **{f"sync_backfill_{view}": {"pk": backfill.pk} for view in ("start", "cancel")},
        "sync_backfill_change": {"object_id": backfill.pk},
        **{f"console_mapping{view}": {"pk": flow.pk} for view in ("", "_try", "_save", "_activate", "_discard")},
        "sync_syncrun_change": {"object_id": run.pk},
        "sync_syncplan_change": {"object_id": plan.pk},
        "sync_syncplan_ask": {"pk": flow.pk},
        **{f"sync_syncplan_{view}": {"pk": plan.pk} for view in ("apply", "approve", "discard")},
        "sync_syncrun_records": {"pk": run.pk, "bucket": "accepted"},
        "sync_syncissue_settle": {"object_id": lost.pk, "arrived": "arrived"},
        "sync_syncissue_act": {"object_id": issue.pk, "verb": "comment"},
        **{f"sync_flow_{view}": {"pk": flow.pk} for view in ("run", "pause", "resume", "schedule", "backfill")},
        **{f"sync_flow_breaker_{view}": {"pk": flow.pk} for view in ("allow", "keep")},
        "sync_flow_breakers": {"pk": flow.pk},
        **{f"sync_flow_watermark{view}": {"pk": flow.pk} for view in ("", "_undo")},
        **{f"sync_syncrun_{view}": {"pk": run.pk} for view in ("progress", "cancel")},
    }
    things = {"syncissue": issue, "bulkoperation": bulk, "ledgerentry": entry, "segmentcheck": segment}
    for model, thing in things.items():
        for view in ("change", "history", "progress", "read", "cancel"):
            arguments.setdefault(f"sync_{model}_{view}", {"object_id": thing.pk})
    return arguments


def client_of(role: str) -> Client:
    client = Client()
    user = person("viewer" if role == "nobody" else role, role)
    if role == "nobody":
        user.groups.clear()
    client.force_login(user)
    return client


def answer(client: Client, method: str, name: str, arguments: dict[str, object]) -> int:
    url = address(name, arguments)
    return client.get(url).status_code if method == "GET" else client.post(url, POSTED.get(name, {})).status_code


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    assert set(names()) - OPEN == set(MATRIX)


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_only_the_roles_of_the_row_may_read_it(name: str) -> None:
    arguments = sample_objects().get(name, {})
    for letter, role in ROLES.items():
        status = answer(client_of(role), "GET", name, arguments)
        assert status in ({200} if letter in MATRIX[name][0] else REFUSED), (name, role, status)


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_only_the_roles_of_the_row_may_send_to_it(name: str) -> None:
    for letter, role in ROLES.items():
        arguments = sample_objects_again().get(name, {})
        status = answer(client_of(role), "POST", name, arguments)
        assert status in (TAKEN if letter in MATRIX[name][1] else REFUSED), (name, role, status)


def sample_objects_again() -> dict[str, dict[str, object]]:
    """Objects as new: the role before may have cancelled or settled them."""
    from sync.models import SyncIssue, SyncRun

    SyncIssue.objects.all().delete()
    SyncRun.objects.all().delete()
    return sample_objects()


@pytest.mark.parametrize("name", sorted(MATRIX))
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_signing_in_every_address_leads_to_the_login(name: str, method: str) -> None:
    client, url = Client(), address(name, sample_objects().get(name, {}))
    reply = client.get(url) if method == "GET" else client.post(url, POSTED.get(name, {}))
    assert reply.status_code == 302
    assert reply["Location"].startswith(("/console/login/", "/console/"))
    assert method == "POST" or "/login/" in reply["Location"]


def test_the_only_open_addresses_are_the_login_and_the_health_check() -> None:
    client = Client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/console/login/").status_code == 200
    for path in ("/", "/console/", "/console/nothing/here/", "/nothing"):
        assert client.get(path).status_code in (302, 404)


def test_the_forms_of_the_scheduler_itself_are_gone() -> None:
    client = client_of("admin")
    for model in ("periodictask", "intervalschedule", "crontabschedule", "solarschedule", "clockedschedule"):
        assert client.get(f"/console/django_celery_beat/{model}/").status_code == 404


def test_nothing_can_be_deleted_through_the_console() -> None:
    assert not [name for name in names() if "delete" in name]
