"""What the emulated systems were asked: the last 100,000 requests."""

import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, NamedTuple

_KEPT = 100_000
# An address in a query is nobody's business in a log: `$filter=PrimaryContactEmail eq 'a@example.com'`.
_ADDRESS = re.compile(r"[^=&?'\"\s/]*(?:@|%40)[^=&?'\"\s/]*", re.IGNORECASE)


class Entry(NamedTuple):
    number: int
    at: datetime
    system: str
    method: str
    path: str
    status: int
    bytes: int
    records: int
    sent: int
    fault: str


class RequestLog:
    """Appending is safe from several threads; a status of 0 means that nothing was answered."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._entries: deque[Entry] = deque(maxlen=_KEPT)

    def add(
        self,
        system: str,
        method: str,
        target: str,
        status: int,
        size: int = 0,
        records: int = 0,
        sent: int = 0,
        fault: str = "",
    ) -> None:
        """`size` is the answer's body in bytes, `sent` the request's; the time is the machine's, not the clock's."""
        number, at = next(self._numbers), datetime.now(UTC)
        self._entries.append(Entry(number, at, system, method, target, status, size, records, sent, fault))

    def clear(self) -> None:
        self._entries.clear()

    def shown(self, system: str = "", since: str = "", limit: int = _KEPT) -> list[dict[str, Any]]:
        """Oldest first. `since` is an ISO 8601 time or the number of the last entry already seen."""
        return [_shown(entry) for entry in islice(self._since(system, since), limit)]

    def _since(self, system: str, since: str) -> Iterator[Entry]:
        after = int(since) if since.isdigit() else 0
        moment = datetime.fromisoformat(since) if since and not since.isdigit() else None
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        for entry in list(self._entries):
            if entry.number > after and (moment is None or entry.at >= moment) and system in ("", entry.system):
                yield entry


def _shown(entry: Entry) -> dict[str, Any]:
    at = entry.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    path = entry.path
    if "@" in path or "%40" in path:
        path = _ADDRESS.sub("***", path)
    return {**entry._asdict(), "at": at, "path": path}
