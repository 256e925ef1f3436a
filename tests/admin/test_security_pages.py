"""What every page carries, and what none may do: headers, no inline code, no change by GET, no personal data."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.core import serializers
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from integration_console import urls
from sync.catalogue import KINDS
from sync.models import AuditEvent, CrossReference
from tests.admin import arrived, desk_records, sample_runs
from tests.admin.console_addresses import address, names
from tests.admin.desk_records import CANARY, person
from tests.admin.test_security_matrix import MATRIX, ROLES, client_of, sample_objects

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("database host db7.internal refused")


urlpatterns = [path("broken", broken), *urls.urlpatterns]


class Inline(HTMLParser):
    """Collects what the content security policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on") or (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f"<{tag} {name}={value!r}>")
            if name in ("src", "href", "action") and re.match(r"(?i)(https?:)?//", value or ""):
                self.found.append(f"<{tag} {name}={value!r}> leaves the console")


def inline_code(html: str) -> list[str]:
    parser = Inline()
    parser.feed(html)
    return parser.found


def pages(role: str) -> list[tuple[str, str]]:
    """Every address this role may GET, with an object of each kind behind it."""
    letter = next(letter for letter, name in ROLES.items() if name == role)
    arguments = sample_objects()
    return [(name, address(name, arguments.get(name, {}))) for name in sorted(MATRIX) if letter in MATRIX[name][0]]


def assert_protected(response: Any) -> None:
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "no-store" in response.headers["Cache-Control"]


@override_settings(ROOT_URLCONF="tests.admin.test_security_pages")
def test_every_kind_of_answer_carries_the_protecting_headers() -> None:
    admin, viewer = client_of("admin"), client_of("viewer")
    admin.raise_request_exception = False
    strict = Client(enforce_csrf_checks=True)
    answers = {
        200: admin.get("/console/"),
        302: Client().get("/console/"),
        403: viewer.get("/console/auth/user/"),
        404: admin.get("/console/sync/syncrun/999999/change/"),
        405: admin.get(address("sync_flow_run", {"pk": desk_records.flow().pk})),
        500: admin.get("/broken"),
    }
    for status, response in answers.items():
        assert response.status_code == status
        assert_protected(response)
    refused = strict.post("/console/login/", {"username": "a", "password": "b"})
    assert refused.status_code == 403
    assert_protected(refused)


@override_settings(ROOT_URLCONF="tests.admin.test_security_pages")
def test_error_pages_are_ours_and_tell_nothing_about_the_machine() -> None:
    client = client_of("admin")
    client.raise_request_exception = False
    page = client.get("/broken").content.decode()
    assert "Something went wrong here" in page
    assert "db7.internal" not in page
    assert "RuntimeError" not in page
    pages = [page, client.get("/console/none").content.decode()]
    pages += [client_of("viewer").get("/console/auth/user/").content.decode()]
    pages += [Client(enforce_csrf_checks=True).post("/console/login/").content.decode()]
    assert [inline_code(html) for html in pages] == [[], [], [], []]


@pytest.mark.parametrize("role", sorted(ROLES.values()))
def test_no_page_of_any_role_has_inline_code_or_leaves_the_console(role: str) -> None:
    client = client_of(role)
    for name, url in pages(role):
        html = client.get(url).content.decode()
        assert inline_code(html) == [], name
    assert inline_code(Client().get("/console/login/").content.decode()) == []


def state() -> dict[str, str]:
    """Every row of every table, but the sessions."""
    models = [model for model in apps.get_models() if model._meta.label != "sessions.Session"]
    return {model._meta.label: serializers.serialize("json", model.objects.order_by("pk")) for model in models}


def test_no_get_changes_anything() -> None:
    client = client_of("admin")
    arguments = sample_objects()
    desk_records.issue("missing_in_target", "gbsi|2")
    before = state()
    for name in names():
        for query in (
            "",
            "?state=failed&flow=x&day=2026-01-01&q=1&page=2&team=finance&frequency=every&minutes=5&full=1",
        ):
            client.get(address(name, arguments.get(name, {})) + query)
    assert state() == before


def test_an_injected_text_is_inert_on_every_page() -> None:
    attack = "\"><svg onload=alert(1)><script>alert(2)</script>'{{7*7}}"
    client = client_of("admin")
    arguments = sample_objects()
    flow = desk_records.flow()
    flow.paused_note = flow.watermark = attack
    flow.save()
    sample_runs.finished(flow, rejected=3, message=attack, state="failed", trigger="x'><b onx=1>")
    arrived.everything(attack)
    for kind in (*list(KINDS)[:5], "merged_customer", "consent_conflict", "unmapped_value"):
        issue = desk_records.issue(kind, attack[:60], message=attack, erp_value=attack, target_value=attack)
        html = client.get(f"/console/sync/syncissue/{issue.pk}/change/").content.decode()
        assert inline_code(html) == [], kind
    for name in names():
        html = client.get(address(name, arguments.get(name, {}))).content.decode()
        assert inline_code(html) == [], name
    assert inline_code(client.post("/console/search/", {"q": attack}).content.decode()) == []


@pytest.mark.parametrize("role", ["finance", "admin", "viewer"])
def test_personal_data_is_on_no_page_of_a_role_that_may_not_see_it(role: str) -> None:
    arguments = sample_objects()
    issue = desk_records.issue(
        "field_drift",
        "gbsi|77",
        field="email",
        message=f"E-mail is '{CANARY}' in the ERP",
        erp_value=CANARY,
        target_value="canary+43@example.com",
        details={"fields": [{"field": "email", "erp": CANARY, "target": "canary+43@example.com", "same": False}]},
        run=sample_runs.finished(rejected=1),
    )
    arguments |= {f"sync_syncissue_{view}": {"object_id": issue.pk} for view in ("change", "history", "progress")}
    client = client_of(role)
    for name in names():
        html = client.get(address(name, arguments.get(name, {}))).content.decode()
        assert "canary+4" not in html, name


def test_the_cross_reference_shows_no_address_although_it_is_found_by_one() -> None:
    from sync.digests import email_digest

    CrossReference.objects.create(flow=desk_records.flow(), source_id="gbsi|9", email_digest=email_digest(CANARY))
    client = Client()
    client.force_login(person("marketing"))
    assert CANARY not in client.get("/console/search/?q=9").content.decode()


def test_cookies_are_not_readable_by_scripts_nor_sent_across_sites() -> None:
    client = Client()
    desk_records.person("admin")
    given = {"username": "admin", "password": desk_records.PASSWORD}
    reply = client.post("/console/login/", given)
    session, csrf = reply.cookies["console_sid"], reply.cookies["console_csrf"]
    assert (session["httponly"], session["samesite"]) == (True, "Lax")
    assert (csrf["httponly"], csrf["samesite"]) == (True, "Strict")


def test_the_login_does_not_tell_whether_a_name_exists() -> None:
    person("admin")
    texts = [
        Client().post("/console/login/", {"username": name, "password": "wrong"}).content.decode()
        for name in ("admin", "nobody-here")
    ]
    told = [re.findall(r'class="errornote"[^>]*>([^<]+)', text) for text in texts]
    assert told[0] == told[1] != []
    assert "staff account" not in texts[0]


def sign_in(password: str, name: str = "admin") -> int:
    return Client().post("/console/login/", {"username": name, "password": password}).status_code


def test_signing_in_and_out_and_each_refusal_is_in_the_audit_log_once() -> None:
    person("admin")
    client = Client()
    assert sign_in("wrong") == 200
    client.post("/console/login/", {"username": "admin", "password": desk_records.PASSWORD})
    client.post("/console/logout/")
    told = AuditEvent.objects.order_by("pk").values_list("action", "actor_name", "object_type")
    assert list(told) == [
        ("sign-in refused", "system", "user"),
        ("sign in", "admin", "user"),
        ("sign out", "admin", "user"),
    ]


def test_after_five_wrong_passwords_even_the_right_one_waits_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    person("admin")
    person("viewer")
    for _ in range(5):
        assert sign_in("wrong") == 200
    assert sign_in(desk_records.PASSWORD) == 200
    assert AuditEvent.objects.filter(action="sign-in refused").count() == 5
    assert sign_in(desk_records.PASSWORD, "viewer") == 302
    monkeypatch.setattr("sync.signing.WINDOW", timedelta(0))
    assert sign_in(desk_records.PASSWORD) == 302


def test_the_login_never_sends_people_to_another_site() -> None:
    person("admin")
    given = {"username": "admin", "password": desk_records.PASSWORD, "next": "https://evil.example.org/"}
    assert Client().post("/console/login/", given)["Location"] == "/console/"
