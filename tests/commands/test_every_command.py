"""What holds for every command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.sync.conftest import Load, people

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.any_database
COMMANDS = sorted(path.stem for path in (ROOT / "sync/management/commands").glob("[a-z]*.py"))
OF_A_FLOW = ("cancel", "pause", "reconcile", "resume", "schedule", "sweep", "sync", "watermark")


def test_every_command_has_a_test() -> None:
    tests = "\n".join(
        path.read_text() for name in ("commands", "demo") for path in (ROOT / "tests" / name).glob("*.py")
    )
    untested = [name for name in COMMANDS if not re.search(rf'(run|ran|demo)\(\s*"{name}"', tests)]
    assert untested == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_command_is_for(run: Run, command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    assert re.search(rf"usage: manage.py {command}", ran.out)
    assert ran.out.partition("\n\n")[2].strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_wrong_usage(run: Run, command: str) -> None:
    assert run(command, "--no-such-option").code == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", OF_A_FLOW)
def test_an_unknown_flow_is_wrong_usage_and_the_answer_names_those_there_are(
    run: Run, load: Load, command: str
) -> None:
    load(people(1))
    ran = run(command, "dynamics365.nothing")
    assert ran.code == 2
    assert "Flows here: dynamics365.customer, " in ran.err


def test_a_reader_that_has_enough_is_no_error() -> None:
    """`manage.py connectors | head -1`"""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "connectors"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.wait(60)
    process.stderr.close()
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_a_database_that_is_not_there_is_said_in_a_sentence() -> None:
    gone = os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing", "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run([sys.executable, "manage.py", "runs"], cwd=ROOT, env=gone, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "The database does not answer: " in ran.stderr
    assert "Traceback" not in ran.stderr
