"""Teams, and the states of runs, records, ledger lines, links and exceptions."""

from enum import StrEnum


class Team(StrEnum):
    MARKETING = "marketing"
    FINANCE = "finance"
    OPERATIONS = "operations"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


ACTIVE_RUNS = (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)


class Bucket(StrEnum):
    """Where each record that was read ends, exactly once."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    EXCLUDED = "excluded"
    HELD = "held"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class LedgerState(StrEnum):
    SENDING = "sending"
    ACCEPTED = "accepted"
    EXCLUDED = "excluded"
    HELD = "held"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class LinkState(StrEnum):
    ACTIVE = "active"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    ARCHIVED = "archived"
    EXCLUDED = "excluded"
    HELD = "held"


class IssueState(StrEnum):
    OPEN = "open"
    RETRYING = "retrying"
    WAIVED = "waived"
    RESOLVED = "resolved"


OPEN_ISSUES = (IssueState.OPEN, IssueState.RETRYING)
