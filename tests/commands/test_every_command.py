"""What holds for every command."""

import re
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.sync.conftest import Load, people

ROOT = Path(__file__).resolve().parent.parent.parent
COMMANDS = sorted(path.stem for path in (ROOT / "sync/management/commands").glob("[a-z]*.py"))
OF_A_FLOW = ("cancel", "pause", "reconcile", "resume", "sync")


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
    assert "dynamics365.customer, dynamics365.sale" in ran.err
