"""Sabotage one line of a copy of the code at a time; the tests named beside it must turn red.

``tests/mutants.toml`` lists them::

    [[mutant]]
    name = "the watermark moves before the target has answered"
    file = "sync/pipeline.py"
    find = "a line, or part of one, that occurs once"
    replace = "what it becomes"
    tests = ["tests/sync/test_pipeline.py"]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns(".*", "var", "staticfiles", "__pycache__")
SOME_TESTS_FAILED = 1  # pytest's exit code


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    find: str
    replace: str
    tests: list[str]


def listed(root: Path) -> list[Mutant]:
    """Every mutant of ``tests/mutants.toml``."""
    content = tomllib.loads((root / "tests" / "mutants.toml").read_text(encoding="utf-8"))
    return [Mutant(**entry) for entry in content["mutant"]]


def try_all(root: Path, environment: dict[str, str]) -> int:
    """0 when every mutant was caught, by tests that pass without it; prints one line for each."""
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="console-mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        mutants = listed(root)
        # Nothing compiled of one mutant may be there for the next, not by a process that a test starts either.
        own = environment | {"STATE_DIR": f"{folder}/state", "PYTHONDONTWRITEBYTECODE": "1"}
        wrong = _failing(copy, mutants, own)
        for mutant in mutants:
            verdict = "BROKEN" if wrong.intersection(mutant.tests) else _try(copy, mutant, own)
            survivors += verdict != "caught"
            print(f"{verdict:10} {mutant.name}", flush=True)
    print("Every mutant was caught." if not survivors else f"{survivors} not caught.", flush=True)
    return 1 if survivors else 0


def _failing(copy: Path, mutants: list[Mutant], environment: dict[str, str]) -> set[str]:
    """The named tests that fail on the code as it is: what they say of a mutant is nothing."""
    named = sorted({test for mutant in mutants for test in mutant.tests})
    if _tests(copy, named, environment) == 0:
        return set()
    return {test for test in named if _tests(copy, [test], environment)}


def _try(copy: Path, mutant: Mutant, environment: dict[str, str]) -> str:
    """``caught``, ``SURVIVED``, ``STALE`` (its line is gone) or ``BROKEN`` (the tests did not get to run)."""
    file = copy / mutant.file
    original = file.read_text(encoding="utf-8") if file.exists() else ""
    if original.count(mutant.find) != 1:
        return "STALE"
    file.write_text(original.replace(mutant.find, mutant.replace), encoding="utf-8")
    try:
        code = _tests(copy, mutant.tests, environment)
    finally:
        file.write_text(original, encoding="utf-8")
    return {0: "SURVIVED", SOME_TESTS_FAILED: "caught"}.get(code, "BROKEN")


def _tests(copy: Path, tests: list[str], environment: dict[str, str]) -> int:
    """pytest's exit code."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True).returncode
