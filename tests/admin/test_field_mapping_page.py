"""The field mapping page over real HTTP to the emulated systems: edit, try, store, activate; masked; refused."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from sync import addresses
from sync.models import AuditEvent, FieldMapping, SyncRun
from tests.admin.desk_records import person
from tests.sync.conftest import Control, Load, _impatient, emulators, flow, load, people, rung

__all__ = ["_impatient", "emulators", "load", "rung"]
pytestmark = pytest.mark.django_db(transaction=True)


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(person(role, f"{role}-of-mappings"))
    return client


def started(load: Load) -> tuple[Control, str]:
    cache.clear()
    control = load(people(2))
    control("PUT", "emarsys/fields/7777", {"name": "Nickname", "application_type": "shorttext"})
    control.customer("C-1", NameAlias="Sunny & Co")
    return control, addresses.mapping(flow())


def posted(**row: str) -> dict[str, str]:
    cells = {"source": "NameAlias", "reader": "text", "target": "7777", "owner": "erp", "rule": "exact", **row}
    head = {"row-TOTAL_FORMS": "1", "row-INITIAL_FORMS": "0", "row-MIN_NUM_FORMS": "0", "row-MAX_NUM_FORMS": "100"}
    return {**head, **{f"row-0-{name}": value for name, value in cells.items()}, "key": "usmf|C-1"}


def page(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_field_from_the_form_into_force(load: Load) -> None:
    control, url = started(load)
    admin = signed_in("admin")
    first = page(admin.get(url))
    assert "NameAlias" in first, "the source's columns are offered"
    assert "Nickname (text)" in first
    assert "PrimaryContactEmail" in first, "the standard mapping stands beside it"
    assert "E-Mail (text)" not in first, "what the standard mapping writes is no choice"

    tried = page(admin.post(f"{url}try/", posted()))
    assert "Sunny &amp; Co" in tried
    assert "0 of 0 records would be sent again" in tried
    assert not FieldMapping.objects.exists()

    assert admin.post(f"{url}save/", posted()).status_code == 302
    waiting = page(admin.get(url))
    assert "Draft 1 waits to be activated" in waiting
    assert "The next run reads every record anyway" in waiting
    assert "say why" in page(admin.post(f"{url}activate/", {"number": "1", "why": ""}))
    assert admin.post(f"{url}activate/", {"number": "1", "why": "for the shop", "read_all": "on"}).status_code == 302
    assert FieldMapping.objects.get().state == "active"
    assert SyncRun.objects.get().full
    assert AuditEvent.objects.filter(action="activate field mapping", reason="for the shop").exists()
    assert not control.writes()


def test_what_is_wrong_stands_at_its_cell_and_nothing_is_stored(load: Load) -> None:
    _, url = started(load)
    admin = signed_in("admin")
    assert "has no column NoSuchColumn" in page(admin.post(f"{url}save/", posted(source="NoSuchColumn")))
    assert "does not fit" in page(admin.post(f"{url}try/", posted(reader="list", target="40")))
    assert "no line such as" in page(admin.post(f"{url}save/", posted(reader="choice", table="GLD Gold")))
    assert not FieldMapping.objects.exists()


def test_a_personal_value_is_masked_for_whoever_may_not_see_it(load: Load) -> None:
    _, url = started(load)
    tried = page(signed_in("admin").post(f"{url}try/", posted(personal="on")))
    preview = tried.partition('id="preview"')[2].partition("</section>")[0]
    assert "Sunny" not in preview
    assert "••••••" in preview


def test_a_system_that_does_not_answer_leaves_a_page_that_says_so(load: Load) -> None:
    control, url = started(load)
    control.fault("status", system="emarsys", code=503, times=99)
    shown = page(signed_in("viewer").get(url))
    assert "could not be asked" in shown
    assert "Save as draft" not in shown, "a viewer changes nothing"
