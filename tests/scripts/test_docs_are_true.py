"""What the documentation names is there: files, headings, settings; and its environment blocks work as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.core.management import get_commands

from connectors.base import Unlimited
from connectors.config import STANDARD
from connectors.emulators.server import running
from connectors.registry import all_connectors, connections
from sync.catalogue import KINDS
from tests.scripts.conftest import ROOT

FOLDERS = [ROOT / name for name in ("docs", "connectors", "tests/clients")]
BELOW = sorted(page for folder in FOLDERS for page in folder.rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *BELOW]
SYSTEMS = {
    "dynamics365-finance.md": "dynamics365.finance",
    "dataverse.md": "dynamics365.dataverse",
    "prima.md": "prima",
    "emarsys.md": "emarsys",
    "shop-export.md": "shop_export",
}
CONNECTIONS = {
    "DYNAMICS365": "dynamics365.finance",
    "DATAVERSE": "dynamics365.dataverse",
    "PRIMA": "prima",
    "EMARSYS": "emarsys",
    "SHOP_EXPORT": "shop_export",
}
ENVIRONMENT = re.compile(r"```sh\n((?:[A-Z0-9_]+=\S*\n)+)```")
OTHER_LISTS = {"CONNECTIONS", "STATE_DIR"}


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(text: str) -> str:
    """Without code: what is printed in a block is no link."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings as GitHub names them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def is_broken(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    if not there.exists():
        return True
    return bool(anchor) and there.suffix == ".md" and anchor not in anchors(there)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text()))
    assert [one for one in targets if "://" not in one and is_broken(page, one)] == []


def known(connector: str) -> set[str]:
    settings = {**STANDARD, **all_connectors()[connector].settings}
    files = {f"{name}_FILE" for name, setting in settings.items() if setting.secret}
    return {*settings, *files, "CONNECTOR"}


def installation() -> set[str]:
    """The variables that the console's own settings read."""
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "integration_console" / "settings.py").read_text()))


@pytest.mark.parametrize("page", [*PAGES, ROOT / ".env.example"], ids=names)
def test_every_variable_of_a_connection_is_a_setting_of_its_connector(page: Path) -> None:
    prefix = "|".join(CONNECTIONS)
    found = re.findall(rf"\b({prefix})_([A-Z][A-Z0-9_]*[A-Z0-9])\b", page.read_text())
    assert [f"{name}_{setting}" for name, setting in found if setting not in known(CONNECTIONS[name])] == []


@pytest.mark.parametrize("page", SYSTEMS)
def test_settings_that_a_system_s_page_explains_are_its_own(page: str) -> None:
    text = (ROOT / "docs" / "systems" / page).read_text()
    said = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{3,})(?:=[^`]*)?`", text))
    own = {name for name in said if not name.startswith(tuple(f"{prefix}_" for prefix in CONNECTIONS))}
    assert own - known(SYSTEMS[page]) - installation() - OTHER_LISTS == set()
    assert said & known(SYSTEMS[page])


@pytest.mark.parametrize("page", [ROOT / ".env.example", ROOT / "docs" / "deployment.md"], ids=names)
def test_variables_of_the_installation_are_read_by_it(page: Path) -> None:
    said = set(re.findall(r"\b(SYNC_[A-Z_]+)\b", page.read_text()))
    assert said
    assert said <= installation()


def test_kinds_of_exceptions_in_the_manual_are_called_as_on_the_screens() -> None:
    text = (ROOT / "docs" / "manual" / "exceptions.md").read_text()
    titles = re.findall(r"^\| \*([^*]+)\* \|", text, re.MULTILINE)
    assert titles
    assert set(titles) <= {kind.title for kind in KINDS.values()}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_command_of_manage_py_is_one(page: Path) -> None:
    said = set(re.findall(r"manage\.py ([a-z_]+)", page.read_text()))
    assert said <= {*get_commands(), "help"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop that the page of the CSV export makes: its printf, without a shell."""
    folder = tmp_path_factory.mktemp("shop")
    printed = re.search(r"printf '([^']+)'", (ROOT / "docs" / "systems" / "shop-export.md").read_text())
    assert printed
    (folder / "customers.csv").write_text(printed[1].replace("\\n", "\n"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def emulated() -> Iterator[str]:
    with running() as root:
        yield root.removeprefix("http://")


def printed_environment(page: str, addresses: Mapping[str, str]) -> dict[str, str]:
    """The page's first block of variables; only the ports are those of this test."""
    block = ENVIRONMENT.search((ROOT / "docs" / "systems" / page).read_text())
    assert block
    text = block[1]
    for printed, real in addresses.items():
        text = text.replace(printed, real)
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize("page", SYSTEMS)
def test_the_printed_environment_connects_to_the_emulated_systems(page: str, emulated: str, shop: str) -> None:
    environment = printed_environment(page, {"127.0.0.1:8900": emulated, "127.0.0.1:8930": shop})
    found = connections(environment)
    assert SYSTEMS[page] in {one.connector.name for one in found.values()}
    for connection in found.values():
        assert connection.settings.missing() == []
        assert connection.open(Unlimited()).check().startswith("Answers")


@pytest.mark.fault
def test_the_readme_s_commands_sync_prima_as_they_are_printed(emulated: str, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("### The demo company speaks every system")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    script = block[1]
    for printed, real in {
        "127.0.0.1:8900": emulated, "$PWD/var/prima": str(tmp_path), ".venv/bin/python": sys.executable
    }.items():  # fmt: skip
        assert printed in script
        script = script.replace(printed, real)
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "STATE_DIR")}
    done = subprocess.run(["sh", "-e"], input=script, env=clean, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^prima\.customer run \d+ completed", done.stdout, re.MULTILINE)
