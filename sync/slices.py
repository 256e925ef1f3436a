"""A slice of a run: its units are delivered and remembered, and keys that were asked for join in."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from django.db import transaction
from django.db.models import F

from connectors.base import Effect, Page, Row
from connectors.errors import ConnectorError, RecordError
from sync import breaker_watch, clock, inbox, issues, ledger, parts, pending, value
from sync.catalogue import Bucket
from sync.crashpoints import crashpoint
from sync.delivery import BY_EFFECT, PageResult, Way, Work
from sync.delivery.adoption import Adoption
from sync.delivery.page import Departing, Gate, let_go, open_gate
from sync.flows import Route
from sync.gathering import UNDER_WAY, Digested, Unit
from sync.models import CrossReference, Delivery, LedgerEntry, RunPage, SyncRun
from sync.packing import packed
from sync.poison import Narrowing, keys_of
from sync.runs import Lease, LeaseLostError
from sync.senders import Senders
from sync.storage import away, conflicts
from sync.storage.statistics import Statistics

GONE_AGAIN = 60.0
"""Seconds for which an overtaken worker waits for a database that goes away once more."""


def no_hurry(urgent: bool) -> AbstractContextManager[None]:
    """Where no budget is kept."""
    return nullcontext()


@dataclass(frozen=True)
class UnderWay:
    """A unit under way: the keys that it sends, and its end."""

    keys: frozenset[str]
    end: "Future[None]"


def grows(route: Route) -> type[LedgerEntry | CrossReference]:
    """The table that this route's records are remembered in."""
    return LedgerEntry if route.inlet.effect is Effect.ONCE else CrossReference


@dataclass
class Slice:
    route: Route
    lease: Lease
    senders: Senders
    writer: ThreadPoolExecutor | None
    adoption: Adoption
    digest: Callable[[bytes], bytes]
    gate: Gate = open_gate
    departing: Departing = let_go
    forced: bool = False
    """Everything is sent, whatever its digests say (a backfill)."""
    hurry: Callable[[bool], AbstractContextManager[None]] = no_hurry
    narrow: Narrowing | None = None
    """The portions after a worker died again and again."""
    total: int | None = None
    units: int = 0
    under_way: deque[UnderWay] = field(default_factory=deque)
    leaving: frozenset[str] = frozenset()
    """What the unit that was begun last sends."""

    @cached_property
    def _table(self) -> Statistics:
        """What grows as pages are remembered."""
        return Statistics(grows(self.route))

    def new(self, rows: Sequence[Row]) -> list[Digested]:
        """The rows that are not known, with their digests. A known row is unchanged: nothing of it is decoded."""
        digested = [(row, self.digest(row)) for row in rows]
        if self.forced:
            return digested
        known = self._way.known([digest for _, digest in digested])
        return [pair for pair in digested if pair[1] not in known] if known else digested

    def whole(self, unit: Unit) -> None:
        """The unit; in portions while a record is looked for that kills its worker."""
        if self.narrow is None:
            self.unit(unit)
            return
        for portion in self.narrow.portions(unit, keys_of(self.route, unit.fresh)):
            self.unit(portion)
            self.settle()
        if unit.resume is not None or unit.watermark is not None:
            self.narrow.over()
            self.narrow = None

    def unit(self, unit: Unit) -> None:
        """Compares these rows and starts their requests while the unit before is answered and remembered."""
        if self.total is None and unit.total is not None:  # the source counts what is left from its first page on
            self.total = self.lease.run.read + unit.total
        answered = self._begin(unit, self.forced)
        # A line that is sent once must be settled before the next is looked at; the last page ends the scan.
        alone = self.writer is None or self.route.inlet.effect is Effect.ONCE or unit.watermark is not None
        try:
            self._settle(0 if alone else self._at_most - 1)
        except (ConnectorError, LeaseLostError) as stop:  # a process that is told to end waits for nothing more
            with suppress(ConnectorError, LeaseLostError):
                self._stopped(answered(), stop)
            raise
        if alone or self.writer is None:
            self._end(unit, answered)
        else:
            before = self.under_way[-1].end if self.under_way else None
            self.under_way.append(UnderWay(self.leaving, self.writer.submit(self._end_in_turn, before, unit, answered)))

    @property
    def _at_most(self) -> int:
        """Units under way while the next one is compared. A slow target is still answering one while another is
        remembered: with one alone its budget would lie idle meanwhile."""
        slow = self.route.inlet.effect is Effect.UPSERT and self.senders.worth_gathering > 1
        return UNDER_WAY if slow else 1

    def _stopped(self, result: PageResult, stop: BaseException) -> None:
        """What was under way when the page before it stopped the run: its answers count, its rows come again."""
        if isinstance(stop, LeaseLostError):
            self._overtaken(result)
        elif result.deliveries and isinstance(stop, ConnectorError):  # also those that never left have an end
            result.interrupted = stop
            self._remember(result)

    def at_once(self) -> int:
        """Requests that a unit should hold, so that no sender waits for work."""
        return self.senders.worth_gathering

    def _one_at_a_time(self, keys: Sequence[str]) -> None:
        """Two requests for one record could pass each other, and the older value stay: the second one waits."""
        if any(not unit.keys.isdisjoint(keys) for unit in self.under_way):
            self.settle()
        self.leaving = frozenset(keys) if self.writer else frozenset()

    def _end_in_turn(self, before: "Future[None] | None", unit: Unit, answered: Callable[[], PageResult]) -> None:
        """Where the unit before could not be remembered, this one is not either: the resume point stands before both,
        and the rows of both come again."""
        if before and (stop := before.exception()):
            with suppress(ConnectorError, LeaseLostError):
                self._stopped(answered(), stop)
            raise stop
        self._end(unit, answered)

    def _end(self, unit: Unit, answered: Callable[[], PageResult]) -> None:
        result = answered()
        self._remember(result, resume=unit.resume, watermark=unit.watermark)
        if result.interrupted:
            raise result.interrupted

    def settle(self) -> None:
        """Waits until everything is remembered; raises what went wrong there."""
        self._settle(0)

    def _settle(self, left: int) -> None:
        """Until no more units than these are under way; after an error none is."""
        while len(self.under_way) > left:
            stop = self.under_way.popleft().end.exception()
            if stop is not None:
                for unit in self.under_way:
                    unit.end.exception()
                self.under_way.clear()
                raise stop

    @property
    def _way(self) -> Way:
        return BY_EFFECT[self.route.inlet.effect]

    def pending(self) -> bool:
        """Looks at the next keys that somebody asked for; False when there are none."""
        flow, since = self.route.flow, clock.now()
        reasons = pending.due(flow)
        keys = list(reasons)
        if not keys:
            return False
        self.settle()
        if self.narrow:
            keys = keys[: self.narrow.size]
            self.narrow.trying(keys)
        with self.hurry(pending.urgent(flow)):
            self._look_at(keys, since, {key for key in keys if reasons[key] == "event"})
        if self.narrow:
            self.narrow.trying([])
        return True

    def _look_at(self, keys: Sequence[str], since: datetime, told: set[str]) -> None:
        """`told` are the keys that a message named."""
        flow = self.route.flow
        found: set[str] = set()
        for page in self.route.source.fetch(flow.stream, keys):
            found |= self.keys_of(page)
            result = self._begin(Unit([(row, self.digest(row)) for row in page.rows]), forced=True)()
            self._remember(result, forced=True)
            if result.interrupted:
                raise result.interrupted
        crashpoint("before_pending_done")
        with transaction.atomic():
            pending.done(flow, keys, since)
            if self.lease.run.divided:
                parts.again(self.lease.run, keys)
            missing = [key for key in keys if key not in found]
            issues.not_found(flow, missing)
            inbox.not_found(flow, [key for key in missing if key in told])
            issues.looked_at(flow, keys)
        crashpoint("after_pending_done")

    def keys_of(self, page: Page) -> set[str]:
        """The keys by which these rows can be asked for: a line by its document as well, an event by its order."""
        keys = set()
        for row in page.rows:
            try:
                key = self.route.stream.key(row)
            except RecordError:
                continue
            keys |= {key[:place] for place, sign in enumerate(key) if sign == "|"} | {key}
        return keys

    def _begin(self, unit: Unit, forced: bool = False) -> Callable[[], PageResult]:
        self.units += 1
        return self._way.begin(
            Work(
                self.route,
                self.lease,
                unit.fresh,
                unit.unchanged,
                self.digest,
                self.senders,
                self.adoption,
                self.units,
                self._one_at_a_time,
                forced,
                self.gate,
                self.departing,
                total=self.total,
            )
        )

    def _remember(
        self,
        result: PageResult,
        *,
        resume: str | None = None,
        watermark: str | None = None,
        forced: bool = False,
    ) -> None:
        """One transaction, fenced by the epoch: links, ledger, exceptions, buckets, resume point, watermark."""
        try:
            if not self.lease.still_mine() and self.lease.is_lost:
                raise LeaseLostError(f"Run {self.lease.run.pk} lost its lease while sending")
            # The first commit's answers are known here alone: a database that goes away is told when it is back.
            away.outlasted(
                partial(self._commit, result, resume, watermark, forced),
                partial(self._stands, result, self.lease.run.pages),
            )
        except LeaseLostError:
            self._overtaken(result)
            raise
        crashpoint("after_remember")
        self._table.wrote(result.read - result.unchanged)
        self.lease.run.refresh_from_db()

    def _overtaken(self, result: PageResult) -> None:
        """Another worker has the run, and this one alone knows what its requests were told. A machine that slept may
        also have put an older value over a newer one."""
        run = self.lease.run

        def told() -> None:
            with transaction.atomic():
                keys = result.overtaken()
                if run.parent_id or run.divided:  # the parts may be at them at this moment
                    parts.again(run, keys)
                else:
                    pending.note(self.route.flow, keys, "lost_lease")

        away.outlasted(partial(conflicts.until_done, told, before_again=lambda: None), seconds=GONE_AGAIN)

    def _commit(self, result: PageResult, resume: str | None, watermark: str | None, forced: bool) -> bool:
        run = self.lease.run
        still_open = issues.open_keys(self.route.flow, list(dict.fromkeys(result.settled)))
        healed = issues.healed(self.route, still_open)
        if result.findings and self.route.inlet.readable:
            value.at_risk(self.route.flow, result.findings)

        def remembered() -> None:
            with transaction.atomic():
                crashpoint("before_remember")
                result.write()
                issues.raise_all(self.route.flow, run.whole_id, result.findings)
                issues.settle(self.route.flow, run.whole_id, result, still_open, healed)
                ledger.after_page(self.route.flow, result)
                if not result.interrupted:
                    self._count(result, resume, watermark, forced)
                else:
                    self.lease.change(**_added(_sent(result)), **breaker_watch.counted(result, forced))
                    parts.count_with(run, _sent(result))
                    breaker_watch.count_with(run, result, forced)
                crashpoint("in_remember")

        conflicts.until_done(remembered, before_again=run.refresh_from_db)
        return True

    def _stands(self, result: PageResult, pages: int) -> bool | None:
        """Whether the page was remembered although the database went away before it said so; else it is done again,
        with fresh values."""
        run = self.lease.run
        if not SyncRun.objects.filter(pk=run.pk, epoch=self.lease.epoch).exists():
            self.lease.lose()
            raise LeaseLostError(f"Run {run.pk} was taken over while the database was away")
        run.refresh_from_db()
        if not result.interrupted:
            return run.pages > pages or None
        return Delivery.objects.filter(pk__in=result.deliveries[:1]).exclude(outcome="").exists() or None

    def _count(self, result: PageResult, resume: str | None, watermark: str | None, forced: bool) -> None:
        run = self.lease.run
        counted = {bucket.value: result.count(bucket) for bucket in Bucket} | {"read": result.read}
        values: dict[str, Any] = _added(counted)
        values["pages"] = F("pages") + 1  # never taken back: it numbers the pages
        if resume is not None:
            values |= {"resume": resume, "since_resume": {}}
        elif not forced:
            values["since_resume"] = {name: number + run.since_resume.get(name, 0) for name, number in counted.items()}
            values["since_resume"]["numbers"] = [*run.since_resume.get("numbers", ()), run.pages + 1]
        if watermark is not None:
            values |= {"watermark_to": watermark, "scan_done": True}  # only the last page has one
        if self.total is not None:
            values["total"] = self.total
        values |= breaker_watch.counted(result, forced)
        self.lease.change(
            **_added(_sent(result)),
            attempt=0,
            failures=0,
            heartbeat_at=clock.now(),
            **values,
        )
        keys = {bucket.value: listed for bucket, listed in result.buckets.items() if listed}
        if result.kept_back:
            keys["kept_back"] = result.kept_back
        RunPage.objects.create(
            run=run,
            number=run.pages + 1,
            finished_at=clock.now(),
            read=result.read,
            manifest=packed(json.dumps(keys).encode()),
        )
        breaker_watch.count_with(run, result, forced)
        parts.count_with(run, counted | _sent(result))


def _sent(result: PageResult) -> dict[str, int]:
    return {"writes": result.requests, "repeats": result.repeats}


def _added(numbers: Mapping[str, int]) -> dict[str, Any]:
    return {name: F(name) + number for name, number in numbers.items()}
