"""The contracts of pyproject.toml on a small house: clean it passes, and each forbidden import is named.

Nothing in the configuration names the packages used here, so this also shows that a new connector or a new verb
needs no edit of it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.conftest import ROOT

HOUSE = {
    "integration_console/settings.py": "import sync.tasks",
    "sync/admin/pages.py": "import sync.tasks, sync.newverb",
    "sync/management/commands/emulate.py": "import connectors.emulators.server",
    "sync/management/commands/demo.py": "import connectors.emulators",
    "sync/web/health.py": "import django",
    "sync/tasks.py": "import sync.newverb",
    "sync/newverb.py": "import sync.flows, sync.otherverb, connectors.records, connectors.written",
    "sync/otherverb.py": "import sync.models.flow",
    "sync/flows.py": "import sync.models.flow, connectors.registry",
    "sync/models/flow.py": "import sync.catalogue",
    "sync/storage/rows.py": "import sync.catalogue",
    "sync/catalogue.py": "",
    "connectors/base.py": "import connectors.records",
    "connectors/config.py": "import os",
    "connectors/addresses.py": "import socket, connectors.errors",
    "connectors/certificates.py": "import ssl",
    "connectors/errors.py": "import connectors.redaction",
    "connectors/redaction.py": "",
    "connectors/bearer.py": "",
    "connectors/reply.py": "import connectors.certificates",
    "connectors/session.py": "import requests, connectors.addresses",
    "connectors/written.py": "",
    "connectors/fields.py": "import connectors.errors",
    "connectors/records.py": "",
    "connectors/failures.py": "import urllib3, connectors.errors, connectors.reply",
    "connectors/http.py": "import requests, connectors.failures, connectors.session, connectors.written",
    "connectors/registry.py": "",
    "connectors/newerp/mapping.py": "import connectors.fields, connectors.records",
    "connectors/newerp/auth.py": "import requests, connectors.http",
    "connectors/newerp/client.py": "import connectors.http",
    "connectors/othererp/client.py": "import connectors.base",
    "connectors/emulators/server.py": "import sqlite3",
}

FORBIDDEN = [
    ("connectors/base.py", "import sync.catalogue", "connectors.base -> sync.catalogue"),
    ("sync/catalogue.py", "import integration_console.settings", "sync.catalogue -> integration_console.settings"),
    ("sync/newverb.py", "import sync.tasks", "sync.newverb -> sync.tasks"),
    ("sync/tasks.py", "import sync.admin.pages", "sync.tasks -> sync.admin.pages"),
    ("sync/flows.py", "import sync.newverb", "sync.flows -> sync.newverb"),
    ("sync/models/flow.py", "import sync.flows", "sync.models.flow -> sync.flows"),
    ("sync/storage/rows.py", "import sync.models.flow", "sync.storage.rows -> sync.models.flow"),
    ("sync/newverb.py", "import connectors.http", "sync.newverb -> connectors.http"),
    ("sync/newverb.py", "import connectors.newerp.client", "sync.newverb -> connectors.newerp.client"),
    ("sync/newverb.py", "import connectors.emulators.server", "sync.newverb -> connectors.emulators.server"),
    (
        "connectors/newerp/client.py",
        "import connectors.othererp.client",
        "connectors.newerp.client -> connectors.othererp",
    ),
    ("connectors/newerp/client.py", "import django", "connectors.newerp.client -> django"),
    ("connectors/newerp/client.py", "import sqlite3", "connectors.newerp.client -> sqlite3"),
    ("connectors/newerp/client.py", "import requests", "connectors.newerp.client -> requests"),
    ("connectors/newerp/mapping.py", "import pathlib", "connectors.newerp.mapping -> pathlib"),
    ("connectors/newerp/mapping.py", "import connectors.http", "connectors.newerp.mapping -> connectors.http"),
    (
        "connectors/newerp/client.py",
        "import connectors.emulators.server",
        "connectors.newerp.client -> connectors.emulators",
    ),
    (
        "connectors/emulators/server.py",
        "import connectors.newerp.client",
        "connectors.emulators.server -> connectors.newerp",
    ),
    ("connectors/emulators/server.py", "import connectors.fields", "connectors.emulators.server -> connectors.fields"),
    ("sync/tasks.py", "import requests", "sync.tasks -> requests"),
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "script").mkdir()
    shutil.copy(ROOT / "script" / "import_layers.py", tmp_path / "script")
    for name, source in HOUSE.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{source}\n")
    for folder in {
        parent for name in HOUSE for parent in (tmp_path / name).relative_to(tmp_path).parents if parent.name
    }:
        (tmp_path / folder / "__init__.py").touch()
    return tmp_path


def _lint(house: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([str(program), "--no-cache"], cwd=house, capture_output=True, text=True, timeout=60)


def test_a_house_in_order_passes(house: Path) -> None:
    done = _lint(house)

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(("file", "line", "named"), FORBIDDEN)
def test_a_forbidden_import_is_named(house: Path, file: str, line: str, named: str) -> None:
    with (house / file).open("a") as source:
        source.write(f"{line}\n")

    done = _lint(house)

    assert done.returncode == 1
    assert named in done.stdout
