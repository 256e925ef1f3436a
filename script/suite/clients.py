"""Clients of the emulated systems that we did not write: installed as locked, apart from everything of ours.

Their folder is named after their lock files, so that it is made once and again only when a lock changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from system import MissingError, find_program, install

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = ROOT / "tests" / "clients"
FILES = ("requirements.txt", "package.json", "package-lock.json")


def clients() -> Path:
    """The folder with `venv` and `node_modules`; raises MissingError."""
    given = os.environ.get("CLIENTS", "")
    if given:
        return Path(given)
    digest = hashlib.sha256(b"".join((LOCKS / name).read_bytes() for name in FILES)).hexdigest()[:12]
    folder = ROOT / "var" / "clients" / digest
    if not (folder / "complete").exists():
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    npm = _npm()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print("Installing the independent clients of the emulated systems, in the versions of their locks.", flush=True)
    for name in FILES:
        shutil.copy(LOCKS / name, folder / name)
    _call(sys.executable, "-m", "venv", folder / "venv")
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _call(*pip, "--require-hashes", "--no-deps", "-r", folder / "requirements.txt")
    _call(npm, "ci", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error")
    (folder / "complete").touch()


def _npm() -> Path:
    found = find_program(("npm",), ("/opt/homebrew/bin", "/usr/local/bin"))
    if found is None and install("npm", "two of the independent clients are JavaScript"):
        found = find_program(("npm",))
    if found is None:
        raise MissingError("no Node.js with npm is installed, and it cannot be installed from here")
    return found


def _call(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise MissingError(f"the independent clients could not be installed: {' '.join(said)}")
