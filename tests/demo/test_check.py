"""`script/check` finds what is wrong: each case damages one thing in a copy of the console's tables."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.conftest import ROOT, Demo

pytestmark = pytest.mark.fault

DAMAGE = {
    "a penny more in the ledger": (
        "UPDATE sync_ledgerentry SET amount = amount + 0.01 WHERE source_id = 'usmf|SO-001|1'",
        "WRONG  every amount equals the ERP's",
    ),
    "a line that never arrived": (
        "DELETE FROM sync_ledgerentry WHERE source_id = 'usmf|SO-001|2'",
        "WRONG  every line has exactly one end",
    ),
    "a line nobody has sold": (
        "UPDATE sync_ledgerentry SET source_id = 'usmf|SO-999|1' WHERE source_id = 'usmf|SO-001|1'",
        "WRONG  the ledger holds no line that the ERP has not",
    ),
    "a sent line called excluded": (
        "UPDATE sync_ledgerentry SET state = 'excluded' WHERE source_id = 'usmf|SO-001|1'",
        "WRONG  nothing is there that the ledger does not call accepted",
    ),
    "an excluded line called accepted": (
        "UPDATE sync_ledgerentry SET state = 'accepted' WHERE source_id = 'usmf|SO-007|1'",
        "WRONG  every accepted line is there",
    ),
    "a day that adds up to something else": (
        "UPDATE sync_controltotal SET erp_amount = erp_amount + 1 WHERE id = 1",
        "WRONG  29 control totals",
    ),
    "a planted difference that was missed": (
        "DELETE FROM sync_syncissue WHERE kind = 'missing_in_target' AND state = 'open'",
        "WRONG  all 7 planted differences were found",
    ),
    "a planted difference that was closed too early": (
        "UPDATE sync_syncissue SET state = 'resolved' WHERE kind = 'orphan' AND state = 'open'",
        "WRONG  all 7 planted differences were found",
    ),
    "an exception without a difference": (
        "UPDATE sync_syncissue SET state = 'open' WHERE kind = 'field_drift' AND state = 'resolved'",
        "WRONG  no other exception of the comparison is open",
    ),
    "a link to somebody else": (
        "UPDATE sync_crossreference SET target_id = '999999999' WHERE state = 'active'",
        "WRONG  every link without an exception",
    ),
    "a customer nobody knows of": (
        "DELETE FROM sync_crossreference",
        "WRONG  every customer has a link or an exception",
    ),
}


def _check(demo: Demo, database: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    control = f"http://127.0.0.1:{demo.emulators_port}"
    words = ["--control", control, "--database", f"sqlite:///{database}", *options]
    command = [sys.executable, "-S", str(ROOT / "script/check"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def copy(standing: Demo, tmp_path: Path) -> Path:
    """The console's database as it is now, to be damaged."""
    path = tmp_path / "copy.sqlite3"
    with sqlite3.connect(standing.state / "console.sqlite3") as source, sqlite3.connect(path) as target:
        source.backup(target)
    return path


def test_an_undamaged_copy_agrees_with_the_standard_library_alone(standing: Demo, copy: Path) -> None:
    ran = _check(standing, copy, "--before", str(standing.state / "opt-ins-before.json"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "contacts have the opt-in they had" in ran.stdout


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found(standing: Demo, copy: Path, name: str) -> None:
    sql, said = DAMAGE[name]
    with sqlite3.connect(copy) as connection:
        assert connection.execute(sql).rowcount > 0
    ran = _check(standing, copy)
    assert ran.returncode == 1
    assert said in ran.stdout


def test_an_opt_in_that_changed_is_found(standing: Demo, copy: Path, tmp_path: Path) -> None:
    before = (standing.state / "opt-ins-before.json").read_text()
    told = tmp_path / "before.json"
    told.write_text(before.replace('"2"', '"1"', 1))
    ran = _check(standing, copy, "--before", str(told))
    assert ran.returncode == 1
    assert "1 became 2" in ran.stdout


def test_systems_that_do_not_answer_are_said(copy: Path, standing: Demo) -> None:
    nobody = Demo(standing.state, standing.dataset, 1, 1)
    ran = _check(nobody, copy)
    assert ran.returncode == 1
    assert "does not answer" in ran.stdout


def test_it_imports_neither_the_console_nor_the_emulators() -> None:
    sources = [ROOT / "script/check", *(ROOT / "script/checking").glob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    for package in ("sync", "connectors", "integration_console", "django"):
        assert f"import {package}" not in text
        assert f"from {package}" not in text
