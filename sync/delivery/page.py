"""One page's way through a delivery: what goes in, and what is to be remembered."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from connectors.base import Excluded, Fault, Gone, Row
from connectors.errors import ConnectorError, RecordError
from connectors.records import Record
from sync import clock
from sync.catalogue import Bucket
from sync.delivery.adoption import Adoption
from sync.flows import Route
from sync.issues import Finding
from sync.runs import Lease


@dataclass
class Work:
    """A unit on its way: rows that are not known yet, with their digests.

    `forced` keys are sent whatever their digests say (a retry always sends).
    """

    route: Route
    lease: Lease
    fresh: Sequence[tuple[Row, bytes]]
    unchanged: int
    digest: Callable[[bytes], bytes]
    senders: Executor
    adoption: Adoption
    number: int
    before_sending: Callable[[Sequence[str]], None]
    """Told the keys of the records just before their requests start."""
    forced: bool = False
    now: datetime = field(default_factory=clock.now)


@dataclass
class PageResult:
    """What became of a page. `write` is called inside the transaction that remembers it.

    `interrupted` is set when the target stopped answering: what is certain is remembered, the page is not
    counted and comes again. `settled` keys were accepted or seen unchanged; their old exceptions may close.
    """

    read: int = 0
    unchanged: int = 0
    buckets: dict[Bucket, list[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    requests: int = 0
    days: set[date] = field(default_factory=set)
    totals: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(company, document) → its total in the ERP, where the ledger has another."""
    write: Callable[[], None] = lambda: None
    interrupted: ConnectorError | None = None

    def put(self, bucket: Bucket, key: str) -> None:
        self.buckets.setdefault(bucket, []).append(key)

    def count(self, bucket: Bucket) -> int:
        return self.unchanged if bucket is Bucket.UNCHANGED else len(self.buckets.get(bucket, ()))


@dataclass(slots=True)
class Candidate:
    """A row that is not known to be unchanged."""

    key: str
    digest: bytes
    record: Record | Gone | Excluded
    faults: list[Fault]


def candidates(work: Work, result: PageResult) -> list[Candidate]:
    """Maps the rows; a row that cannot be a record is rejected with its reason and the others go on.

    A record that stands twice on the page counts once as itself (the newest) and otherwise as unchanged.
    """
    found: dict[str, Candidate] = {}
    for row, digest in work.fresh:
        try:
            mapped = work.route.stream.map(row)
        except RecordError as error:
            _reject(work, row, error, result)
            continue
        record = mapped.record
        if record.key in found:
            result.unchanged += 1
        found[record.key] = Candidate(record.key, digest, record, list(mapped.faults))
    return list(found.values())


def _reject(work: Work, row: Row, error: RecordError, result: PageResult) -> None:
    try:
        key = work.route.stream.key(row)
    except RecordError:
        # Without a key the row is known by its content: the same bad row is the same exception.
        key = f"row-{work.digest(row).hex()}"
    result.put(Bucket.REJECTED, key)
    result.findings.append(Finding(error.kind, key, error.field, error.message, error.value, details=_evidence(row)))


def _evidence(row: Row) -> dict[str, str]:
    return {"row": row[:2000].decode("utf-8", "replace").replace("\x00", "")}


def fault_findings(candidate: Candidate) -> list[Finding]:
    return [
        Finding(fault.kind, fault.key or candidate.key, fault.field, fault.message, fault.value)
        for fault in candidate.faults
    ]
