"""What one emulated system is to the server that hosts it.

An emulated system is a package below `connectors.emulators` that exports `system`: a callable (its class will
do) that takes a `Host` and returns a `System` on the state it finds in `host.store`. The server calls it once
at start; it calls `load` only when there is no state yet, or when somebody asks to start over.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from connectors.emulators.dataset import Dataset
from connectors.emulators.store import Collection, Store


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Host:
    """What the server gives to a system.

    `store` is its own and keeps its state; take what is persistent from it in the constructor. `shared` is kept
    too and one for all systems (the keys of Entra ID). `now` is the time all systems live in (aware, UTC): the
    control API moves it. `settings` are the switches for what the contracts leave open, by name; a system ignores
    names it does not know.
    """

    store: Store = field(default_factory=Store)
    now: Callable[[], datetime] = _utc_now
    settings: Mapping[str, str] = field(default_factory=dict)
    shared: Store = field(default_factory=Store)


@dataclass(frozen=True)
class Request:
    """One HTTP request, its path below the system's prefix.

    `target` is the undecoded path with its query below the prefix, for systems that read path-style
    parameters; `base` is the address of the system as the client reached it, without a trailing slash
    (absolute links start with it). `prefix` is the one of the system's prefixes that matched. Header names
    are lower case. `fault` names a fault the system itself has to act out (`partial`, `duplicate_page`,
    `repeat_next_link`), with its options.
    """

    method: str
    path: str
    target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str
    fault: Mapping[str, Any] | None = None
    prefix: str = ""


@dataclass
class Response:
    """`records` is how many records the answer carries or the request changed: the request log shows it.

    A body too large to hold comes as `stream`, pieces of bytes in place of `body`; it travels in chunks.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    records: int = 0
    stream: Iterable[bytes] | None = None


@dataclass(frozen=True)
class SftpAccount:
    """What one user sees over SFTP. Without a password only the key lets in; `breaks_after` bytes reading fails."""

    folder: Path
    password: str = ""
    breaks_after: int = 0


class System(Protocol):
    """One emulated system under its own prefixes.

    A system may also offer, for the control API: `plant(list_name, seed) -> Mapping[str, int]` (differences
    planted, by kind), `planted() -> Mapping[str, Any]` (what was planted, kept here only),
    `merge(from_id, into_id, options)` and `archive(id)`, both raising KeyError for an unknown id. What else people
    do in it are `actions` (their names) with `act(name, wanted) -> JSON value`, KeyError for what is unknown and
    ValueError for what makes no sense; files it writes are `file(folder, name) -> Response | None`. Both get the
    name as it was addressed, an account's suffix `@name` included. `close()` is called when the process ends;
    `headers()` are those of every answer, also of one that a fault brings.
    `sizes()` says how many records there are where counting them all would wake what sleeps. A system with one
    address for everything gives each request a `label(request)` such as `#OrderChanges`: it ends the path that
    faults match and the request log shows. `sftp_accounts()` gives the folders it serves as files, by user.
    """

    name: str
    prefixes: tuple[str, ...]

    def handle(self, request: Request) -> Response: ...

    def throttled(self, fault: Mapping[str, Any]) -> Response:
        """The system's own way of saying that a limit is reached."""
        ...

    def expire_tokens(self) -> None: ...

    def collections(self) -> Mapping[str, Collection]:
        """What the control API shows and edits, by name."""
        ...

    def describe(self, base: str) -> Mapping[str, Any]:
        """Addresses and credentials a client needs."""
        ...

    def load(self, dataset: Dataset | None, seed: int, drift: bool) -> None:
        """Starts over with this data; `drift` makes the system start neglected."""
        ...
