"""One page's way through a delivery: what goes in, and what is to be remembered."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Protocol, TypeVar

import msgspec

from connectors.base import Encoded, Excluded, Fault, Gone, Row
from connectors.errors import ConnectorError, RecordError
from connectors.records import Customer, Record
from sync import clock
from sync.catalogue import Bucket
from sync.delivery.adoption import Adoption
from sync.digests import digester
from sync.flows import Route
from sync.issues import Finding
from sync.runs import Lease
from sync.storage.fitting import fitting_key, storable

LONGEST_KEY = 200


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
    gate: "Gate" = field(default_factory=lambda: open_gate)
    departing: "Departing" = field(default_factory=lambda: let_go)
    total: int | None = None
    """How many records the source says that this read has."""
    now: datetime = field(default_factory=clock.now)

    @cached_property
    def payload_digest(self) -> Callable[[bytes], bytes]:
        """What payloads are known by: of a changed field mapping only what it touches is sent again."""
        return digester(self.route.sent_version)


class Leaving(Protocol):
    """What is about to leave for the target, before its intent is committed."""

    @property
    def candidate(self) -> "Candidate": ...
    @property
    def record(self) -> Record: ...
    @property
    def payload(self) -> Encoded: ...
    @property
    def target_id(self) -> str: ...
    @property
    def changes(self) -> bool:
        """Whether the target holds this record with other values."""
        ...


T = TypeVar("T", bound=Leaving)


class Gate(Protocol):
    """Asked before anything of a unit is intended: gives back what may leave. What it keeps back it puts into a
    bucket of the result itself; it may raise to end the run before damage is done."""

    def __call__(self, work: Work, leaving: Sequence[T], result: "PageResult") -> Sequence[T]: ...


class Departing(Protocol):
    """Asked before a link is closed, or a line taken out of a file, as the source has its record no more: gives back
    those that go. The records are counted as excluded already."""

    def __call__(self, work: Work, going: Sequence["Candidate"], result: "PageResult") -> Sequence["Candidate"]: ...


def let_go(work: Work, going: Sequence["Candidate"], result: "PageResult") -> Sequence["Candidate"]:
    return going


def open_gate(work: Work, leaving: Sequence[T], result: "PageResult") -> Sequence[T]:
    return leaving


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
    kept_back: list[str] = field(default_factory=list)
    """Keys that a gate kept back as they are not what was planned; each is in a bucket, too."""
    requests: int = 0
    repeats: int = 0
    """Of the requests that left to write: those that said again what an earlier one had said."""
    deliveries: Sequence[int] = ()
    """Of its requests, by id."""
    days: set[date] = field(default_factory=set)
    totals: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """(company, document) → its total in the ERP, where the ledger has another."""
    departing: list[str] = field(default_factory=list)
    """Live records whose end the source tells."""
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What breakers let pass, by what the run counts of it."""
    write: Callable[[], None] = lambda: None
    overtaken: Callable[[], Sequence[str]] = tuple
    """Called instead of `write`, in a transaction too, when another worker has taken the run over: writes down what is
    certain all the same, and gives the keys that must be looked at again."""
    interrupted: ConnectorError | None = None

    def put(self, bucket: Bucket, key: str) -> None:
        self.buckets.setdefault(bucket, []).append(key)

    def count(self, bucket: Bucket) -> int:
        return self.unchanged if bucket is Bucket.UNCHANGED else len(self.buckets.get(bucket, ()))


class Candidate(msgspec.Struct, gc=False):
    """A row that is not known to be unchanged."""

    key: str
    digest: bytes
    record: Record | Gone | Excluded
    faults: tuple[Fault, ...] = ()


def candidates(work: Work, result: PageResult) -> list[Candidate]:
    """Maps the rows; a row that cannot be a record is rejected with its reason and the others go on.

    A record that stands twice on the page counts once as itself (the newest) and otherwise as unchanged.
    """
    found: dict[str, Candidate] = {}
    read = work.route.stream.map
    for row, digest in work.fresh:
        try:
            mapped = read(row)
            record = mapped.record
            key = record.key
            if type(record) is not Customer or len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
                _fit(record)
        except RecordError as error:
            _reject(work, row, error, result)
            continue
        if key in found:
            result.unchanged += 1
        found[key] = Candidate(key, digest, record, mapped.faults)
    return list(found.values())


def _reject(work: Work, row: Row, error: RecordError, result: PageResult) -> None:
    try:
        key = fitting_key(work.route.stream.key(row), LONGEST_KEY)
    except RecordError:
        # Without a key the row is known by its content: the same bad row is the same exception.
        key = f"row-{work.digest(row).hex()}"
    result.put(Bucket.REJECTED, key)
    result.findings.append(Finding(error.kind, key, error.field, error.message, error.value, details=_evidence(row)))


_NAMES: dict[str, tuple[str, ...]] = {}


def _keys_of(kind: type) -> tuple[str, ...]:
    """The attributes of such a record that are remembered as keys."""
    if (known := _NAMES.get(kind.__qualname__)) is not None:
        return known
    named = {name for base in kind.__mro__ for name in vars(base).get("__annotations__", ())}
    return _NAMES.setdefault(kind.__qualname__, tuple(name for name in ("key", "customer", "into") if name in named))


def _fit(record: Record | Gone | Excluded) -> None:
    """Raises RecordError where a key is none that can be remembered."""
    for name in _keys_of(type(record)):
        text: str = getattr(record, name)
        if len(text) > LONGEST_KEY or not ((text.isascii() and "\x00" not in text) or storable(text)):
            why = f"{name.capitalize()} has {len(text):,} characters or some that cannot be stored; {LONGEST_KEY} fit."
            raise RecordError("does_not_fit", name, why, text[:100])


def _evidence(row: Row) -> dict[str, str]:
    return {"row": row[:2000].decode("utf-8", "replace").replace("\x00", "")}


def fault_findings(candidate: Candidate) -> list[Finding]:
    return [
        Finding(fault.kind, fitting_key(fault.key or candidate.key), fault.field, fault.message, fault.value)
        for fault in candidate.faults
    ]
