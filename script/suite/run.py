"""Runs the steps, finds or starts what they need, and says at the end what ran, how long, and what did not.

Exit 0 when nothing failed. A missing service fails in CI (CI=true); elsewhere it is said, and the step is left out.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from broker import redis_broker
from browser import chromium
from clients import clients
from database import postgresql
from mutants import try_all
from steps import STEPS, Step
from system import CI, MissingError

ROOT = Path(__file__).resolve().parent.parent.parent
REPORTS = ROOT / "var" / "test-reports"
NO_TESTS = 5  # pytest's exit code when nothing was collected


@dataclass
class Outcome:
    step: str
    word: str  # ok, FAILED, left out
    seconds: float
    passed: int = 0
    failed: int = 0
    why: str = ""


class Services:
    """What steps need beyond Python, obtained once and released at the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._obtain: dict[str, Callable[[], tuple[str, str]]] = {
            "postgresql": lambda: ("DATABASE_URL", stack.enter_context(postgresql())),
            "redis": lambda: ("CELERY_BROKER_URL", stack.enter_context(redis_broker())),
            "chromium": lambda: ("CHROMIUM", str(chromium())),
            "clients": lambda: ("CLIENTS", str(clients())),
        }
        self._known: dict[str, tuple[str, str] | MissingError] = {}

    def environment(self, needs: tuple[str, ...]) -> dict[str, str]:
        """Environment variables that name the services; raises MissingError, each time again."""
        variables = {}
        for need in needs:
            if need not in self._known:
                try:
                    self._known[need] = self._obtain[need]()
                except MissingError as problem:
                    self._known[need] = problem
            known = self._known[need]
            if isinstance(known, MissingError):
                raise known
            variables[known[0]] = known[1]
        return variables


def main() -> int:
    options = _options()
    chosen = [step for step in STEPS if step.name in options.only] if options.only else list(STEPS)
    if options.mutants:
        with tempfile.TemporaryDirectory(prefix="console-test-") as state:
            return try_all(ROOT, _apart(state))
    REPORTS.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        services = Services(stack)
        outcomes = [_run(step, services, options.pytest) for step in chosen]
    return _summary(outcomes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/test", description="Everything CI checks, from nothing.")
    parser.add_argument("--fast", action="store_true", help="the fast tests on SQLite, nothing else")
    parser.add_argument("--only", action="append", choices=[step.name for step in STEPS], metavar="STEP")
    parser.add_argument("--mutants", action="store_true", help="sabotage the code line by line; tests must notice")
    parser.add_argument("--list", action="store_true", help="name the steps and stop")
    parser.add_argument("pytest", nargs="*", help="what follows -- goes to pytest")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{step.name:12} {' '.join(map(_short, step.command))}" for step in STEPS))
        sys.exit(0)
    if options.fast:
        options.only = ["plain", "sqlite"]
    return options


def _short(word: str) -> str:
    return Path(word).name if word.startswith("/") else repr(word) if " " in word else word


def _run(step: Step, services: Services, extra: list[str]) -> Outcome:
    print(f"\n=== {step.name}: {' '.join(map(_short, step.command))}", flush=True)
    started = time.monotonic()
    try:
        environment = services.environment(step.needs)
    except MissingError as problem:
        print(f"Left out: {problem}.", flush=True)
        return Outcome(step.name, "FAILED" if CI else "left out", time.monotonic() - started, why=str(problem))
    report = REPORTS / f"{step.name}.xml"
    report.unlink(missing_ok=True)
    command = [*step.command, f"--junitxml={report}", *extra] if step.pytest else list(step.command)
    with tempfile.TemporaryDirectory(prefix="console-test-", ignore_cleanup_errors=True) as state:
        code = subprocess.run(command, cwd=ROOT, env=_apart(state) | environment).returncode
    ok = code == 0 or (code == NO_TESTS and bool(extra))
    passed, failed = _counts(report)
    return Outcome(step.name, "ok" if ok else "FAILED", time.monotonic() - started, passed, failed)


def _apart(state: str) -> dict[str, str]:
    """This process's environment on SQLite, with nothing of a demo or an .env file in the same folder."""
    own = {
        "STATE_DIR": state,
        "DATABASE_URL": f"sqlite:///{state}/console.sqlite3",
        "CELERY_BROKER_URL": "filesystem://",
        "PRODUCTION": "false",
        # Many short processes: compiling the code anew took each of them a third of its time.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return os.environ | own


def _counts(report: Path) -> tuple[int, int]:
    """Passed and failed (errors included) from a JUnit report."""
    if not report.exists():
        return 0, 0
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 - written by pytest a moment ago
    total = failed = 0
    for suite in suites:
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        failed += bad
        total += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
    return total, failed


def _summary(outcomes: list[Outcome]) -> int:
    print("\n=== summary")
    for outcome in outcomes:
        tests = f"{outcome.passed} passed, {outcome.failed} failed" if outcome.passed or outcome.failed else outcome.why
        print(f"{outcome.step:12} {outcome.word:9} {outcome.seconds:6.1f} s  {tests}")
    if any(outcome.step == "postgresql" and outcome.word == "left out" for outcome in outcomes):
        print("Only SQLite was tested: there is no PostgreSQL here.")
    passed, failed = sum(outcome.passed for outcome in outcomes), sum(outcome.failed for outcome in outcomes)
    broken = [outcome.step for outcome in outcomes if outcome.word == "FAILED"]
    print(f"Steps that failed: {', '.join(broken)}" if broken else "No step failed.")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    # A polite end releases the private servers, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
