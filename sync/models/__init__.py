"""What the console remembers, one module per family of nouns."""

from sync.models.audit import AuditEvent
from sync.models.budget import ApiBudget
from sync.models.flow import Flow, PendingKey
from sync.models.issue import Comment, SyncIssue
from sync.models.ledger import ControlTotal, LedgerEntry
from sync.models.link import CrossReference
from sync.models.operation import BulkOperation
from sync.models.run import Delivery, RunPage, SyncRun
from sync.models.segment import SegmentCheck, SegmentFinding

__all__ = [
    "ApiBudget",
    "AuditEvent",
    "BulkOperation",
    "Comment",
    "ControlTotal",
    "CrossReference",
    "Delivery",
    "Flow",
    "LedgerEntry",
    "PendingKey",
    "RunPage",
    "SegmentCheck",
    "SegmentFinding",
    "SyncIssue",
    "SyncRun",
]
