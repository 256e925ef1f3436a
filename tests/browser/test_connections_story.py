"""An admin sets a connection right and tries a mapping file before it is used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from connectors.emulators.server import running
from sync.models import AuditEvent
from tests.browser.desk import browser_of
from tests.emulators.prima.site import Site, envelope, request_xml, retailer
from tests.sync.conftest import Control
from tests.systems.conftest import EMARSYS, ERPS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OWN_MAPPING = Path("connectors/prima/sites/assumed.yaml")


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    with running(dataset=str(retailer(tmp_path_factory.mktemp("company") / "data")), drift=False) as base:
        yield Control(base)


@pytest.fixture(autouse=True)
def connected(emulated: Control, monkeypatch: pytest.MonkeyPatch) -> Control:
    systems = emulated("GET", "systems")
    for name, value in {"CONNECTIONS": "prima,emarsys", **EMARSYS(systems), **ERPS["prima"](systems)}.items():
        monkeypatch.setenv(name, value)
    return emulated


def test_an_admin_reads_what_is_missing_sets_it_and_tests(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMARSYS_CLIENT_ID")
    with browser_of(live_server, "admin") as page:
        page.get_by_role("link", name="Connections").click()
        expect(page.get_by_role("row", name="emarsys")).to_contain_text("Set EMARSYS_CLIENT_ID")
        page.get_by_role("link", name="emarsys", exact=True).click()
        page.get_by_role("button", name="Test connection").click()
        expect(page.locator(".notice-bad")).to_contain_text("EMARSYS_CLIENT_ID is not set")
        monkeypatch.setenv("EMARSYS_CLIENT_ID", "demo-client")
        page.get_by_role("button", name="Test connection").click()
        expect(page.locator(".notice-good")).to_contain_text("It answers.")
    assert AuditEvent.objects.filter(action="test connection").count() == 2


def test_an_admin_tries_a_mapping_against_a_captured_reply(
    live_server: Any, connected: Control, tmp_path: Path
) -> None:
    captured = Site(connected.base).post(envelope(request_xml("OrderChanges", ChangedSince="01/01/2020 00:00:00")))
    reply, mapping = tmp_path / "orders.xml", tmp_path / "site.yaml"
    reply.write_bytes(captured.content.replace(b'"Despatched"', b'"Zapped"'))
    mapping.write_bytes(OWN_MAPPING.read_bytes().replace(b'"@OrderStatus"', b'"@Order Status["'))
    with browser_of(live_server, "admin", width=390) as page:
        page.goto("/console/connections/prima/")
        page.get_by_role("button", name="Show what it makes of it").click()
        expect(page.locator(".errorlist")).to_have_text("Choose the file with the reply.")
        page.get_by_label("A captured reply").set_input_files(reply)
        page.get_by_label("It holds").select_option("order")
        page.get_by_label("Another mapping file").set_input_files(mapping)
        page.get_by_role("button", name="Show what it makes of it").click()
        expect(page.get_by_role("alert")).to_contain_text("entities.order.fields.status.path")
        page.get_by_label("A captured reply").set_input_files(reply)
        page.get_by_label("It holds").select_option("order")
        page.get_by_role("button", name="Show what it makes of it").click()
        result = page.get_by_role("region", name="Result of the try")
        expect(result).to_contain_text("Records that would wait")
        expect(result).to_contain_text("Zapped")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_is_worked_with_the_keyboard_alone(live_server: Any) -> None:
    with browser_of(live_server, "admin") as page:
        page.goto("/console/connections/prima/")
        reached: list[str] = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(str(page.evaluate("document.activeElement.name || document.activeElement.innerText")))
        for wanted in ("Test connection", "reply", "entity", "mapping", "Show what it makes of it"):
            assert any(wanted in name for name in reached), (wanted, reached)
        page.get_by_role("button", name="Test connection").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("It answers.")


def test_a_misnamed_connection_is_explained_on_a_phone(live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS", "dynamcs365,emarsys")
    with browser_of(live_server, "viewer", width=390) as page:
        page.goto("/console/connections/")
        expect(page.get_by_role("alert")).to_contain_text("CONNECTIONS names dynamcs365")
        expect(page.get_by_role("link", name="emarsys", exact=True)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
