"""The steps of `script/test`, in order."""

from __future__ import annotations

import sys
from dataclasses import dataclass

PYTHON = sys.executable
TOOL = PYTHON.rpartition("/")[0]
PARALLEL = ("-n", "2", "--dist", "loadfile")
AS_FOUND = ("--no-loadscope-reorder",)
"""In the order of tests/conftest.py; else a file of one long test would begin when all others are done."""
SLOW = "browser or fault"
APART = f"{SLOW} or clients"
PLAIN = ("tests/connectors", "tests/emulators", "tests/scripts", "tests/standins", "tests/vectors")
"""No database in them: they need not run on two."""


@dataclass(frozen=True)
class Step:
    """One command; a pytest step also takes what follows ``--`` on the command line."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    pytest: bool = False


def _pytest(name: str, marked: str, *options: str, needs: tuple[str, ...] = ()) -> Step:
    return Step(name, (PYTHON, "-m", "pytest", "-q", "-m", marked, *options), needs=needs, pytest=True)


def _without(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"--ignore={folder}" for folder in folders)


STEPS = (
    Step("lint", (f"{TOOL}/ruff", "check", ".")),
    Step("format", (f"{TOOL}/ruff", "format", "--check", ".")),
    Step("types", (f"{TOOL}/mypy",)),
    Step("layers", (f"{TOOL}/lint-imports",)),
    Step("migrations", (PYTHON, "manage.py", "makemigrations", "--check", "--dry-run")),
    Step("check", (PYTHON, "manage.py", "check", "--fail-level", "WARNING")),
    _pytest("plain", f"not ({APART})", *PARALLEL, *PLAIN),
    _pytest("sqlite", f"not postgresql and not ({APART})", *PARALLEL, *_without(PLAIN)),
    _pytest("postgresql", f"not any_database and not ({APART})", *PARALLEL, *_without(PLAIN), needs=("postgresql",)),
    _pytest("clients", "clients", "tests/clients", "tests/standins", needs=("clients",)),
    # Each file stays with one worker: it owns its database, its broker and its browser.
    _pytest("system", SLOW, *PARALLEL, *AS_FOUND, needs=("postgresql", "redis", "chromium")),
)
