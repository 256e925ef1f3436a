"""Runs a command and watches it: seconds, CPU time, memory, and the database's CPU time on its behalf."""

import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.emulated import ROOT

TICK = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """A moment: unix time, CPU seconds so far, the most memory so far in MiB. Linux only; elsewhere there are none."""

    at: float
    cpu: float
    memory: float


@dataclass
class Measured:
    """`user` and `system` are the child's getrusage times; `database` the CPU seconds of its PostgreSQL backends,
    `machine` those of everything that ran meanwhile."""

    output: str
    errors: str
    status: int
    seconds: float
    user: float
    system: float
    database: float = 0.0
    machine: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        return self.user + self.system

    def peak_until(self, moment: float = float("inf")) -> float:
        """The most resident memory in MiB up to a unix time, 0 when nothing was sampled.

        Not getrusage's: that begins with what the parent held when it forked.
        """
        return max((sample.memory for sample in self.samples if sample.at <= moment), default=0.0)

    def cpu_at(self, moment: float) -> float:
        return max((sample.cpu for sample in self.samples if sample.at <= moment), default=0.0)


def cpu_of(pid: int) -> float:
    """CPU seconds a process has used; 0 where that cannot be read."""
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(values[11]) + int(values[12])) / _TICKS


def machine_cpu() -> float:
    """CPU seconds that all processes of this machine have used; 0 where that cannot be read."""
    try:
        values = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, soft, _ = values
    return (user + nice + system + irq + soft) / _TICKS


def memory_of(pid: int) -> float:
    """The high-water mark of resident memory in MiB, kept by the kernel; 0 where that cannot be read."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    backends: Callable[[], list[int]] = list,
    timeout: float = 600,
) -> Measured:
    """Runs it to its end. `backends` names the database's processes that work for it. Killed after `timeout` s."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began, busy = time.monotonic(), machine_cpu()
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=errors, stdin=subprocess.DEVNULL
        )
        watched = _Database(backends)
        watched.start()
        samples: list[Sample] = []
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            samples.append(Sample(time.time(), cpu_of(process.pid), memory_of(process.pid)))
            if time.monotonic() - began > timeout:
                process.kill()
            time.sleep(TICK)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # wait4 has collected it already
        database = watched.stop()
        output.seek(0)
        errors.seek(0)
        return Measured(
            output.read().decode(),
            errors.read().decode("utf-8", "replace"),
            process.returncode,
            seconds,
            usage.ru_utime,
            usage.ru_stime,
            database,
            machine_cpu() - busy,
            [sample for sample in samples if sample.memory],
        )


class _Database(threading.Thread):
    """Adds up the CPU time of processes that come and go, four times a second."""

    def __init__(self, backends: Callable[[], list[int]]) -> None:
        super().__init__(daemon=True)
        self._backends, self._seen, self._over = backends, dict[int, float](), threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.25):
            self._look()

    def _look(self) -> None:
        for pid in self._backends():
            self._seen[pid] = max(self._seen.get(pid, 0.0), cpu_of(pid))

    def stop(self) -> float:
        self._over.set()
        self.join(10)
        return sum(self._seen.values())
