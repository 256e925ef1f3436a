"""A run as seen from the terminal: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from sync import clock
from sync.catalogue import RunState
from sync.models import SyncRun

WIDTH = 28
FILLED, EMPTY = "█", "░"
PLAIN_SECONDS = 5.0
"""Between two plain lines, where there is no terminal to draw on."""


class Bar:
    """One line about one run, drawn over itself on a terminal."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._began = self._last_plain = time.monotonic()

    def show(self, run: SyncRun) -> None:
        text = f"  {self.label:<18} {_bar(run)} {_words(run)}"
        if self._is_terminal:
            self._write(f"\r\x1b[2K{text}")
        elif time.monotonic() - self._last_plain >= PLAIN_SECONDS:
            self._last_plain = time.monotonic()
            self._write(text.rstrip() + "\n")

    def end(self, run: SyncRun) -> None:
        """The last state stays as a line of its own."""
        text = f"  {self.label:<18} {_bar(run)} {_words(run)} in {time.monotonic() - self._began:.1f} s"
        self._write(f"\r\x1b[2K{text}\n" if self._is_terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _bar(run: SyncRun) -> str:
    if not run.total:
        return (FILLED if run.state == RunState.COMPLETED else EMPTY) * WIDTH
    share = 1.0 if run.state == RunState.COMPLETED else min(1.0, run.read / run.total)
    return (FILLED * round(share * WIDTH)).ljust(WIDTH, EMPTY)


def _words(run: SyncRun) -> str:
    if run.state == RunState.QUEUED:
        return "waits for a worker"
    if run.state == RunState.WAITING:
        return f"waits: {run.message}"
    of = f" of {run.total:,}" if run.total and run.total > run.read else ""
    return f"{run.read:,}{of} records{_rate(run)}"


def _rate(run: SyncRun) -> str:
    if run.started_at is None or not run.read:
        return ""
    seconds = ((run.finished_at or clock.now()) - run.started_at).total_seconds()
    return f", {run.read / seconds:,.0f} a second" if seconds >= 0.5 else ""


def follow(run: SyncRun, label: str, check: Callable[[], None]) -> SyncRun:
    """Shows the run until it has ended; `check` raises when something the run depends on has gone."""
    bar = Bar(label)
    while run.active:
        bar.show(run)
        time.sleep(0.25)
        check()
        run.refresh_from_db()
    bar.end(run)
    return run
