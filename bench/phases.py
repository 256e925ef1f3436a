"""Where the time of one run goes: `python -m bench.phases FLOW`, in process, with timers around the phases.

Its total is not comparable with a timed run. Times are exclusive: a phase inside a phase counts once, as
itself. Work in other threads (reading ahead, sending) is told apart; it overlaps with the main thread's.
"""

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

PHASES = (
    ("read wait", "sync.pipeline", "ahead"),
    ("digest and probe", "sync.slices", "Slice.new"),
    ("map", "sync.delivery.upsert", "candidates"),
    ("look up links", "sync.delivery.upsert", "_links"),
    ("adoption", "sync.delivery.adoption", "Adoption.match"),
    ("adoption", "sync.delivery.adoption", "Adoption.prepare"),
    ("encode and compare", "sync.delivery.upsert", "_encode"),
    ("intent (commit 1)", "sync.delivery.upsert", "committed"),
    ("send wait", "sync.delivery.upsert", "wait"),
    ("rows to remember", "sync.delivery.upsert", "_link_rows"),
    ("remember: outcomes", "sync.delivery.upsert", "write_outcomes"),
    ("remember: links (COPY)", "sync.storage", "insert"),
    ("remember: links (COPY)", "sync.storage", "upsert"),
    ("remember: exceptions", "sync.issues", "raise_all"),
    ("remember: exceptions", "sync.issues", "settle"),
    ("remember: exceptions", "sync.issues", "healed"),
    ("remember: buckets, resume point", "sync.slices", "Slice._count"),
    ("remember: the rest, commit", "sync.slices", "Slice._remember"),
    ("pending keys", "sync.pending", "due"),
    ("opening both ends", "sync.flows", "open_route"),
    ("cancelled or paused?", "sync.pipeline", "_stop_asked"),
    ("thread: request and read", "connectors.http", "Http._once"),
    ("thread: waiting for the budget", "sync.budget", "Budget.acquire"),
    ("thread: page into rows", "connectors.dynamics365.odata", "page"),
    ("thread: answer into results", "connectors.emarsys.contacts", "Contacts.send"),
)


class Timers:
    """Wall and CPU seconds by phase; nesting is kept a thread."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}
        self.missing: list[str] = []
        self._local, self._lock = threading.local(), threading.Lock()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def wrapper(*args: Any, **options: Any) -> Any:
            mark = self.enter()
            try:
                return call(*args, **options)
            finally:
                self.leave(name, mark)

        return wrapper

    def enter(self) -> tuple[float, float]:
        self._inside().append([0.0, 0.0])
        return time.perf_counter(), time.thread_time()

    def leave(self, name: str, mark: tuple[float, float]) -> None:
        wall, cpu = time.perf_counter() - mark[0], time.thread_time() - mark[1]
        inside = self._inside()
        inner = inside.pop()
        if inside:
            inside[-1][0] += wall
            inside[-1][1] += cpu
        with self._lock:
            entry = self.found.setdefault(name, [0.0, 0.0, 0])
            entry[0] += wall - inner[0]
            entry[1] += cpu - inner[1]
            entry[2] += 1

    def _inside(self) -> list[list[float]]:
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        return self._local.stack

    def pages(self, name: str, ahead: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """A generator: what counts is the time until its next page is there."""

        def wrapper(*args: Any, **options: Any) -> Iterator[Any]:
            pages = ahead(*args, **options)
            while True:
                mark = self.enter()
                try:
                    page = next(pages)
                except StopIteration:
                    return
                finally:
                    self.leave(name, mark)
                yield page

        return wrapper

    def put(self, name: str, module: str, path: str) -> None:
        owner: Any = importlib.import_module(module)
        *outer, last = path.split(".")
        try:
            for part in outer:
                owner = getattr(owner, part)
            present = getattr(owner, last)
        except AttributeError:
            self.missing.append(f"{name}: {module}.{path}")
            return
        setattr(owner, last, (self.pages if last == "ahead" else self.timed)(name, present))


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_console.settings")
    import django
    from django.core.management import call_command

    django.setup()
    timers = Timers()
    for name, module, path in PHASES:
        timers.put(name, module, path)
    began, started = time.perf_counter(), time.thread_time()
    whole = timers.enter()
    call_command("sync", sys.argv[1], "--json", stdout=open(os.devnull, "w"))  # noqa: SIM115 - one line, for nobody
    timers.leave("everything else in the main thread", whole)
    seconds = time.perf_counter() - began
    order = dict.fromkeys(name for name, _, _ in PHASES if not name.startswith("thread"))
    names = [*order, "everything else in the main thread", *sorted(n for n in timers.found if n.startswith("thread"))]
    found = {name: timers.found[name] for name in names if name in timers.found}
    cpu = time.thread_time() - started
    print(json.dumps({"seconds": seconds, "cpu": cpu, "phases": found, "missing": timers.missing}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
