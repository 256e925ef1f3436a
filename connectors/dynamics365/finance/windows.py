"""Which orders are read again: those of the last days, and all that were created since the oldest open one.

F&O has no moment of change on orders (contract 2.8). An order that was open at the last read may have moved, so
the next window begins with the oldest order that is still open; one that stays open longer than OPEN_DAYS is
found by its status as long as it is open, by business events and by the sweep after that.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.dynamics365.finance.reading import as_text, moment
from connectors.dynamics365.finance.tenant import Table, any_of

CREATED, STATUS = "OrderCreationDateTime", "SalesOrderStatus"
LONGEST = 400
"""Days with open orders that a read remembers, the newest."""
DONE = frozenset({"invoiced", "canceled", "cancelled"})


class _Moment(msgspec.Struct, gc=False):
    OrderCreationDateTime: str = ""
    SalesOrderStatus: str = ""


_moment = msgspec.json.Decoder(_Moment).decode


@dataclass(frozen=True)
class Window:
    headers: Table
    lookback_days: int
    open_days: int
    open_statuses: tuple[str, ...] = ()

    def condition(self, since: str) -> str:
        """What a header must fit; empty for all of them."""
        start = moment(since) if since else None
        if start is None or not self.headers.has(CREATED):
            return ""
        still_open = [self.headers.is_member(STATUS, "SalesStatus", member) for member in self.open_statuses
                      if self.headers.has(STATUS)]  # fmt: skip
        return any_of([self.headers.since(CREATED, start - timedelta(days=self.lookback_days)), *still_open])


class Progress(msgspec.Struct):
    """How far a read has come, as its resume token keeps it: its second half or not, the key it reached, the
    newest order and the days that have open ones."""

    second: bool = False
    start: list[str] = []
    latest: str = ""
    open: list[str] = []

    @classmethod
    def of(cls, resume: str, latest: str) -> "Progress":
        return msgspec.json.decode(resume, type=cls) if resume else cls(latest=latest)

    def token(self) -> str:
        return msgspec.json.encode(self).decode()

    def see(self, header: bytes) -> None:
        try:
            found = _moment(header)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        created = moment(found.OrderCreationDateTime)
        if created is None or created.year <= 1900:
            return
        text = as_text(min(created, datetime.now(UTC)))
        self.latest = max(self.latest, text)
        if found.SalesOrderStatus.strip().lower() not in DONE and text[:10] not in self.open:
            self.open = sorted([*self.open, text[:10]])[-LONGEST:]

    def watermark(self, since: str, open_days: int) -> str:
        """The oldest open order's day, no more than `open_days` before the newest order."""
        latest = moment(self.latest or since)
        if latest is None:
            return since
        earliest = as_text(latest - timedelta(days=open_days))[:10]
        return next((day for day in self.open if day >= earliest), as_text(latest))
