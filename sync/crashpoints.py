"""Named moments at which a fault test lets the process die. Without SYNC_CRASHPOINT there are none.

`SYNC_CRASHPOINT=after_call:2` kills the process (SIGKILL) when it comes to `after_call` for the second time.
"""

import os
import signal
from collections.abc import Callable
from itertools import count


def _nothing(name: str) -> None:
    """Production: the moment passes."""


def _deadly(wanted: str) -> Callable[[str], None]:
    name, _, number = wanted.partition(":")
    passes = count(1)

    def crashpoint(passed: str) -> None:
        if passed == name and next(passes) >= int(number or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return crashpoint


crashpoint: Callable[[str], None] = (
    _deadly(os.environ["SYNC_CRASHPOINT"]) if os.environ.get("SYNC_CRASHPOINT") else _nothing
)
