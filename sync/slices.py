"""A slice of a run: its units are delivered and remembered, and keys that were asked for join in."""

import json
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from connectors.base import Effect, Page, Row
from connectors.errors import ConnectorError, RecordError
from sync import breaker_watch, clock, issues, ledger, parts, pending, value
from sync.catalogue import Bucket
from sync.crashpoints import crashpoint
from sync.delivery import BY_EFFECT, PageResult, Way, Work
from sync.delivery.adoption import Adoption
from sync.delivery.page import Departing, Gate, let_go, open_gate
from sync.flows import Route
from sync.gathering import Digested, Unit
from sync.models import RunPage
from sync.poison import Narrowing, keys_of
from sync.runs import Lease, LeaseLostError
from sync.senders import Senders
from sync.storage import conflicts


def no_hurry(urgent: bool) -> AbstractContextManager[None]:
    """Where no budget is kept."""
    return nullcontext()


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
    under_way: frozenset[str] = frozenset()
    remembering: "Future[None] | None" = None

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
        try:
            self.settle()
        except BaseException:
            with suppress(ConnectorError, LeaseLostError):
                answered()  # what is under way is waited for; its rows come again
            raise
        # A line that is sent once must be settled before the next is looked at; the last page ends the scan.
        if self.writer is None or self.route.inlet.effect is Effect.ONCE or unit.watermark is not None:
            self._end(unit, answered)
        else:
            self.remembering = self.writer.submit(self._end, unit, answered)

    def at_once(self) -> int:
        """Requests that a unit should hold, so that no sender waits for work."""
        return self.senders.worth_gathering

    def _one_at_a_time(self, keys: Sequence[str]) -> None:
        """Two requests for one record could pass each other, and the older value stay: the second one waits."""
        if self.remembering and not self.under_way.isdisjoint(keys):
            self.settle()
        self.under_way = frozenset(keys) if self.writer else frozenset()

    def _end(self, unit: Unit, answered: Callable[[], PageResult]) -> None:
        result = answered()
        self._remember(result, resume=unit.resume, watermark=unit.watermark)
        if result.interrupted:
            raise result.interrupted

    def settle(self) -> None:
        """Waits until the last page is remembered; raises what went wrong there."""
        remembering, self.remembering = self.remembering, None
        if remembering is not None:
            remembering.result()

    @property
    def _way(self) -> Way:
        return BY_EFFECT[self.route.inlet.effect]

    def pending(self) -> bool:
        """Looks at the next keys that somebody asked for; False when there are none."""
        flow, since = self.route.flow, clock.now()
        keys = list(pending.due(flow))
        if not keys:
            return False
        self.settle()
        if self.narrow:
            keys = keys[: self.narrow.size]
            self.narrow.trying(keys)
        with self.hurry(pending.urgent(flow)):
            self._look_at(keys, since)
        if self.narrow:
            self.narrow.trying([])
        return True

    def _look_at(self, keys: Sequence[str], since: datetime) -> None:
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
            issues.not_found(flow, [key for key in keys if key not in found])
            issues.looked_at(flow, keys)
        crashpoint("after_pending_done")

    def keys_of(self, page: Page) -> set[str]:
        """The keys by which these rows can be asked for."""
        keys = set()
        for row in page.rows:
            try:
                key = self.route.stream.key(row)
            except RecordError:
                continue
            keys |= {key, key.rpartition("|")[0]}  # a line is asked for by its document as well
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
                    self.lease.change(writes=F("writes") + result.requests, **breaker_watch.counted(result, forced))
                    breaker_watch.count_with(run, result, forced)
                crashpoint("in_remember")

        try:
            conflicts.until_done(remembered, before_again=run.refresh_from_db)
        except LeaseLostError:  # a machine that slept may have put an older value over a newer one
            pending.note(self.route.flow, result.sent, "lost_lease")
            raise
        crashpoint("after_remember")
        run.refresh_from_db()

    def _count(self, result: PageResult, resume: str | None, watermark: str | None, forced: bool) -> None:
        run = self.lease.run
        counted = {bucket.value: result.count(bucket) for bucket in Bucket} | {"read": result.read}
        values: dict[str, Any] = {name: F(name) + number for name, number in counted.items()}
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
            writes=F("writes") + result.requests,
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
            manifest=zlib.compress(json.dumps(keys).encode(), 1),
        )
        breaker_watch.count_with(run, result, forced)
        parts.count_with(run, {**counted, "writes": result.requests})
