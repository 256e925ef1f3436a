"""What script/test does where there is no PostgreSQL: say so, and fail only where one is a must."""

from __future__ import annotations

import os

import pytest

from tests.scripts.conftest import Clone

NOWHERE = """
from contextlib import contextmanager
from system import MissingError

@contextmanager
def postgresql():
    raise MissingError("there is no PostgreSQL here")
    yield
"""


@pytest.fixture
def without_postgresql(clone: Clone) -> Clone:
    clone.make_ready()
    (clone.folder / "script" / "suite" / "database.py").write_text(NOWHERE)
    return clone


def test_without_postgresql_it_says_that_only_sqlite_was_tested(without_postgresql: Clone) -> None:
    done = without_postgresql.run("script/test", "--only", "postgresql")

    assert done.returncode == 0, done.stderr
    assert "Left out: there is no PostgreSQL here." in done.stdout
    assert "Only SQLite was tested" in done.stdout


def test_in_ci_a_missing_postgresql_is_a_failure(without_postgresql: Clone) -> None:
    without_postgresql.environment["CI"] = "true"

    done = without_postgresql.run("script/test", "--only", "postgresql")

    assert done.returncode == 1
    assert "Steps that failed: postgresql" in done.stdout


def test_a_failing_test_is_counted_and_fails_the_command(clone: Clone) -> None:
    clone.make_ready()
    (clone.folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -p no:django\nmarkers = postgresql\n  browser\n  fault\n"
    )
    (clone.folder / "test_two.py").write_text("def test_good(): pass\ndef test_bad(): assert False\n")

    done = clone.run("script/test", "--only", "sqlite", "--", "-p", "no:cacheprovider")

    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed"


def test_a_step_that_does_not_exist_is_refused_by_name(clone: Clone) -> None:
    clone.make_ready()

    done = clone.run("script/test", "--only", "nonsense")

    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert not os.path.exists(clone.folder / "var" / "test-reports")


def test_a_mutant_is_caught_survives_is_stale_or_was_tried_with_a_test_that_fails_anyway(clone: Clone) -> None:
    clone.make_ready()
    (clone.folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:django\npythonpath = .\n")
    (clone.folder / "money.py").write_text("def total(a, b):\n    return a + b\n\n\nUNTESTED = 1\n")
    (clone.folder / "tests").mkdir()
    (clone.folder / "tests" / "test_money.py").write_text(
        "from money import total\n\ndef test_sum(): assert total(2, 3) == 5\n"
    )
    (clone.folder / "tests" / "test_red.py").write_text("def test_red(): assert False\n")
    mutants = [
        ("sign", "a + b", "a - b", "money"),
        ("unseen", "UNTESTED = 1", "UNTESTED = 2", "money"),
        ("gone", "a * b", "a / b", "money"),
        ("red", "a + b", "a - b", "red"),
    ]
    (clone.folder / "tests" / "mutants.toml").write_text(
        "".join(
            f'[[mutant]]\nname = "{name}"\nfile = "money.py"\nfind = "{find}"\nreplace = "{new}"\n'
            f'tests = ["tests/test_{test}.py"]\n'
            for name, find, new, test in mutants
        )
    )

    done = clone.run("script/test", "--mutants")

    assert [line.split()[:2] for line in done.stdout.splitlines()[:4]] == [
        ["caught", "sign"],
        ["SURVIVED", "unseen"],
        ["STALE", "gone"],
        ["BROKEN", "red"],
    ]
    assert done.returncode == 1
