"""Connections as operators see them: what is set, whether the system answers, what a mapping makes of a reply."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connectors.emulators.server import running
from sync import flows
from sync.models import AuditEvent, Flow
from tests.admin import desk_records, sample_runs
from tests.admin.desk_records import person
from tests.emulators.prima.site import Site, envelope, request_xml, retailer
from tests.sync.conftest import Control
from tests.systems.conftest import EMARSYS, ERPS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
CANARIES = {
    "EMARSYS_CLIENT_SECRET": "canary-secret-1",
    "EMARSYS_SALES_TOKEN": "canary-secret-2",
    "DYNAMICS365_CLIENT_SECRET": "canary-secret-3",
    "DYNAMICS365_WEBHOOK_KEY": "canary-secret-4",
    "EMARSYS_FEED_PASSWORD": "canary-secret-5",
    "PRIMA_SFTP_PASSWORD": "canary-secret-6",
    "PRIMA_URL": "https://user:canary-secret-7@prima.example.com/ws",
    "EMARSYS_NOTIFICATION_URL": "https://console.example.com/hooks/emarsys?code=canary-secret-8",
}
OWN_MAPPING = Path("connectors/prima/sites/assumed.yaml")


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    with running(dataset=str(retailer(tmp_path_factory.mktemp("company") / "data")), drift=False) as base:
        yield Control(base)


@pytest.fixture
def systems(emulated: Control, monkeypatch: pytest.MonkeyPatch) -> Control:
    """All four connected, to systems that answer."""
    emulated.heal()
    named = emulated("GET", "systems")
    environment = {"CONNECTIONS": "dynamics365,prima,dataverse,emarsys", **EMARSYS(named)}
    for erp in ERPS.values():
        environment |= erp(named)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return emulated


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(person("admin"))
    return client


def of(role: str) -> Client:
    client = Client()
    client.force_login(person(role))
    return client


def page(client: Client, name: str = "", **given: Any) -> str:
    answer = client.get(f"/console/connections/{name and name + '/'}", **given)
    assert answer.status_code == 200
    return answer.content.decode()


def after_test_of(client: Client, name: str) -> str:
    answer = client.post(f"/console/connections/{name}/test/")
    assert answer.status_code == 200
    return answer.content.decode()


# ------------------------------------------------------------------------------------------------- list and page


def test_the_list_says_for_each_connection_what_is_to_be_done(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    flows.ensure()
    sample_runs.finished(Flow.objects.get(name="dynamics365.customer"), state="failed", message="refused")
    monkeypatch.delenv("DATAVERSE_TENANT")
    html = page(admin)
    assert "Set DATAVERSE_TENANT in the environment and restart." in html
    assert "The last run of dynamics365.customer failed: read why." in html
    assert "3 flows are not switched on yet." in html
    assert "order event → emarsys" in html


def test_a_late_and_a_paused_flow_are_named_with_what_helps(systems: Control, admin: Client) -> None:
    flows.ensure()
    late, paused = (Flow.objects.get(name=f"prima.{stream}") for stream in ("customer", "sale"))
    run = sample_runs.finished(late)
    run.finished_at = run.finished_at.replace(year=2020)
    run.save()
    Flow.objects.filter(pk=paused.pk).update(paused_at=run.started_at, paused_note="stock-taking")
    html = page(admin, "prima")
    assert "prima.customer is late: look at its runs." in html
    assert "prima.sale is paused: resume it when the reason is over." in html


def test_no_secret_is_on_any_page_of_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS", "dynamics365,prima,emarsys")
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    for role in ("admin", "viewer"):
        client = of(role)
        for name in ("", "dynamics365", "prima", "emarsys"):
            assert "canary-secret" not in page(client, name)


def test_settings_are_shown_as_set_missing_or_default(systems: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMARSYS_CLIENT_SECRET")
    monkeypatch.setenv("EMARSYS_SALES_TOKEN_FILE", "/run/secrets/sales-token")
    monkeypatch.delenv("EMARSYS_SALES_TOKEN")
    html = page(of("viewer"), "emarsys")
    assert "set EMARSYS_CLIENT_SECRET in the environment of web and worker processes" in html
    assert "settings at their default" in html
    assert html.index("EMARSYS_SALES_TOKEN</span>") < html.index("settings at their default")
    assert "Test connection" not in html


def test_a_name_that_is_no_connection_is_explained_and_hides_no_other(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTIONS", "dynamcs365,emarsys,two words")
    html = page(admin)
    assert 'CONNECTIONS names <span class="key">dynamcs365</span>' in html
    assert 'CONNECTIONS names <span class="key">two words</span>' in html
    assert "Set DYNAMCS365_CONNECTOR to one of them." in html
    assert "SAP Emarsys" in page(admin, "emarsys")
    assert admin.get("/console/connections/dynamcs365/").status_code == 404
    assert admin.get("/console/").status_code == 200
    assert Client().post("/hooks/emarsys", {}).status_code == 503


def test_without_connections_the_page_says_how_to_name_one(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS", "")
    assert "No connection is configured" in page(admin)


def test_the_webhook_says_where_to_call_and_which_key_it_needs(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "It takes nothing until" in page(admin, "dynamics365")
    monkeypatch.setenv("DYNAMICS365_WEBHOOK_KEY", "k" * 20)
    html = page(admin, "dynamics365")
    assert "http://testserver/hooks/dynamics365" in html
    assert "X-Webhook-Key" in html


def test_the_pages_ask_the_database_as_often_for_many_flows_as_for_few(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(url: str) -> int:
        with CaptureQueriesContext(
            database,
        ) as found:
            assert admin.get(url).status_code == 200
        return len(found)

    monkeypatch.setenv("CONNECTIONS", "dynamics365,emarsys")
    sample_runs.finished(desk_records.flow())
    few = asked("/console/connections/"), asked("/console/connections/emarsys/")
    monkeypatch.setenv("CONNECTIONS", "dynamics365,prima,dataverse,emarsys")
    for flow in flows.ensure():
        sample_runs.finished(flow)
    assert (asked("/console/connections/"), asked("/console/connections/emarsys/")) == few


# ---------------------------------------------------------------------------------------------------------- test


@pytest.mark.parametrize("name", ["dynamics365", "prima", "dataverse", "emarsys"])
def test_a_system_that_answers_is_said_to_and_the_test_is_in_the_audit_log(
    systems: Control, admin: Client, name: str
) -> None:
    assert "It answers." in after_test_of(admin, name)
    event = AuditEvent.objects.get(action="test connection")
    assert (event.actor_name, event.after) == ("admin", {"connection": name, "answers": True})


@pytest.mark.parametrize("name", ["dynamics365", "dataverse", "emarsys"])
def test_a_wrong_secret_is_told_without_showing_it(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"{name.upper()}_CLIENT_SECRET", "canary-wrong-secret")
    html = after_test_of(admin, name)
    assert "It does not answer as it should." in html
    assert "canary-wrong-secret" not in html
    assert f"{name.upper()}_CLIENT_SECRET" in html
    assert AuditEvent.objects.get(action="test connection").after["answers"] is False


@pytest.mark.parametrize("name", ["dynamics365", "prima", "dataverse", "emarsys"])
def test_a_dead_system_is_told_with_what_to_check(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        for variable in ("URL", "TOKEN_URL"):
            monkeypatch.setenv(f"{name.upper()}_{variable}", f"http://127.0.0.1:{port}/none")
        html = after_test_of(admin, name)
    assert "It does not answer as it should." in html
    assert "Traceback" not in html


def test_a_system_that_takes_too_long_is_not_waited_for(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.admin.connections.TEST_SECONDS", 0.3)
    systems("POST", "faults", {"system": "prima", "kind": "timeout", "seconds": 2, "times": 5})
    html = after_test_of(admin, "prima")
    assert "No answer within" in html
    assert "Check that the system is up" in html


def test_missing_settings_are_the_answer_of_the_test(
    systems: Control, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DYNAMICS365_CLIENT_ID")
    assert "DYNAMICS365_CLIENT_ID is not set" in after_test_of(admin, "dynamics365")


# ------------------------------------------------------------------------------------------------ test a mapping
REQUESTS = {
    "customer": "CustomerChanges", "consent": "CustomerChanges", "order": "OrderChanges", "credit": "CreditChanges",
    "despatch": "DespatchChanges", "stock": "StockStatus", "available": "ProductAvailableToSell",
}  # fmt: skip
SINCE = {"ChangedSince": "01/01/2020 00:00:00"}


def captured(systems: Control, entity: str) -> bytes:
    """The whole reply of the site, as a proxy would record it."""
    site = Site(systems.base)
    since = SINCE if REQUESTS[entity].endswith("Changes") else {}
    answer: requests.Response = site.post(envelope(request_xml(REQUESTS[entity], **since)))
    return answer.content


def tried(client: Client, reply: bytes | None, entity: str = "customer", mapping: bytes | None = None) -> str:
    files = {"reply": SimpleUploadedFile("reply.xml", reply)} if reply is not None else {}
    files |= {"mapping": SimpleUploadedFile("site.yaml", mapping)} if mapping is not None else {}
    answer = client.post("/console/connections/prima/try/", {"entity": entity, **files})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("entity", REQUESTS)
def test_a_reply_of_every_kind_is_counted_by_field(systems: Control, admin: Client, entity: str) -> None:
    html = tried(admin, captured(systems, entity), entity)
    assert "mapping assumed, version" in html
    assert "100 %" in html
    assert not AuditEvent.objects.filter(action__contains="try").exists()


def test_values_that_no_table_knows_and_who_would_wait_are_shown(systems: Control, admin: Client) -> None:
    html = tried(admin, captured(systems, "order").replace(b'"Despatched"', b'"Zapped"'), "order")
    assert '<span class="key warn">Zapped</span>' in html
    assert "Records that would wait" in html
    assert "The table order_status has no such code." in html


def test_what_would_wait_is_told_without_anybodys_data(systems: Control, admin: Client) -> None:
    """Admins set systems up; contact data is masked for them (SEC-P2)."""
    mapping = OWN_MAPPING.read_bytes().replace(
        b'status:       {path: "@Status"', b'status:       {path: "@CustomerEmail"'
    )
    html = tried(admin, captured(systems, "customer"), "customer", mapping)
    assert "Records that would wait" in html
    assert "ann@example.com" not in html
    assert "O&#x27;Neill" not in html


def test_an_error_in_a_mapping_file_is_named_by_its_path_and_rule(systems: Control, admin: Client) -> None:
    wrong = OWN_MAPPING.read_bytes().replace(b'"@CustomerEmail"', b'"@Customer Email["')
    html = tried(admin, captured(systems, "customer"), "customer", wrong)
    assert "Nothing could be tried." in html
    assert "entities.customer.fields.email.path" in html
    assert "child steps and one @attribute at the end are all there is" in html


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "an HTML page"),
        (b'{"value": []}', "no XML"),
        (b"\0\1\2binary", "no XML"),
        (b"<a>" * 3, "broken or cut off"),
        (b"", "The submitted file is empty."),
        (None, "Choose the file with the reply."),
        (b"x" * 5_000_001, "More than 5 MB; a page of it is enough."),
    ],
)
def test_a_reply_that_is_none_says_what_it_is(systems: Control, admin: Client, reply: bytes | None, told: str) -> None:
    assert told in tried(admin, reply)


def test_a_reply_without_such_records_says_what_it_may_be(systems: Control, admin: Client) -> None:
    assert "No customer found in this reply" in tried(admin, captured(systems, "order"), "customer")


def test_nothing_of_a_reply_is_run_in_the_browser(systems: Control, admin: Client) -> None:
    attack = b"&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;"
    html = tried(admin, captured(systems, "order").replace(b'"Despatched"', b'"' + attack + b'"'), "order")
    assert "Fields with unknown values" in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_connection_without_a_mapping_file_has_none_to_try(systems: Control, admin: Client) -> None:
    assert "Test a mapping" not in page(admin, "emarsys")
    answer = admin.post("/console/connections/emarsys/try/", {"entity": "customer"})
    assert "brings its own mapping" in answer.content.decode()


@pytest.mark.parametrize("role", ["marketing", "finance", "viewer"])
def test_only_an_admin_may_test_a_connection_or_a_mapping(systems: Control, role: str) -> None:
    client = of(role)
    systems.forget_requests()
    for verb in ("test", "try"):
        assert client.post(f"/console/connections/prima/{verb}/", {"entity": "customer"}).status_code == 403
    assert systems.requests(system="prima") == []
