"""Ends what the demo started when the demo itself is gone without a goodbye (kill -9, a closed terminal).

Reads process group numbers from its standard input, one a line; the end of the input is the demo's end.
Standard library only: it is started as a file, beside the processes it guards.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

PATIENCE = 4.0
"""Seconds between the polite signal and the other one. Celery's beat may sleep for five: it has nothing to lose."""


def end(groups: Iterable[int], reap: Callable[[], object] = lambda: None) -> None:
    """Asks each group to stop, then makes it. `reap` lets a parent collect its dead: until then they look alive."""
    left = [group for group in groups if _signal(group, signal.SIGTERM)]
    until = time.monotonic() + PATIENCE
    while left and time.monotonic() < until:
        time.sleep(0.1)
        reap()
        left = [group for group in left if _signal(group, 0)]
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    end([int(line) for line in sys.stdin if line.strip().isdecimal()])
