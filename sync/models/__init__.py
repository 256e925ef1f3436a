"""What the console remembers, one module per family of nouns."""

from sync.models.account import AccountCheck
from sync.models.audit import AuditEvent
from sync.models.backfill import Backfill
from sync.models.breaker import Breaker
from sync.models.budget import ApiBudget, ApiUsage
from sync.models.feed import FeedItem, ProductFeed
from sync.models.field_mapping import FieldMapping
from sync.models.flow import Flow, PendingKey
from sync.models.inbox import InboxEvent
from sync.models.issue import Comment, SyncIssue
from sync.models.ledger import ControlTotal, LedgerEntry
from sync.models.link import CrossReference
from sync.models.mapping import MappingVersion
from sync.models.observed import AttributionLink, EmarsysPurchase
from sync.models.operation import BulkOperation
from sync.models.part import PartClaim
from sync.models.plan import SyncPlan, SyncPlanPage
from sync.models.run import Delivery, RunPage, SyncRun
from sync.models.schedule import Duty, FlowSchedule, WatermarkMove, WorkerProcess
from sync.models.segment import SegmentCheck, SegmentFinding
from sync.models.unsure import OpenSend

__all__ = [
    "AccountCheck",
    "ApiBudget",
    "ApiUsage",
    "AttributionLink",
    "AuditEvent",
    "Backfill",
    "Breaker",
    "BulkOperation",
    "Comment",
    "ControlTotal",
    "CrossReference",
    "Delivery",
    "Duty",
    "EmarsysPurchase",
    "FeedItem",
    "FieldMapping",
    "Flow",
    "FlowSchedule",
    "InboxEvent",
    "LedgerEntry",
    "MappingVersion",
    "OpenSend",
    "PartClaim",
    "PendingKey",
    "ProductFeed",
    "RunPage",
    "SegmentCheck",
    "SegmentFinding",
    "SyncIssue",
    "SyncPlan",
    "SyncPlanPage",
    "SyncRun",
    "WatermarkMove",
    "WorkerProcess",
]
