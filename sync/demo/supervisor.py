"""Starts the demo's processes, notices when one dies, and stops them all."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from django.conf import settings

from sync.demo import guard
from sync.demo.state import CannotStartError

LAST_LINES = 12
LIVES = 3
"""Starts of a process that keeps dying; one that has run for a minute begins to count anew."""


class StopAskedError(BaseException):
    """Ctrl-C or SIGTERM: end in good order. No Exception, or whoever catches those would swallow it."""


class ChildDiedError(Exception):
    """A process of the demo ended by itself; the message says which, and its last words."""


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    command: Sequence[str]
    environment: Mapping[str, str]
    deaths: int = 0
    """Times in a row that it ended by itself soon after its start."""
    born: float = 0.0

    def last_words(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return "\n".join(f"    {line}" for line in lines[-LAST_LINES:]) or "    (it said nothing)"


FORKING = {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"} if sys.platform == "darwin" else {}
"""macOS kills forked children that touch its frameworks, unless told otherwise before the start."""


class Supervisor:
    """A context: whatever was started inside is gone when it ends, also after kill -9."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: list[Child] = []
        self._asked = self._stopping = self._starting = False
        self._guard: subprocess.Popen[bytes] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Supervisor":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._ask_to_stop)
        self.logs.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-S", str(Path(guard.__file__)), str(self.logs)]  # the folder is for who reads ps
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stopping = True  # a second Ctrl-C must not leave half of them behind
        guard.end(
            [child.process.pid for child in self.children],
            reap=lambda: [child.process.poll() for child in self.children],
        )
        for child in self.children:
            child.process.wait()
        if self._guard and self._guard.stdin:
            self._guard.stdin.close()
            self._guard.wait()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        if not self._asked and not self._stopping:
            self._asked = True
            if not self._starting:  # a process nobody has written down yet would be forgotten
                raise StopAskedError

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """A process in a group of its own: Ctrl-C in the terminal reaches the demo only. Its output is its log."""
        self._starting = True
        try:
            child = self._begin(
                name, command, {**os.environ, **FORKING, "PYTHONUNBUFFERED": "1", **(environment or {})}
            )
        finally:
            self._starting = False
        self.check()
        return child

    def _begin(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        log = self.logs / f"{name}.log"
        log.write_bytes(b"")
        child = Child(name, self._process(log, command, environment), log, command, environment, born=time.monotonic())
        self.children.append(child)
        return child

    def _process(self, log: Path, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=settings.BASE_DIR,
                env=environment,
            )
        if self._guard and self._guard.stdin:
            self._guard.stdin.write(f"{process.pid}\n".encode())
            self._guard.stdin.flush()
        return process

    def _again(self, child: Child) -> None:
        """Starts a dead process once more; what it left behind of its group goes first."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.deaths = 1 if time.monotonic() - child.born > 60 else child.deaths + 1
        self._starting = True
        try:
            child.process = self._process(child.log, child.command, child.environment)
        finally:
            self._starting = False
        child.born = time.monotonic()

    def check(self) -> None:
        """Starts a dead process again; ChildDiedError when it will not live, StopAskedError when a stop was asked for
        and got lost on its way."""
        if self._asked:
            raise StopAskedError
        for child in self.children:
            code = child.process.poll()
            if code is None:
                continue
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            if code < 0 and child.deaths + 1 < LIVES:
                sys.stderr.write(f"\nThe demo's {child.name} {how}; it is started again.\n")
                self._again(child)
                continue
            said = f"The last lines of {child.log}:\n{child.last_words()}"
            raise ChildDiedError(f"The demo's {child.name} {how}.\n{said}")

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 90) -> None:
        """Until it is so; ChildDiedError or CannotStartError when it will not be."""
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise CannotStartError(f"{what} did not get ready within {seconds:.0f} seconds; see {self.logs}.")
            time.sleep(0.1)

    def watch(self) -> NoReturn:
        """Until a person stops the demo, or one of its processes dies."""
        while True:
            self.check()
            time.sleep(0.5)


def need_port(port: int, what: str, option: str) -> None:
    """CannotStartError when somebody else listens there."""
    if not 0 < port < 65536:
        raise CannotStartError(f"{port} is not a port; choose one from 1024 to 65535 with {option}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise CannotStartError(
                f"Port {port} on 127.0.0.1, wanted for {what}, cannot be used ({problem.strerror}); "
                f"choose another with {option}."
            ) from None
