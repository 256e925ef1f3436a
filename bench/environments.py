"""The peers' own environment: their packages in the versions of bench/peers.txt, never beside the product's."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.emulated import ROOT

LOCK = ROOT / "bench" / "peers.txt"


class NoPeersError(Exception):
    """The peers' packages cannot be installed here; its text says what pip said."""


def peers() -> Path:
    """The Python that has `dlt` and `diffsync`. Made once, and again when the lock changes. Raises NoPeersError."""
    folder = ROOT / "var" / "peers" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print("Installing the peers in the versions of bench/peers.txt.", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _call(sys.executable, "-m", "venv", str(folder))
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _call(*pip, "--require-hashes", "--no-deps", "-r", str(LOCK))
        (folder / "complete").touch()
    return python


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise NoPeersError("\n".join((done.stderr or done.stdout).strip().splitlines()[-3:]))
