"""Make ``.venv`` hold exactly the locked packages, or say in one sentence why that is not possible here.

Standard library only, because it runs before anything is installed. A new environment is built beside the old one
and takes its place by a rename, so a failure leaves what was there before. Called by ``script/setup``.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pip_wheel

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "locked.json"
SCRATCH = ROOT / "var" / "setup"
PRODUCT = "requirements.txt"
TOOLS = "requirements-dev.txt"  # a superset of PRODUCT
OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING and ALTER TABLE DROP COLUMN
DISK_MB = {PRODUCT: 400, TOOLS: 800}  # measured installed: 236 MB and 522 MB
DEMO_PORT = "8000"  # of the console, when --port does not say; the emulated systems are 900 above


class CannotSetUpError(Exception):
    """Something about this machine prevents the set-up; the message is for the person at the keyboard."""


def main(arguments: list[str]) -> int:
    """Return 0 when ``.venv`` is ready, 1 when it cannot be (with a sentence on stderr), 130 on Ctrl-C."""
    options = _options(arguments)
    try:
        _check_python()
        if options.demo and not options.help:
            _check_ports(options.port, options.emulators_port)
        with _alone():
            _make_ready(TOOLS if options.dev else PRODUCT)
    except (CannotSetUpError, pip_wheel.NoPipError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        if problem.errno != errno.ENOSPC:
            raise
        print(f"\nThe disk under {ROOT} is full; nothing was changed.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; nothing was changed.", file=sys.stderr)
        return 130
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    """The few options that matter here; all others belong to the command that follows."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--port", default=DEMO_PORT)
    parser.add_argument("--emulators-port", default="")
    parser.add_argument("-h", "--help", action="store_true")
    return parser.parse_known_args(arguments)[0]


# ------------------------------------------------------------------------------------------------ what must hold
def _check_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file may be started by any Python
        raise CannotSetUpError(f"This needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    try:
        import sqlite3
    except ImportError:
        raise CannotSetUpError(
            f"{sys.executable} was built without SQLite (the sqlite3 module); use another Python 3.11 or newer."
        ) from None
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise CannotSetUpError(
            f"This needs SQLite 3.35 or newer; {sys.executable} brings {sqlite3.sqlite_version}. "
            "Use a Python from your system's packages, from python.org or from Homebrew."
        )


def _check_ports(console: str, emulators: str) -> None:
    """Of the demo: said before anything is installed, not a minute later."""
    _check_port(console, "--port")
    _check_port(emulators or str(int(console) + 900), "--emulators-port")


def _check_port(port: str, option: str) -> None:
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise CannotSetUpError(f"{port} is not a port; choose one from 1024 to 64000 with {option}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as problem:
            raise CannotSetUpError(
                f"Port {port} on 127.0.0.1 cannot be used ({problem.strerror}); choose another with {option}."
            ) from None


def _check_disk(wanted: str) -> None:
    free = shutil.disk_usage(ROOT).free // 2**20
    if free < DISK_MB[wanted]:
        raise CannotSetUpError(
            f"This needs about {DISK_MB[wanted]} MB of free disk for its packages; {ROOT} has {free} MB."
        )


@contextmanager
def _alone() -> Iterator[None]:
    """One set-up at a time: a second one waits, and then usually finds everything ready."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with (SCRATCH / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up is running here; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ------------------------------------------------------------------------------------------------- what is there
def _make_ready(wanted: str) -> None:
    python = VENV / "bin" / "python"
    stamped = _stamped()
    if _runs(python):
        if _is_current(stamped, wanted):
            return
        if not stamped and _satisfies(python, wanted):
            STAMP.write_text(json.dumps(_stamp_of(wanted)))
            return
    if PRODUCT in stamped and TOOLS in stamped:
        wanted = TOOLS  # it had the tools before; keep them
    _build(wanted)


def _stamped() -> dict[str, str]:
    """Lock file -> hash of the content that was installed; empty for an environment that is not ours."""
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {}


def _stamp_of(wanted: str) -> dict[str, str]:
    """What may be said after installing ``wanted``; the tools' lock contains the product's."""
    names = (PRODUCT, TOOLS) if wanted == TOOLS else (PRODUCT,)
    return {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}


def _is_current(stamped: dict[str, str], wanted: str) -> bool:
    return _stamp_of(wanted).items() <= stamped.items()


def _runs(python: Path) -> bool:
    """False after a system upgrade took the interpreter away."""
    try:
        return subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]).returncode == 0
    except OSError:
        return False


def _satisfies(python: Path, wanted: str) -> bool:
    """True when somebody installed the locked versions by hand; asks pip, without network."""
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--no-index",
        "--quiet",
        "-r",
        ROOT / wanted,
    ]
    return subprocess.run(command, capture_output=True).returncode == 0


# ------------------------------------------------------------------------------------------------- building it
def _build(wanted: str) -> None:
    _check_disk(wanted)
    what = "the product's packages" + (" and the tools that test it" if wanted == TOOLS else "")
    print(f"Setting up .venv with {what}, in the versions and hashes of {wanted}.")
    print("Nothing is installed outside this folder. This takes about a minute.", flush=True)
    started = time.monotonic()
    fresh = SCRATCH / "venv"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _make_environment(fresh)
        _install(fresh, wanted)
        (fresh / STAMP.name).write_text(json.dumps(_stamp_of(wanted)))
        _move_into_place(fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    print(f"Ready after {time.monotonic() - started:.0f} s.", flush=True)


def _make_environment(folder: Path) -> None:
    """An environment with pip in it, also where Debian left ensurepip (package python3-venv) out."""
    if _importable("venv") and _importable("ensurepip"):
        _run([sys.executable, "-m", "venv", folder], "Python could not make a virtual environment")
    elif _importable("virtualenv"):
        _run([sys.executable, "-m", "virtualenv", "--quiet", folder], "virtualenv failed")
    elif _importable("venv"):
        print("This Python has no ensurepip (Debian: package python3-venv), so pip is fetched from the package index.")
        _run([sys.executable, "-m", "venv", "--without-pip", folder], "Python could not make a virtual environment")
        wheel = pip_wheel.download(folder)
        pip = [folder / "bin" / "python", wheel / "pip"]  # pip runs from inside its own wheel
        _run([*pip, "install", "--quiet", "--no-index", wheel], "pip could not install itself")
        wheel.unlink()
    else:
        raise CannotSetUpError(
            "This Python cannot make virtual environments; install python3-venv (apt) and try again."
        )


def _importable(module: str) -> bool:
    """Whether the module imports, tried in a process of its own: a broken one may be found and still fail."""
    if importlib.util.find_spec(module) is None:
        return False
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0


def _install(folder: Path, wanted: str) -> None:
    options = "--require-hashes --only-binary :all: --quiet --no-input --disable-pip-version-check --retries 2".split()
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(ROOT / wanted)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise CannotSetUpError(_why_pip_failed(done.stdout))


def _why_pip_failed(said: str) -> str:
    """One sentence from pip's many, and its own last words below."""
    if "No space left on device" in said:
        reason = "The disk is full."
    elif "DO NOT MATCH THE HASHES" in said:
        reason = "A downloaded package is not the one that was locked (its hash differs); nothing of it was installed."
    elif any(sign in said for sign in ("NewConnectionError", "Max retries", "ConnectTimeout", "Could not fetch URL")):
        reason = "No package index can be reached; this needs the network once, or PIP_INDEX_URL set to a mirror."
    elif "No matching distribution" in said:
        reason = (
            f"The package index has no build of a locked package for Python {sys.version.split()[0]} on this system."
        )
    else:
        reason = "pip could not install the locked packages."
    last = "\n".join(f"    {line}" for line in said.strip().splitlines()[-4:])
    return f"{reason} Nothing was changed.\npip said:\n{last}"


def _run(command: list[str | Path], sentence: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise CannotSetUpError(f"{sentence}; nothing was changed. It said:\n{done.stdout.strip()}")


def _move_into_place(fresh: Path) -> None:
    """Scripts name their interpreter by its full path, so they are rewritten to the final one first."""
    before, after = os.fsencode(fresh), os.fsencode(VENV)
    for file in (fresh / "bin").iterdir():
        if file.is_symlink() or not file.is_file():
            continue
        content = file.read_bytes()
        if before in content and b"\0" not in content:
            file.write_bytes(content.replace(before, after))
    old = SCRATCH / "venv-before"
    shutil.rmtree(old, ignore_errors=True)
    if VENV.exists():
        VENV.rename(old)
    fresh.rename(VENV)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
