"""Vocabulary: teams, states, and every kind of exception with its meaning, remedy and owner."""

from sync.catalogue.kinds import KINDS, OWNERS, Kind, kind, team
from sync.catalogue.of_connectors import OF_CONNECTORS
from sync.catalogue.of_runs import OF_RUNS
from sync.catalogue.states import ACTIVE_RUNS, OPEN_ISSUES, Bucket, IssueState, LedgerState, LinkState, RunState, Team

KINDS.update((kind.name, kind) for kind in (*OF_RUNS, *OF_CONNECTORS))

__all__ = [
    "ACTIVE_RUNS",
    "KINDS",
    "OPEN_ISSUES",
    "OWNERS",
    "Bucket",
    "IssueState",
    "Kind",
    "LedgerState",
    "LinkState",
    "RunState",
    "Team",
    "kind",
    "team",
]
