"""What would be done to a record: the same words, decided by the same lines, for a plan and for its application."""

from collections.abc import Callable
from enum import StrEnum

from connectors.records import Consent
from sync.delivery.page import Candidate, Leaving


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    OPT_OUT = "opt_out"
    DEACTIVATE = "deactivate"
    KEEP = "keep"
    """A line of a file that stays as it is: nothing is planned for it, it only was there."""


NUMBERS = tuple(Action)
PLANNED = (Action.CREATE, Action.CHANGE, Action.OPT_OUT, Action.DEACTIVATE)
_MARK = (1 << 64) - 8
"""The low three bits of a mark hold the action."""

Digest = Callable[[bytes], bytes]


def of(one: Leaving) -> Action:
    if isinstance(one.record, Consent) and one.record.given == "no":
        return Action.OPT_OUT
    return Action.CHANGE if one.target_id else Action.CREATE


def content(one: Leaving, digest: Digest, standing: bytes = b"") -> bytes:
    """What a record's payload is known by, with the group that decides how the target reads it, and with what it
    would write over there."""
    return digest(one.payload.group.encode() + b"\0" + one.payload.body + (b"\0" + standing if standing else b""))


def departure(candidate: Candidate, digest: Digest) -> bytes:
    """A record that is no more is known by what the source says of it."""
    return digest(repr(candidate.record).encode("utf-8", "surrogatepass"))


def mark(action: Action, content: bytes) -> int:
    """Action and content in eight bytes, to be compared with what was planned."""
    return int.from_bytes(content[:8], "big") & _MARK | NUMBERS.index(action)


def action_of(mark: int) -> Action:
    return NUMBERS[mark & 7]
