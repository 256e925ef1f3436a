"""The steps of `script/test`, in order."""

from __future__ import annotations

import sys
from dataclasses import dataclass

PYTHON = sys.executable
TOOL = PYTHON.rpartition("/")[0]
PARALLEL = ("-n", "2", "--dist", "loadfile")
SLOW = "browser or fault"


@dataclass(frozen=True)
class Step:
    """One command; a pytest step also takes what follows ``--`` on the command line."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    pytest: bool = False


def _pytest(name: str, marked: str, *options: str, needs: tuple[str, ...] = ()) -> Step:
    return Step(name, (PYTHON, "-m", "pytest", "-q", "-m", marked, *options), needs=needs, pytest=True)


STEPS = (
    Step("lint", (f"{TOOL}/ruff", "check", ".")),
    Step("format", (f"{TOOL}/ruff", "format", "--check", ".")),
    Step("types", (f"{TOOL}/mypy",)),
    Step("layers", (f"{TOOL}/lint-imports",)),
    Step("migrations", (PYTHON, "manage.py", "makemigrations", "--check", "--dry-run")),
    Step("check", (PYTHON, "manage.py", "check", "--fail-level", "WARNING")),
    _pytest("sqlite", f"not postgresql and not ({SLOW})", *PARALLEL),
    _pytest("postgresql", f"not ({SLOW})", *PARALLEL, needs=("postgresql",)),
    # One after the other: these own the broker, the browser and the clock.
    _pytest("system", SLOW, needs=("postgresql", "redis", "chromium")),
)
