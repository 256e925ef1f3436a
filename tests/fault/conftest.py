"""What goes wrong does so through a socket or a signal."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection as database

from tests.sync.conftest import _impatient, _small_tables_are_emptied_by_delete, emulators, load, rung

__all__ = ["_impatient", "_small_tables_are_emptied_by_delete", "emulators", "load", "rung"]
ROOT = Path(__file__).parents[2]
Started = Callable[..., "subprocess.Popen[str]"]


def environment(**more: str) -> dict[str, str]:
    """For a process of its own that works on the database of this test."""
    name = str(database.settings_dict["NAME"])
    if database.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        given = urlsplit(os.environ["DATABASE_URL"])
        url = f"{given.scheme}://{given.netloc}/{name}" + (f"?{given.query}" if given.query else "")
    own = {"DATABASE_URL": url, "STATE_DIR": str(settings.STATE_DIR), "SYNC_LEASE_SECONDS": "2"}
    return {**os.environ, **own, "PYTHONUNBUFFERED": "1", **more}


@pytest.fixture
def start() -> Iterator[Started]:
    """Starts a Python process in a group of its own; whatever is left at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def run(*command: str, **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment(**variables), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        processes.append(process)
        return process

    yield run
    for process in processes:
        kill(process)


def kill(process: "subprocess.Popen[str]") -> None:
    """The whole worker at once, as the out-of-memory killer or a power cut does it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    print(process.communicate(timeout=10)[0])
