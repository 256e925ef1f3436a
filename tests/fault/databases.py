"""A PostgreSQL of a test's own, which it may restart, stop and start: everybody else's goes on."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "script" / "suite"))
from database import FOLDERS  # noqa: E402 - the suite's scripts are no package
from system import find_program, ordinary_user  # noqa: E402

MIGRATED = "migrated"
# What it said it has must outlive its processes, not the machine.
OPTIONS = "-c fsync=off -c full_page_writes=off -c listen_addresses=''"


class Server:
    """In a folder of its own, behind a socket in it. PostgreSQL refuses to run as root."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs, self._user = folder, programs, ordinary_user()
        self._lock = threading.Lock()
        if self._user:
            subprocess.run(["chown", str(self._user["user"]), str(folder)], check=True)
        self._call("initdb", "-U", "console", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self.start()

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://console@/{name}?host={self.folder}&port=5432"

    def start(self) -> None:
        self._ctl("start", "-l", str(self.folder / "log"), "-o", f"-k {self.folder} {OPTIONS}")

    def restart(self) -> None:
        """As after a crash: no connection is asked to end, and the log is replayed."""
        with self._lock:  # threads that come to it at once do it one after the other
            self._ctl("restart", "-m", "immediate", "-l", str(self.folder / "log"), "-o", f"-k {self.folder} {OPTIONS}")

    def stop(self) -> None:
        self._ctl("stop", "-m", "immediate")

    def sql(self, *statements: str) -> list[Any]:
        """Each on its own, as the owner; the rows of the last."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def _ctl(self, *command: str) -> None:
        self._call("pg_ctl", "-w", "-t", "60", *command)

    def _call(self, program: str, *options: str) -> None:
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *options]
        with tempfile.TemporaryFile() as said:  # the server keeps the descriptor: a pipe would never end
            done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", **self._user)
            said.seek(0)
            assert done.returncode == 0, said.read().decode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = find_program(("pg_ctl",), FOLDERS)
    if found is None:
        pytest.skip("needs the programs of a PostgreSQL server to start one of its own")
    with tempfile.TemporaryDirectory(prefix="console-pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        own = Server(Path(folder), found.resolve().parent)
        try:
            yield own
        finally:
            own.stop()


@pytest.fixture(scope="module")
def migrated(server: Server, django_db_blocker: Any) -> Server:
    server.sql(f"CREATE DATABASE {MIGRATED}")
    with django_db_blocker.unblock(), moved(server, MIGRATED):
        call_command("migrate", verbosity=0)
    return server


@pytest.fixture
def own_database(migrated: Server, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """This process and those that `start` starts work on an empty console there."""
    name = "console"
    migrated.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {MIGRATED}")
    monkeypatch.setenv("DATABASE_URL", migrated.url(name))
    with moved(migrated, name):
        yield migrated


@contextmanager
def moved(server: Server, name: str) -> Iterator[None]:
    """This process' connections go there, whatever database the tests were given."""
    settings = connections.settings["default"]
    before = dict(settings)
    there = {"NAME": name, "HOST": str(server.folder), "PORT": "5432", "USER": "console", "PASSWORD": ""}
    _anew(settings, {**there, "ENGINE": "django.db.backends.postgresql", "OPTIONS": {}})
    try:
        yield
    finally:
        _anew(settings, before)


def _anew(settings: dict[str, Any], changed: dict[str, Any]) -> None:
    connections.close_all()
    settings.update(changed)
    del connections["default"]  # the next question opens one of the other kind
