"""The command line as a shell sees it: exit code, standard output and standard error."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import execute_from_command_line

from tests.sync.conftest import _impatient, emulators, load

__all__ = ["_impatient", "emulators", "load"]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What `--json` printed: an object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def one(self) -> dict[str, Any]:
        [row] = self.rows
        return row


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `manage.py COMMAND …` in this process, through the entry that the shell uses."""

    def ran(*words: str) -> Ran:
        capsys.readouterr()
        code = 0
        try:
            execute_from_command_line(["manage.py", *words])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return ran
