"""The API budget of one credential, exact over all workers and machines, on the database's clock.

One row counts the calls of the sliding window. A process takes a few calls at a time from it, each with its
moment, in one transaction, and gives back what it did not use. Bulk calls leave a reserve to urgent ones, and
once the window fills they are spread evenly over it: an urgent call finds room at once. Urgent calls leave as much
to bulk (docs/decisions/urgent-calls-leave-a-little.md).
"""

import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from connectors.base import Allowance
from connectors.errors import UnavailableError
from sync import clock
from sync.models import ApiBudget, ApiUsage
from sync.side_connection import borrowed
from sync.sliding import Sliding, Windows

LONGEST_WAIT = 65.0
"""Seconds a worker waits for its turn (a minute's window frees within them); what is further away waits as a run
in the database."""
PATIENCE = 600.0
"""Seconds to wait where only so many calls may run at a time: the one before may be a long read."""
FRESH = 0.3
"""Seconds after its moment within which a call must be made (sliding.LATE allows for more)."""
AHEAD = 0.5
"""Seconds ahead that calls are booked (sliding.SOON allows for more)."""
LARGEST_BLOCK = 16
BURST = 0.2
"""The share of a window's calls that bulk may make as fast as it can after a rest, and that it makes up for where it
came late; the window's limit holds all the same."""
HOLD = 30.0
"""Seconds after which a process that does not renew its seats has lost them."""
MANY = 8
"""Calls at a time from which on a process keeps its seats between calls (until HOLD)."""
LOOK = 0.1
"""Seconds between looks for a free seat."""
EVERY = 10_000_000
"""Calls in a window where no limit is known: counted, never waited for."""


@dataclass
class _Block:
    """Calls that this process may make: moments of the database's clock, and the same on our own."""

    moments: deque[tuple[float, float]] = field(default_factory=deque)
    size: int = 2
    not_before: float = 0.0


@dataclass
class _Told:
    """What is to be written down with the next look at the row."""

    back: list[tuple[float, bool]] = field(default_factory=list)
    """Moments of calls that were not made, and whether they were urgent ones."""
    waited: float = 0.0
    spent: int = 0
    refused: int = 0


class Budget:
    """What `connectors.base.Limits` asks of a budget, for one process and the flow it works on."""

    def __init__(self, key: str, allowance: Allowance, system: str = "", name: str = "", flow: str = "") -> None:
        self.key, self.system, self.name, self.flow = key, system or key, name or key, flow
        self.allowance = allowance
        self._me = uuid.uuid4().hex[:12]
        self._lock = threading.Lock()
        self._blocks = {True: _Block(size=1), False: _Block()}
        self._told = _Told()
        self._waiting = 0
        self._under_way = 0
        self._seats = 0
        self._renewed = 0.0
        self._beating = False
        self._row_limit = 0
        self.latency = 0.0
        """Seconds that calls take lately."""
        self._declare()

    # --------------------------------------------------------------------------------------------- one call

    def acquire(self, calls: int = 1, urgent: bool = False) -> None:
        """Waits for its turn. Raises UnavailableError when that is more than a minute away."""
        began = time.monotonic()
        with self._lock:
            self._waiting += 1
        try:
            if self.allowance.at_once:
                self._sit(calls)
            try:
                for _ in range(calls):
                    self._wait_for_turn(urgent, began)
            except BaseException:
                self._stand_up(calls)
                raise
        finally:
            with self._lock:
                self._waiting -= 1
                self._told.waited += time.monotonic() - began

    def done(self, seconds: float) -> None:
        """A call is over."""
        self.latency = seconds if not self.latency else 0.8 * self.latency + 0.2 * seconds
        if self.allowance.busy:
            with self._lock:
                self._told.spent += int(seconds * 1000)
        self._stand_up(1)

    def give_up(self, calls: int) -> None:
        """Acquired calls that will not be made after all."""
        self._stand_up(calls)

    @property
    def rate(self) -> float:
        """Calls a second that the budget allows in the long run; 0 where no limit is known."""
        return self.allowance.calls / self.allowance.window

    # ------------------------------------------------------------------------- what the system itself says

    def observe(self, limit: int, remaining: int, reset_at: float) -> None:
        """Nothing left means that nobody calls before the reset; little left is for urgent calls alone; a lower
        limit than ours counts from now on. `reset_at` is a moment of this machine's clock."""
        seconds = min(reset_at - time.time(), 2.0 * self.allowance.window)
        lower = limit if 0 < limit < (self.allowance.calls or EVERY) else 0
        if lower != self._row_limit:
            self._row_limit = lower
            with borrowed():
                ApiBudget.objects.filter(key=self.key).update(told_limit=lower)
        if seconds > 0 and remaining <= 0:
            self._block(seconds, "blocked_until")
        elif seconds > 0 and remaining < reserve(self._limit) // 2:
            self._block(seconds, "bulk_until")

    def refused(self, seconds: float) -> None:
        """A 429: nobody calls before the system wants to hear from us again."""
        with self._lock:
            self._told.refused += 1
        self._block(max(seconds, 0.0), "blocked_until")
        with self._lock:
            self._book(0, urgent=True)

    def _block(self, seconds: float, column: str) -> None:
        with borrowed():
            until = clock.now().timestamp() + seconds
        with self._lock:
            for urgent in self._blocks:
                if column == "blocked_until" or not urgent:
                    self._give_back(urgent)
        with borrowed():
            ApiBudget.objects.filter(key=self.key, **{f"{column}__lt": until - 0.5}).update(**{column: until})

    def _give_back(self, urgent: bool) -> None:
        moments = self._blocks[urgent].moments
        self._told.back += [(moment, urgent) for moment, _ in moments]
        moments.clear()

    # ------------------------------------------------------------------------------------- calls in a window

    @property
    def _limit(self) -> int:
        known = self.allowance.calls or EVERY
        return min(known, self._row_limit or known)

    def _wait_for_turn(self, urgent: bool, began: float) -> None:
        while True:
            wait, mine = self._turn(urgent)
            if mine is None and time.monotonic() - began + wait > LONGEST_WAIT:
                raise UnavailableError(f"The API budget of {self.name} is spent.", retry_after=wait, system=self.name)
            if wait > 0:
                time.sleep(wait)
            if mine is None:
                continue
            if time.monotonic() - mine[1] <= self._fresh:
                return
            with self._lock:  # this thread was woken too late
                self._told.back.append((mine[0], urgent))

    @property
    def _fresh(self) -> float:
        return FRESH if self.allowance.calls else 10 * FRESH

    def _turn(self, urgent: bool) -> tuple[float, tuple[float, float] | None]:
        """Seconds to wait, and the moment that is ours then; None: one looks again."""
        with self._lock:
            block, now = self._blocks[urgent], time.monotonic()
            if block.moments and block.moments[0][1] + self._fresh < now:
                block.size = max(1, block.size // 2)
            while block.moments and block.moments[0][1] + self._fresh < now:
                self._told.back.append((block.moments.popleft()[0], urgent))
            if not block.moments and block.not_before <= now:
                self._fill(block, urgent)
            if not block.moments:
                return max(0.005, block.not_before - time.monotonic()), None
            mine = block.moments.popleft()
            return mine[1] - time.monotonic(), mine

    def _fill(self, block: _Block, urgent: bool) -> None:
        """Asks for as much as was used within the time of one block."""
        number = min(block.size, LARGEST_BLOCK if self.allowance.calls else 4 * LARGEST_BLOCK, self._limit)
        moments, again = self._book(number, urgent)
        block.size = min(2 * block.size, LARGEST_BLOCK * 4) if not urgent else min(self._waiting + 1, 4)
        block.moments.extend(moments)
        block.not_before = 0.0 if moments else again

    def _book(self, number: int, urgent: bool) -> tuple[Sequence[tuple[float, float]], float]:
        """Moments for up to so many calls, and (on our own clock) when to ask again where there are none."""
        with borrowed(), transaction.atomic():
            row = ApiBudget.objects.select_for_update().get(key=self.key)
            now, here = clock.now().timestamp(), time.monotonic()
            self._row_limit = row.told_limit if row.told_limit < (self.allowance.calls or EVERY) else 0
            windows = self._windows(row, now)
            moments, again = self._moments(row, windows, now, number, urgent)
            self._count(row, now, len(moments), urgent)
            row.counts, row.first = windows.calls.stored()
            row.urgent = windows.urgent.stored()[0]
            row.spent = windows.spent.stored()[0] if windows.spent else b""
            row.holders = self._holders(row, now)
            row.save(update_fields=["counts", "urgent", "first", "spent", "pace", "holders", "calls", "refused"])
        return [(moment, here + moment - now) for moment in moments], here + again - now

    def _windows(self, row: ApiBudget, now: float) -> Windows:
        counted = Sliding(self.allowance.window, row.counts, row.first)
        rushed = Sliding(self.allowance.window, row.urgent, row.first)
        for moment, urgent in self._told.back:
            counted.add(moment, -1)
            if urgent:
                rushed.add(moment, -1)
        spent = None
        if self.allowance.busy:
            spent = Sliding(self.allowance.window, row.spent, row.first)
            spent.moved(now)
            spent.add(now, self._told.spent)
        counted.moved(now)
        rushed.moved(now)
        return Windows(counted, rushed, spent)

    def _moments(
        self, row: ApiBudget, windows: Windows, now: float, number: int, urgent: bool
    ) -> tuple[list[float], float]:
        counted, rushed, spent = windows
        limit, kept = self._limit, 0 if urgent else reserve(self._limit)
        even = self.allowance.window / max(1, limit - reserve(limit))
        row.pace -= even * sum(not hurried for _, hurried in self._told.back)
        earliest = max(now, row.blocked_until, 0 if urgent else row.bulk_until)
        if spent:
            earliest = max(earliest, spent.free_at(now, self.allowance.busy * 1000))
        moments: list[float] = []
        at = earliest
        for _ in range(number):
            paced = counted.used(at) >= BURST * limit and row.pace < now + self.allowance.window
            if not urgent and paced:
                at = max(at, row.pace)
            if urgent:  # a flood of them leaves bulk as much as bulk leaves them
                at = rushed.free_at(at, limit - 2 * reserve(limit))
            at = counted.free_at(at, limit - kept)
            if at > now + AHEAD:
                break
            counted.add(at)
            if urgent:
                rushed.add(at)
            moments.append(at)
            if not urgent:
                due = max(row.pace, at - BURST * self.allowance.window) if paced else at
                row.pace = due + even
        return moments, at

    def _count(self, row: ApiBudget, now: float, number: int, urgent: bool) -> None:
        """What is shown: totals, and this minute's calls of the flow."""
        told, self._told = self._told, _Told()
        calls = number - len(told.back)
        row.calls, row.refused = max(0, row.calls + calls), row.refused + told.refused
        minute = datetime.fromtimestamp(now // 60 * 60, UTC)
        name = {"budget_id": row.pk, "minute": minute, "flow": self.flow}
        more: dict[str, Any] = {"calls": calls, "urgent": number if urgent else 0}
        more |= {"refused": told.refused, "waited": told.waited}
        if not any(more.values()):
            return
        added = {column: F(column) + value for column, value in more.items()}
        if not ApiUsage.objects.filter(**name).update(**added):
            ApiUsage.objects.create(**name, **more)

    # ---------------------------------------------------------------------------------------- calls at a time

    def _sit(self, calls: int) -> None:
        """Takes a seat among those that the system has; seats of a process that died come free by themselves."""
        ends = time.monotonic() + PATIENCE
        while True:
            with self._lock:
                if self._under_way + calls <= self._seats and time.monotonic() - self._renewed < HOLD / 2:
                    self._under_way += calls
                    return
                if self._take_seats(self._under_way + calls):
                    self._under_way += calls
                    self._start_beating()
                    return
            if time.monotonic() > ends:
                raise UnavailableError(
                    f"{self.name}: other calls have been running for {PATIENCE:.0f} s; only "
                    f"{self.allowance.at_once} may run at a time.",
                    retry_after=HOLD,
                    system=self.name,
                    remedy="Wait for the other run to end, or cancel it.",
                )
            time.sleep(LOOK)

    def _take_seats(self, number: int) -> bool:
        """Sets how many seats are ours; False where others hold them."""
        with borrowed(), transaction.atomic():
            row = ApiBudget.objects.select_for_update().get(key=self.key)
            now = clock.now().timestamp()
            others = self._others(row, now)
            most = self.allowance.at_once or EVERY
            free = number <= self._seats or sum(one["seats"] for one in others.values()) + number <= most
            if free:
                self._seats, self._renewed = number, time.monotonic()
            row.holders = self._holders(row, now)
            row.save(update_fields=["holders"])
        return free

    def _stand_up(self, calls: int) -> None:
        """Where seats are few somebody may be waiting for this one; many are kept for the next calls."""
        if not self.allowance.at_once:
            return
        with self._lock:
            self._under_way -= calls
            if self.allowance.at_once < MANY:
                self._take_seats(self._under_way)

    def _start_beating(self) -> None:
        if not self._beating:
            self._beating = True
            threading.Thread(target=self._beat, name="budget-seats", daemon=True).start()

    def _beat(self) -> None:
        """Keeps the seats while calls are under way; ends with the last."""
        try:
            while True:
                time.sleep(HOLD / 6)
                with self._lock:
                    if not self._under_way:
                        self._beating = False
                        return
                    if time.monotonic() - self._renewed > HOLD / 4:
                        self._take_seats(self._seats)
        except Exception:  # the database is away: the seats run out by themselves
            with self._lock:
                self._beating = False

    def _others(self, row: ApiBudget, now: float) -> dict[str, Any]:
        return {name: one for name, one in row.holders.items() if name != self._me and one["until"] > now}

    def _holders(self, row: ApiBudget, now: float) -> dict[str, Any]:
        holders = self._others(row, now)
        if self._seats or self._waiting:
            mine = {"seats": self._seats, "waiting": max(0, self._waiting - 1), "flow": self.flow}
            holders[self._me] = {**mine, "at": now, "until": now + HOLD}
        return holders

    # --------------------------------------------------------------------------------------------- the row

    def _declare(self) -> None:
        """The row with what the connection allows now: a setting that was changed counts at once."""
        own = self.allowance
        wanted = {"system": self.system[:60], "limit": own.calls, "window": own.window, "at_once": own.at_once,
                  "busy": own.busy}  # fmt: skip
        row, made = ApiBudget.objects.get_or_create(key=self.key, defaults={**wanted, "connections": self.name[:300]})
        self._row_limit = row.told_limit if row.told_limit < (own.calls or EVERY) else 0
        names = sorted({*filter(None, row.connections.split(", ")), self.name})
        wanted["connections"] = ", ".join(names)[:300]
        if row.window != own.window:  # the slices have another length: what was counted is put at the end
            self._recount(row)
        if not made and any(getattr(row, column) != value for column, value in wanted.items()):
            ApiBudget.objects.filter(pk=row.pk).update(**wanted)

    def _recount(self, row: ApiBudget) -> None:
        """A window of another length: all that was counted counts as made now."""
        with transaction.atomic():
            held = ApiBudget.objects.select_for_update().get(pk=row.pk)
            now = clock.now().timestamp()
            before = Sliding(held.window, held.counts, held.first)
            before.moved(now)
            after = Sliding(self.allowance.window, b"", 0)
            after.moved(now)
            after.add(now, min(before.used(now), self.allowance.calls or EVERY))
            held.counts, held.first = after.stored()
            held.spent, held.urgent, held.window = b"", b"", self.allowance.window
            held.save(update_fields=["counts", "urgent", "first", "spent", "window"])


def reserve(limit: int) -> int:
    """Calls of each window that only urgent ones may use, and as many that are left to the others: 2 %, at least
    one where there are four."""
    return 0 if limit < 4 else max(1, limit // 50)
