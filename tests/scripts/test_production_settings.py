"""What docs/deployment.md promises of the settings, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.scripts.conftest import ROOT

PRODUCTION = {
    "PRODUCTION": "true",
    "SECRET_KEY": "0123456789" * 5 + "abcdefghij",
    "ALLOWED_HOSTS": "console.example.com",
}


def _manage(state: Path, environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": os.defpath, "STATE_DIR": str(state), "STATIC_ROOT": str(state / "static")} | environment
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *command], env=own, capture_output=True, text=True, timeout=60
    )


def test_production_settings_pass_django_s_own_security_check(tmp_path: Path) -> None:
    done = _manage(tmp_path, PRODUCTION, "check", "--deploy", "--fail-level", "WARNING")

    assert done.returncode == 0, done.stderr


def test_production_refuses_a_short_secret_key(tmp_path: Path) -> None:
    done = _manage(tmp_path, PRODUCTION | {"SECRET_KEY": "short"}, "check")

    assert done.returncode == 1
    assert "at least 40 characters" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_secret_key_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(PRODUCTION["SECRET_KEY"])
    environment = {key: value for key, value in PRODUCTION.items() if key != "SECRET_KEY"}

    assert _manage(tmp_path, environment | {"SECRET_KEY_FILE": str(file)}, "check").returncode == 0


def test_static_files_are_collected_for_the_web_server(tmp_path: Path) -> None:
    done = _manage(tmp_path, PRODUCTION, "collectstatic", "--noinput", "--verbosity", "0")

    assert done.returncode == 0, done.stderr
    assert any((tmp_path / "static").rglob("*.css"))


def test_every_setting_is_in_the_example_or_the_deployment_guide() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "integration_console" / "settings.py").read_text()))
    told = (ROOT / ".env.example").read_text() + (ROOT / "docs" / "deployment.md").read_text()

    assert [name for name in sorted(read) if not re.search(rf"\b{name}\b", told)] == []


def test_the_example_environment_holds_no_secret() -> None:
    values = re.findall(
        r"^#?([A-Z0-9_]*(?:SECRET|PASSWORD|TOKEN|KEY)[A-Z0-9_]*)=(\S*)", (ROOT / ".env.example").read_text()
    )

    assert [name for name, value in values if value and not name.endswith("_FILE")] == []
