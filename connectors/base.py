"""What a connector offers (streams) and accepts (inlets), and the words the pipeline speaks with it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from connectors.records import Record

Row = bytes
"""One record as its system sent it, without volatile members: the raw digest is taken over these bytes."""


class Change(StrEnum):
    """How a source tells what changed."""

    MOMENT = "moment"
    DELTA = "delta"
    WINDOW = "window"
    SCAN = "scan"


class Effect(StrEnum):
    """What sending twice does at the target."""

    UPSERT = "upsert"
    KEYED = "keyed"
    ONCE = "once"
    REPLACE = "replace"
    OBSERVE = "observe"


class Outcome(StrEnum):
    """What became of one record that was sent."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETRYABLE = "retryable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in a total order. `resume` continues this read after them; `watermark` is set on the last page:
    where the next read starts."""

    rows: Sequence[Row]
    resume: str = ""
    watermark: str | None = None
    total: int | None = None


class Fault(NamedTuple):
    """One optional value that was left out (or one doubt about a record that is sent all the same).

    `key` names the record the exception belongs to where it is not the mapped one (a document, say).
    """

    kind: str
    field: str
    message: str
    value: str = ""
    key: str = ""


class Gone(NamedTuple):
    """The source says that a record is no longer: `why` is merged, archived or deleted."""

    key: str
    why: str
    into: str = ""


class Excluded(NamedTuple):
    """A record that a named rule keeps out of the target; the record is kept for its money."""

    key: str
    rule: str
    record: Record


class Mapped(msgspec.Struct, frozen=True, gc=False):
    record: Record | Gone | Excluded
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Stream:
    """One kind of record a source offers.

    `key` reads the record's key from a row and `map` makes the record; both raise RecordError only.
    `version` changes with the mapping: digests of earlier versions no longer count as known.
    `after` names the entity whose record must be confirmed in the target first, found by `record.customer`.
    """

    entity: str
    change: Change
    key: Callable[[Row], str]
    map: Callable[[Row], Mapped]
    version: str = "1"
    after: str = ""


class Source(Protocol):
    @property
    def streams(self) -> Mapping[str, Stream]: ...

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        """Everything changed since the watermark, in the stream's total order, after `resume`."""
        ...

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        """These records as they are now; keys that are gone are simply absent."""
        ...

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        """Every key, for the sweep."""
        ...

    def check(self) -> str:
        """Calls the system and says in a sentence that it answers as expected; raises ConnectorError."""
        ...


class Division(NamedTuple):
    """A whole read in parts. Each of `resumes` is a resume point of one part: a read from there ends where the
    next part begins. The last part's watermark is the whole read's. `total` are the rows of all parts."""

    total: int
    resumes: Sequence[str]


@runtime_checkable
class Divisible(Protocol):
    """A Source some of whose streams several workers can read side by side."""

    def divide(self, stream: str, parts: int, least: int) -> Division | None:
        """At most so many parts with at least so many rows each; None where that makes fewer than two, or where
        the stream is read in one go only."""
        ...


class Known(msgspec.Struct, frozen=True, gc=False):
    """What the console already knows of the record: its id in the target, empty when never accepted."""

    target_id: str = ""
    adopt: bool = False


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """A record as the target takes it. `body` is what is digested and joined into the request;
    records of one `group` share a request (a target may need one key field per request)."""

    key: str
    body: bytes
    group: str = ""


class Observed(NamedTuple):
    """A record as the target holds it: fields by canonical name, normalised the way the target shows them."""

    target_id: str
    key: str
    fields: Mapping[str, str]


class Result(msgspec.Struct, frozen=True, gc=False):
    """`key` is the record's; `code`, `field` and `message` are the target's own words on a refusal."""

    key: str
    outcome: Outcome
    target_id: str = ""
    code: str = ""
    field: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request brought: a result a record, and the reply as it came (for the delivery's evidence)."""

    results: Sequence[Result]
    reply: bytes = b""


@dataclass(frozen=True)
class Inlet:
    """One kind of record a sink accepts.

    `batch` records and `max_bytes` fit in one request. `fields` are the canonical fields we own there, in
    the order screens show them. `encode` is pure: it raises RecordError when the record cannot be expressed,
    and returns faults for the optional values it left out. `expected` says what `Observed.fields` will show
    once a body is accepted: the fields it writes and no others, so that a comparison can read both.
    """

    entity: str
    effect: Effect
    batch: int
    max_bytes: int
    readable: bool
    encode: Callable[[Record, Known], tuple[Encoded, tuple[Fault, ...]]]
    fields: Mapping[str, str] = field(default_factory=dict)
    version: str = "1"
    identify: Callable[[Record], str] = attrgetter("key")
    """The key that we write into the target for this record."""
    expected: Callable[[Encoded], Mapping[str, str]] | None = None
    beside: Callable[[Record], Mapping[str, str]] | None = None
    """What is compared and never written (fields that marketing owns), as `Observed.fields` should show it."""
    head: bytes = b""
    """REPLACE: the first line of the file whose other lines are the encoded bodies."""
    after: str = ""
    """Records wait here until the customer they name is confirmed at this entity's flow (events, order status)."""


class Segment(NamedTuple):
    """A segment at the target. `criteria` is the target's own tree, None where it cannot be read."""

    id: str
    name: str
    kind: str
    criteria: Mapping[str, object] | None


class Sink(Protocol):
    @property
    def inlets(self) -> Mapping[str, Inlet]: ...

    def find(self, inlet: str, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        """Whom does the target already hold for these records? By our key, else by the fields that identify."""
        ...

    def send(self, inlet: str, batch: Sequence[Encoded], key: str) -> Answer:
        """One request with records of one group. `key` is the delivery's idempotency key.

        Raises UnknownOutcomeError when the answer was lost, UnavailableError when nothing was done. Calls that write
        say so (`Http.request(writes=True)`, else `written.leaves()`): the run counts them.
        """
        ...

    def look(self, inlet: str, keys: Sequence[str]) -> Mapping[str, Observed]:
        """The records with these keys as the target holds them now (readable inlets only)."""
        ...

    def scan(self, inlet: str) -> Iterator[Sequence[Observed]]:
        """Everything the target holds, page by page (readable inlets only)."""
        ...

    def check(self) -> str: ...


class Limits(Protocol):
    """Injected by `sync`: the shared budget and the lease."""

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        """Waits until the credential's budget has room for these calls."""
        ...

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        """The budget as the system itself states it (unix seconds): it can only lower ours."""
        ...

    def done(self, seconds: float) -> None:
        """An acquired call is over, however it ended; it took so long."""
        ...

    def refused(self, seconds: float) -> None:
        """The system refused a call for the number of calls, and wants to hear nothing for so long."""
        ...

    def still_mine(self) -> bool:
        """Asked before each send: has the run still its lease?"""
        ...


class Unlimited:
    """No budget and no lease: for a connection test or a script."""

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        return None

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        return None

    def done(self, seconds: float) -> None:
        return None

    def refused(self, seconds: float) -> None:
        return None

    def still_mine(self) -> bool:
        return True


class Allowance(NamedTuple):
    """What a system lets one credential do; 0 where no number is known.

    `calls` in any `window` seconds, `at_once` calls at a time over all machines, `busy` seconds of its own work
    in any window.
    """

    calls: int = 0
    window: int = 60
    at_once: int = 0
    busy: int = 0


class Notice(NamedTuple):
    """What a system's webhook told: look at these records again, by stream. It is a trigger, never data.

    `id` is the system's own id of the event (a repeat is the same event); `order` grows with time where the
    system numbers its events. `keys` is empty for a message that asks for nothing (a test message). `at` is when it
    happened (aware), None where the message does not say.
    """

    id: str
    keys: Mapping[str, Sequence[str]]
    kind: str = ""
    order: int | None = None
    at: datetime | None = None


class SiteMapping(NamedTuple):
    """The mapping file a connection uses. A version that was used once never changes: `digest` is its SHA-256."""

    site: str
    version: str
    digest: str
    content: str


class Trial(NamedTuple):
    """What a mapping makes of one captured reply; nothing of it is stored or sent.

    `filled` counts the records that have each field, `unmapped` the values no table knows, by field; `parked`
    are (key, field, why) of records that would wait for a person.
    """

    mapping: SiteMapping
    records: int
    filled: Mapping[str, int]
    unmapped: Mapping[str, Mapping[str, int]]
    parked: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Connector:
    """What a connector package exports as `connector`.

    `settings` are the names it reads from its connection's environment, each with a default or None when
    it must be given, and one line of meaning. `open` makes the source or sink; it makes no call. `notice`
    reads one webhook message (body, headers in lower case); it raises RecordError for what it cannot read.

    A connector whose sites bring a mapping file has `mapping` (the one in use, None when the connection needs
    none) and `trial` (mapping file or None for the one in use, a captured reply, one of `trial_of`); both raise
    ConfigurationError for a file that is no mapping, `trial` UnexpectedReplyError for a reply that is none.
    """

    name: str
    title: str
    settings: Mapping[str, "Setting"]
    open: Callable[["Settings", Limits], Source | Sink]
    streams: Iterable[str] = ()
    inlets: Iterable[str] = ()
    notice: Callable[[bytes, Mapping[str, str]], Notice] | None = None
    mapping: Callable[["Settings"], SiteMapping | None] | None = None
    trial: Callable[["Settings", bytes | None, bytes, str], Trial] | None = None
    trial_of: Iterable[str] = ()
    allowance: "Callable[[Settings], Allowance] | None" = None
    """What its credential may do; None for a system that is not asked over an API."""
    credential: Sequence[str] = ("URL", "CLIENT_ID")
    """The settings that say whose calls the system counts; never a secret."""


@dataclass(frozen=True)
class Setting:
    """`when` names a choice that needs this setting (`("AUTH", "wsse")`); under another it is never missing."""

    meaning: str
    default: str | None = None
    secret: bool = False
    when: tuple[str, str] | None = None


class Settings(Protocol):
    """One connection's settings: text by name, secrets resolved at the moment of use."""

    @property
    def connection(self) -> str: ...

    def text(self, name: str) -> str: ...
    def number(self, name: str) -> int: ...
    def flag(self, name: str) -> bool: ...
    def secret(self, name: str) -> str: ...
