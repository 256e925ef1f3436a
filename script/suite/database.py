"""A PostgreSQL for the tests: given, found running, or started privately for as long as they run."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql
from system import Account, MissingError, find_program, install, ordinary_user

OLDEST = 140000  # Django 5.2 needs PostgreSQL 14
FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
# Nothing in a private test server outlives the tests, so it need not survive a power cut.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "listen_addresses": "''"}


@contextmanager
def postgresql() -> Iterator[str]:
    """The DATABASE_URL of a server where test databases may be created; raises MissingError."""
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith(("postgres://", "postgresql://")):
        print("PostgreSQL: the one in DATABASE_URL.", flush=True)
        yield given
    elif running := _running():
        print(f"PostgreSQL: found running ({running.partition('?')[2]}); only test_ databases are made.", flush=True)
        try:
            yield running
        finally:
            _drop_left_overs(running)
    else:
        with _private(_programs()) as url:
            yield url


def _running() -> str | None:
    """A server on the usual sockets or port that lets this user create databases without a password."""
    name = f"integration_console_{os.getpid()}"
    for host in ("/var/run/postgresql", "/tmp", "127.0.0.1"):  # noqa: S108 - where its socket is on Linux and macOS
        for user in dict.fromkeys((getpass.getuser(), "postgres")):
            if _may_create(host, user):
                return f"postgresql://{quote(user)}@/{name}?host={host}&port=5432"
    return None


def _drop_left_overs(url: str) -> None:
    """Test databases of this run that a killed process or a late connection kept; nobody else's."""
    server, _, options = url.partition("?")
    server, _, name = server.rpartition("/")
    with psycopg.connect(f"{server}/postgres?{options}", autocommit=True) as connection:
        found = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [f"test_{name}"])
        for (left,) in found.fetchall():
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(left)))


def _may_create(host: str, user: str) -> bool:
    try:
        with psycopg.connect(host=host, user=user, port=5432, dbname="postgres", connect_timeout=3) as connection:
            row = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            return bool((row.fetchone() or [False])[0]) and connection.info.server_version >= OLDEST
    except psycopg.Error:
        return False


def _programs() -> Path:
    """The folder with initdb and pg_ctl."""
    found = find_program(("pg_ctl",), FOLDERS)
    if found is None and install("postgresql", "the tests run on SQLite and on PostgreSQL"):
        found = find_program(("pg_ctl",), FOLDERS)
    if found is None:
        raise MissingError("no PostgreSQL runs here, none is installed, and it cannot be installed from here")
    return found.resolve().parent


@contextmanager
def _private(programs: Path) -> Iterator[str]:
    """A server of our own behind a socket in a temporary folder, stopped and deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="console-pg-", dir="/tmp"))
    user = ordinary_user()
    if user:
        os.chown(folder, user["user"], user["group"])
    data = folder / "data"
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    print(f"PostgreSQL: started privately from {programs}, stopped at the end.", flush=True)
    try:
        _call(
            programs / "initdb",
            "-D",
            data,
            "-U",
            "console",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
            as_user=user,
        )
        start = ("-w", "-t", "60", "-l", folder / "log", "-o", f"-k {folder} {options}", "start")
        _call(programs / "pg_ctl", "-D", data, *start, as_user=user)
        yield f"postgresql://console@/console?host={folder}&port=5432"
    finally:
        stop = [str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
        subprocess.run(stop, capture_output=True, cwd="/", **user)
        shutil.rmtree(folder, ignore_errors=True)


def _call(*command: str | Path, as_user: Account) -> None:
    # pg_ctl's server inherits the descriptors, so output goes to a file: a pipe would never end.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", **as_user)
        if done.returncode:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-3:]
            raise MissingError(f"PostgreSQL did not start: {' '.join(last)}")
