"""What the tests may ask of this machine: packages, a free port, a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TypedDict

CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


class MissingError(Exception):
    """A service the tests need is not here and cannot be had; the message says what was tried."""


def free_port() -> int:
    """A TCP port on loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_program(names: tuple[str, ...], folders: tuple[str, ...] = ()) -> Path | None:
    """The first program found by name in PATH, or by glob pattern in well-known folders (newest version last)."""
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    for pattern in folders:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            for name in names:
                if os.access(folder / name, os.X_OK):
                    return folder / name
    return None


def install(package: str, why: str) -> bool:
    """Install a Debian package where this process may (root, or sudo without a password in CI); say so."""
    apt = shutil.which("apt-get")
    prefix = _privilege()
    if apt is None or prefix is None:
        return False
    print(f"Installing the system package {package} with apt-get: {why}.", flush=True)
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", apt, "install", "--yes", "--no-install-recommends"]
    if subprocess.run([*command, package], capture_output=True).returncode == 0:
        return True
    subprocess.run([*prefix, apt, "update"], capture_output=True)
    done = subprocess.run([*command, package], capture_output=True, text=True)
    if done.returncode:
        print(f"apt-get could not install {package}: {done.stderr.strip().splitlines()[-1:]}", flush=True)
    return done.returncode == 0


class Account(TypedDict, total=False):
    """Whom a process runs as, in subprocess' own words; empty means as this one."""

    user: int
    group: int
    extra_groups: list[int]


def ordinary_user() -> Account:
    """Arguments for subprocess that give up root, because PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise MissingError("running as root, and there is no user postgres or nobody to run PostgreSQL as")


def _privilege() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if CI and shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None
