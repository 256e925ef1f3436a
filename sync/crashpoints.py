"""Named moments at which a fault test lets the process die. Without SYNC_CRASHPOINT there are none.

`SYNC_CRASHPOINT=after_call:2` kills the process (SIGKILL) when it comes to `after_call` for the second time;
`before_request:1:STOP` freezes it there until it gets SIGCONT.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from itertools import count

POINTS: Mapping[str, str] = {
    "before_take": "before the run's lease is taken",
    "after_take": "the lease is committed, nothing was done",
    "before_intent": "inside the first commit, nothing written",
    "in_intent": "inside the first commit, everything written and nothing committed",
    "after_intent": "the intent is committed, nothing was sent",
    "before_request": "a request is about to leave",
    "after_request": "the target has answered, this process alone knows it",
    "after_call": "every request of the page is answered, nothing is remembered",
    "before_remember": "inside the third commit, nothing written",
    "in_remember": "inside the third commit, everything written and nothing committed",
    "after_remember": "the page is remembered",
    "before_pending_done": "keys that were asked for are dealt with, and still on the list",
    "after_pending_done": "they are off the list",
    "before_hand_over": "a slice is over, its lease is still ours",
    "after_hand_over": "the lease is given back, no bell was rung",
    "before_completion": "everything is read and sent, the run is not complete",
    "in_completion": "inside the last commit, everything written and nothing committed",
    "after_completion": "the run is complete",
}
"""Before, inside and after every commit and every call of a run."""


def _nothing(name: str) -> None:
    """Production: the moment passes."""


AT_LEAST = 0.05
"""Seconds. The signal ends or stops the whole process, but this thread not at once: on a busy machine its request
left."""


def _ending(wanted: str) -> Callable[[str], None]:
    name, _, rest = wanted.partition(":")
    number, _, how = rest.partition(":")
    ending = signal.SIGSTOP if how == "STOP" else signal.SIGKILL
    if name not in POINTS:
        raise ValueError(f"There is no crash point {name!r}")
    passes = count(1)

    def passing(passed: str) -> None:
        if passed == name and next(passes) == int(number or 1):
            os.kill(os.getpid(), ending)
            time.sleep(AT_LEAST)

    return passing


_passing: Callable[[str], None] = _nothing


def arm(wanted: str) -> None:
    """From now on this process dies at `name` or `name:times`; with "" at none."""
    global _passing
    _passing = _ending(wanted) if wanted else _nothing


def crashpoint(name: str) -> None:
    """This moment passes; or nothing after it happens."""
    _passing(name)


arm(os.environ.get("SYNC_CRASHPOINT", ""))
