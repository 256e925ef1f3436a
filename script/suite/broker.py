"""A Redis for the tests: given, started privately, or found running."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from system import MissingError, find_program, free_port, install

PROGRAMS = ("redis-server", "valkey-server")
FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin")
FOUND = "redis://127.0.0.1:6379/15"  # the last database, away from what its owner may keep in it
START_SECONDS = 10


@contextmanager
def redis_broker() -> Iterator[str]:
    """The CELERY_BROKER_URL of a Redis the tests may fill and empty; raises MissingError."""
    given = os.environ.get("CELERY_BROKER_URL", "")
    program = find_program(PROGRAMS, FOLDERS)
    if given.startswith(("redis://", "rediss://")):
        print("Redis: the one in CELERY_BROKER_URL.", flush=True)
        yield given
    elif program is None and _answers(FOUND):
        print("Redis: found running on port 6379; database 15 is used.", flush=True)
        yield FOUND
    else:
        with _private(program or _installed()) as url:
            yield url


def _installed() -> Path:
    if install("redis-server", "the tests run workers with a real Redis as their broker"):
        found = find_program(PROGRAMS, FOLDERS)
        if found is not None:
            return found
    raise MissingError("no Redis runs here, none is installed, and it cannot be installed from here")


@contextmanager
def _private(program: Path) -> Iterator[str]:
    """A server of our own on a free port, with the settings production needs (docs/deployment.md)."""
    folder, port = tempfile.mkdtemp(prefix="console-redis-"), free_port()
    options = f"--port {port} --bind 127.0.0.1 --dir {folder} --appendonly yes --maxmemory-policy noeviction".split()
    print(f"Redis: {program} started privately on port {port}, stopped at the end.", flush=True)
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > end:
            raise MissingError("Redis did not start")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as connection:
            return bool(connection.ping())
    except redis.RedisError:
        return False
