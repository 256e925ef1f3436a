"""A PostgreSQL database of our own for each run: made from a migrated template, dropped at the end."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench.emulated import ROOT

SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")


class Server:
    """The server in DATABASE_URL. Its own database is only the door; nothing there is touched."""

    def __init__(self, url: str) -> None:
        self.url = url

    def named(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def settings(self) -> dict[str, str]:
        with psycopg.connect(self.url) as connection:
            rows = connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(SHOWN)])
            found: dict[str, str] = dict(rows.fetchall())
            return {name: found[name] for name in SHOWN}

    def backends(self, database: str) -> list[int]:
        """Process ids of the server's side of every connection to a database."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [database])
            return [pid for (pid,) in rows]

    def run(self, *statements: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def database(self, name: str, template: str = "template1") -> Iterator[str]:
        """The database's URL."""
        made, like = sql.Identifier(name), sql.Identifier(template)
        self.run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(made, like))
        try:
            yield self.named(name)
        finally:
            self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(made))

    def settle(self) -> None:
        """What earlier runs have left to be written is written now, not during the next one."""
        try:
            self.run(sql.SQL("CHECKPOINT"))
        except psycopg.errors.InsufficientPrivilege:
            return


def manage(words: Sequence[str], environment: Mapping[str, str]) -> None:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(words)} failed: {done.stderr[-2000:]}")
