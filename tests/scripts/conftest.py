"""A copy of what the set-up needs, in a folder of its own, and ways to make the machine around it a poor one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Clone:
    """A fresh clone, and the environment its scripts are started in."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        program = str(self.folder / command[0])
        return subprocess.run(
            [program, *command[1:]], env=self.environment, capture_output=True, text=True, timeout=180, cwd="/"
        )

    def shadow(self, module: str, source: str) -> None:
        """Put a module of our own before the standard library's."""
        folder = self.folder.parent / "shadow"
        folder.mkdir(exist_ok=True)
        (folder / f"{module}.py").write_text(source)
        self.environment["PYTHONPATH"] = str(folder)

    def program(self, name: str, script: str) -> None:
        """A command of our own, first in PATH."""
        path = self.folder.parent / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def make_ready(self) -> None:
        """An environment in which everything locked is installed, as far as the set-up can see."""
        (self.folder / ".venv" / "bin").mkdir(parents=True)
        python = self.folder / ".venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        code = "import bootstrap, json; bootstrap.STAMP.write_text(json.dumps(bootstrap._stamp_of(bootstrap.TOOLS)))"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=self.folder / "script")

    def left_behind(self) -> list[str]:
        """What a failed set-up left, beside its lock file."""
        made = [path for path in (self.folder / ".venv", self.folder / "var" / "setup" / "venv") if path.exists()]
        return [str(path.relative_to(self.folder)) for path in made]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "script", folder / "script", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder / name)
    (tmp_path / "bin").mkdir()
    made = Clone(folder, {"PATH": f"{tmp_path / 'bin'}:{os.defpath}", "HOME": str(tmp_path)})
    made.program("python3", f'exec "{sys.executable}" "$@"')
    return made


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.fixture
def free_port() -> str:
    """A port that nobody listens on, nor on the one 900 above it, where the emulated systems would be."""
    for port in range(20_000, 30_000):
        with socket.socket() as console, socket.socket() as emulators:
            try:
                console.bind(("127.0.0.1", port))
                emulators.bind(("127.0.0.1", port + 900))
            except OSError:
                continue
            return str(port)
    raise AssertionError("every port from 20000 to 30000 is in use")


@pytest.fixture
def no_index(clone: Clone) -> None:
    """A package index whose port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clone.environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple"}
