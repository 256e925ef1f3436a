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

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue

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


@dataclass(frozen=True)
class Copy:
    """A tree to sabotage, with a state of its own."""

    tree: Path
    environment: dict[str, str]


def try_all(root: Path, environment: dict[str, str]) -> int:
    """0 when every mutant was caught, by tests that pass without it; prints one line for each. As many are tried at a
    time as there are cores."""
    survivors, mutants = 0, listed(root)
    with tempfile.TemporaryDirectory(prefix="console-mutants-") as folder:
        free: Queue[Copy] = Queue()
        for number in range(os.cpu_count() or 1):
            free.put(_copy(root, Path(folder) / str(number), environment))
        with ThreadPoolExecutor(free.qsize()) as pool:
            wrong = _failing(free, pool, sorted({test for mutant in mutants for test in mutant.tests}))
            for mutant, verdict in zip(mutants, pool.map(partial(_verdict, free, wrong), mutants), strict=True):
                survivors += verdict != "caught"
                print(f"{verdict:10} {mutant.name}", flush=True)
    print("Every mutant was caught." if not survivors else f"{survivors} not caught.", flush=True)
    return 1 if survivors else 0


def _copy(root: Path, folder: Path, environment: dict[str, str]) -> Copy:
    """Nothing compiled of one mutant may be there for the next, not by a process that a test starts either."""
    shutil.copytree(root, folder / "tree", ignore=LEFT_OUT)
    return Copy(folder / "tree", environment | {"STATE_DIR": f"{folder}/state", "PYTHONDONTWRITEBYTECODE": "1"})


def _failing(free: Queue[Copy], pool: ThreadPoolExecutor, named: Sequence[str]) -> set[str]:
    """Those of these tests that fail on the code as it is: what they say of a mutant is nothing."""
    shares = [share for start in range(free.qsize()) if (share := named[start :: free.qsize()])]
    failed = [share for share, code in zip(shares, pool.map(partial(_as_it_is, free), shares), strict=True) if code]
    alone = [[test] for share in failed for test in share]
    return {test for [test], code in zip(alone, pool.map(partial(_as_it_is, free), alone), strict=True) if code}


def _as_it_is(free: Queue[Copy], tests: Sequence[str]) -> int:
    copy = free.get()
    try:
        return _tests(copy, tests)
    finally:
        free.put(copy)


def _verdict(free: Queue[Copy], wrong: set[str], mutant: Mutant) -> str:
    if wrong.intersection(mutant.tests):
        return "BROKEN"
    copy = free.get()
    try:
        return _try(copy, mutant)
    finally:
        free.put(copy)


def _try(copy: Copy, mutant: Mutant) -> str:
    """``caught``, ``SURVIVED``, ``STALE`` (its line is gone) or ``BROKEN`` (the tests did not get to run)."""
    file = copy.tree / mutant.file
    original = file.read_text(encoding="utf-8") if file.exists() else ""
    if original.count(mutant.find) != 1:
        return "STALE"
    file.write_text(original.replace(mutant.find, mutant.replace), encoding="utf-8")
    try:
        code = _tests(copy, mutant.tests)
    finally:
        file.write_text(original, encoding="utf-8")
    return {0: "SURVIVED", SOME_TESTS_FAILED: "caught"}.get(code, "BROKEN")


def _tests(copy: Copy, tests: Sequence[str]) -> int:
    """pytest's exit code."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=copy.tree, env=copy.environment, capture_output=True).returncode
