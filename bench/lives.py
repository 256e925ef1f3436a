"""Workers that are made to be killed: a process that has Django loaded forks one for each life.

A life works on a run until it ends, or until it dies (SIGKILL) at a named moment or after so many seconds. The lease
of a dead worker is over at once here: its death is certain, and waiting for it is proved elsewhere.
"""

import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 300.0
"""Seconds; a life that lasts longer hangs."""
SETTLING = 0.1
"""Seconds in which a request that a dead worker had sent is through: a real lease is far longer."""


class Worker:
    """The process that forks; one life at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def live(
        self,
        run: int,
        *,
        point: str = "",
        seconds: float | None = None,
        slices: float | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> bool:
        """True when it died as it should, False when the run came to an end before. `slices` seconds of a slice."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"run": run, "point": point, "seconds": seconds, "slices": slices}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        meanwhile()
        if not select.select([self._process.stdout], [], [], LONGEST)[0]:
            raise RuntimeError(f"A life hangs: {order}")
        status = int(self._process.stdout.readline() or -1)
        if not os.WIFSIGNALED(status) and status:
            raise RuntimeError(f"A life ended with {status}: {order}")
        return os.WIFSIGNALED(status)


@contextmanager
def worker(environment: Mapping[str, str], errors: Path) -> Iterator[Worker]:
    """With this environment; what it says goes to the file `errors`."""
    own = {**environment, "DJANGO_SETTINGS_MODULE": "integration_console.settings", "SYNC_ATTEMPTS": "1000"}
    with errors.open("a") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.lives"], cwd=ROOT, env=own, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
        )  # fmt: skip
    try:
        yield Worker(process)
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _live(order: Mapping[str, Any]) -> None:
    """In the forked process."""
    from datetime import timedelta

    from sync import clock, crashpoints, pipeline, runs
    from sync.catalogue import RunState
    from sync.models import SyncRun

    runs.ring_for = lambda run_id: None
    time.sleep(SETTLING)
    run = SyncRun.objects.filter(pk=order["run"])
    run.filter(state=RunState.RUNNING).update(lease_until=clock.now() - timedelta(seconds=1))
    run.filter(state=RunState.WAITING).update(wait_until=clock.now() - timedelta(seconds=1))
    crashpoints.arm(order["point"])
    pipeline.work(order["run"], order["slices"])
    while run.filter(state=RunState.RUNNING).exists():
        pipeline.work(order["run"], order["slices"])


def _born(order: Mapping[str, Any]) -> int:
    """Forks a life, and kills it when its time is over; its wait status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _live(order)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    ends = time.monotonic() + (SETTLING + order["seconds"] if order["seconds"] is not None else LONGEST)
    while time.monotonic() < ends:
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            return status
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _load() -> None:
    """All that a life needs, before the first is born."""
    import pycountry

    from connectors import dynamics365, emarsys
    from sync import pipeline

    assert pipeline
    pycountry.countries.get(alpha_2="GB")
    pycountry.languages.get(alpha_2="en")
    for package in (dynamics365, emarsys):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)


def main() -> None:
    import django

    django.setup()
    _load()
    for line in sys.stdin:
        print(_born(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
