"""What a run is about to do, counted before it does it, and held against the limits of its flow's breakers.

Counted are keys, once each: what a page is about to change is claimed in the run's row in one statement that says no
above the limit, so that two workers of one run cannot both pass below it. What the target refused is given back when
the page is remembered, what a dead worker had claimed when the run is taken over. Where the source says how many
records there are, the limit grows with the share that was read: 30 % changed is noticed on the first page.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from connectors.base import Change, Effect, Observed
from connectors.records import Consent, ContactPerson, Customer, Record
from sync import breakers, clock, expected, feeds
from sync.breaker_kinds import KINDS
from sync.breakers import BreakerTripped
from sync.catalogue import Bucket
from sync.delivery.page import Gate, Leaving, PageResult, T, Work, open_gate
from sync.expected import Expected
from sync.flows import Route
from sync.models import Breaker, CrossReference, FeedItem, Flow, LedgerEntry, ProductFeed, SyncRun
from sync.models.breaker import (
    CATALOGUE_SHRINK,
    ERROR_RATE,
    MASS_CHANGE,
    MASS_DEACTIVATION,
    MASS_OPT_OUT,
    OUT_OF_RANGE,
    ZERO_RECORDS,
)
from sync.models.feed import REFUSED
from sync.runs import Lease
from sync.sweep import UNSWEPT

LIVE = ("active", "rejected", "held")
COLUMNS = ("changes", "deactivations", "opt_outs")


class Watch:
    """The breakers of one run in one process: asked before anything of a page leaves, and before completion.

    `open` is False for an exempt run: then nothing is counted and no query made.
    """

    def __init__(self, lease: Lease, route: Route, inner: Gate = open_gate) -> None:
        self.inner = inner
        self.lease, self.route, self.run, self.flow = lease, route, lease.run, route.flow
        self.exempt = breakers.exempt(lease.run)
        self.open = self.exempt == ""
        stored = breakers.of(route.flow) if self.open else []
        self.allowed = {one.kind for one in stored if one.allowed_once}
        self.watched = {one.kind: one for one in stored if one.on and not one.allowed_once}
        self._links: int | None = None
        self._page = 0
        self.whole = SyncRun.objects.get(pk=lease.run.parent_id) if self.open and lease.run.parent_id else lease.run
        """The run that people see: a part claims what it does in there, beside the other parts."""
        self._read = lease.run.read - lease.run.asked_read
        self._refused = lease.run.rejected - lease.run.asked_rejected

    # -------------------------------------------------------------------------------------------- before a page

    def __call__(self, work: Work, leaving: Sequence[T], result: PageResult) -> Sequence[T]:
        leaving = self.inner(work, leaving, result)
        if not self.open:
            return leaving
        if not work.forced:
            self._seen(result)
            self._error_rate(len(leaving))
            self._too_many(self._total(work), len(leaving))
        self._claim(work, leaving, result)
        return leaving

    def _seen(self, result: PageResult) -> None:
        """Also what is still under way counts as read; other workers of the run tell through its row."""
        refused, self._page = result.count(Bucket.REJECTED), result.read
        self._read = max(self._read + result.read, self.run.read - self.run.asked_read + result.read)
        self._refused = max(self._refused + refused, self.run.rejected - self.run.asked_rejected + refused)

    def _error_rate(self, leaving: int, read: int | None = None) -> None:
        breaker = self.watched.get(ERROR_RATE)
        read = self._read if read is None else read
        limit = _limit(breaker, read)
        if breaker is None or self._refused <= limit:
            return
        share = 100 * self._refused // max(read, 1)
        raise BreakerTripped(
            ERROR_RATE,
            self._refused,
            limit,
            f"{self._refused:,} of the {read:,} records read so far were refused ({share} %).",
            f"The limit is {breaker.percent} % of the records read, and at least {breaker.minimum:,}.",
            f"The {leaving:,} other records of this page were not sent, nor anything behind them."
            if leaving
            else "The watermark was not moved: the next run reads these records again.",
            {"base": read, "percent": breaker.percent, "minimum": breaker.minimum, "prevented": leaving},
        )

    def _too_many(self, total: int | None, leaving: int) -> None:
        usual, read = self._expected, total if total is not None else self._read
        if usual is None or read <= usual.high or read <= (most := expected.after_a_gap(usual, self.run)):
            return
        said = f"the source lists {read:,}" if total is not None else f"got {read:,} so far"
        self._unusual(usual, read, most, said,
                      f"The {leaving:,} records of this page were not sent, nor anything behind them.")  # fmt: skip

    def _claim(self, work: Work, leaving: Sequence[Leaving], result: PageResult) -> None:
        found = {
            MASS_CHANGE: [one.candidate.key for one in leaving if one.changes],
            MASS_OPT_OUT: [one.candidate.key for one in leaving
                           if opted_out(one.record) and (one.changes or not work.forced)],
            MASS_DEACTIVATION: result.departing
            + [one.candidate.key for one in leaving if one.changes and deactivated(one.record)],
        }  # fmt: skip
        result.claims = {KINDS[kind].counted: frozenset(keys) for kind, keys in found.items() if keys}
        if not result.claims:
            return
        numbers = {kind: len(set(keys)) for kind, keys in found.items() if keys}
        asked = False
        while not self._claimed(numbers, work):
            self.lease.change(heartbeat_at=clock.now())  # raises where the run is no longer ours
            self._count_links()
            if numbers.get(MASS_OPT_OUT) and not asked:
                asked, shown = True, self._opted_out_there(leaving)
                found[MASS_OPT_OUT] = [key for key in found[MASS_OPT_OUT] if key not in shown]
                result.claims = {**result.claims, KINDS[MASS_OPT_OUT].counted: frozenset(found[MASS_OPT_OUT])}
                numbers[MASS_OPT_OUT] = len(set(found[MASS_OPT_OUT]))
                continue
            run = SyncRun.objects.get(pk=self.run.whole_id)
            if self.run.parent_id:
                self.whole = run
            for kind, number in numbers.items():
                before = getattr(run, f"claimed_{KINDS[kind].counted}")
                if kind in self.watched and before + number > self._limit_now(kind, work):
                    raise self._mass(kind, before, found[kind], work)

    def _opted_out_there(self, leaving: Sequence[Leaving]) -> set[str]:
        """Whom the target shows as opted out already: an opt-out that comes back from where it was passed on takes
        nobody's permission away. Asked only where the run would stop."""
        inlet = self.route.inlet
        out = [one for one in leaving if isinstance(one.record, Consent) and opted_out(one.record)]
        if not inlet.readable:
            return set()
        shown: set[str] = set()
        for start in range(0, len(out), inlet.batch):
            there = self.route.sink.find(inlet.entity, [one.record for one in out[start : start + inlet.batch]])
            shown |= {key for key, seen in there.items() if seen and all(_says_no(one) for one in seen)}
        return shown

    def _claimed(self, numbers: dict[str, int], work: Work) -> bool:
        """One statement, in the run's row: nobody passes between the look and the count."""
        below, added = Q(), {}
        for kind, number in numbers.items():
            column = f"claimed_{KINDS[kind].counted}"
            added[column] = F(column) + number
            if kind in self.watched:
                below &= Q(**{f"{column}__lte": self._limit_now(kind, work) - number})
        if not self.run.parent_id:
            return self.lease.change_where(below, **added)
        with transaction.atomic():  # the part's row first, its run's last, as wherever a page is counted
            ours = self.lease.change_where(Q(), **added)
            passed = ours and bool(SyncRun.objects.filter(below, pk=self.run.parent_id).update(**added))
            transaction.set_rollback(not passed)
        return passed

    def _limit_now(self, kind: str, work: Work) -> int:
        """The limit, for as much as was read of what there is."""
        breaker = self.watched[kind]
        if self._links is None:  # not counted while the minimum is not passed
            return breaker.minimum
        limit = _limit(breaker, self._links)
        total = self._total(work)
        if total and not work.forced:
            limit = int(limit * min(1.0, self._so_far / total))
        return max(breaker.minimum, limit)

    def _total(self, work: Work) -> int | None:
        return self.whole.total if self.run.parent_id else work.total

    @property
    def _so_far(self) -> int:
        """Read so far with this page; of a part, with what the other parts have read."""
        return max(self._read, self.whole.read + self._page) if self.run.parent_id else self._read

    def _count_links(self) -> int:
        """Once a slice, and only when it matters: counting a million takes a while."""
        if self._links is None:
            self._links = linked(self.flow)
        return self._links

    def _mass(self, kind: str, before: int, keys: list[str], work: Work) -> BreakerTripped:
        breaker, words = self.watched[kind], KINDS[kind].counted_words
        seen, links = before + len(set(keys)), self._count_links()
        limit = _limit(breaker, links)
        told, projected = f"{seen:,} of {links:,} linked records would be {words}", None
        total, read = self._total(work), self._so_far
        if total and not work.forced and read < total:
            projected = seen * total // read
            told += f" after {read:,} of {total:,} were read: about {projected:,} in all"
        numbers = {"base": links, "percent": breaker.percent, "minimum": breaker.minimum, "total": total,
                   "projected": projected, "prevented": len(set(keys))}  # fmt: skip
        return BreakerTripped(
            kind,
            seen,
            limit,
            f"{told}.",
            f"The limit is {limit:,} ({breaker.percent} % of the linked records, and at least {breaker.minimum:,}).",
            f"The {len(set(keys)):,} of this page were not {words}, nor anything behind them.",
            numbers,
            keys[: breakers.EXAMPLES],
        )

    # -------------------------------------------------------------------------------------------- before completion

    def judge(self) -> None:
        """Before anything follows from the run's being complete. Raises BreakerTripped."""
        run = self.run
        if not self.open or run.keys_only:
            return
        self._refused = run.rejected - run.asked_rejected
        read = run.read - run.asked_read
        self._error_rate(0, read)
        self._nothing(read)
        usual = self._expected
        if usual is None:
            return
        said = f"got {read:,}"
        if read < usual.low:
            self._unusual(usual, read, usual.high, said,
                          "The watermark was not moved, and nothing was concluded from what is missing.")  # fmt: skip
        if read > usual.high and read > (most := expected.after_a_gap(usual, run)):
            self._unusual(usual, read, most, said,
                          "The watermark was not moved: the next run reads these records again.")  # fmt: skip

    def _nothing(self, read: int) -> None:
        breaker = self.watched.get(ZERO_RECORDS)
        if breaker is None or read:
            return
        known = self._known() if self._complete else 0
        usual = expected.of(self.run, 0, 0)
        always = min(usual.samples) if usual else 0
        if max(known, always) < max(breaker.minimum, 1):
            return
        why = f"although {known:,} are known" if known >= always else f"although there were always at least {always:,}"
        raise BreakerTripped(
            ZERO_RECORDS,
            0,
            breaker.minimum,
            f"The source lists no {self.flow.entity.replace('_', ' ')} at all, {why}.",
            f"It trips from {breaker.minimum:,} known or usual records on.",
            "The watermark was not moved, and nothing was concluded from what is missing.",
            {"base": max(known, always), "minimum": breaker.minimum},
        )

    @property
    def shrink(self) -> feeds.Shrink:
        """How far the product feed may shrink in this run."""
        if self.exempt or CATALOGUE_SHRINK in self.allowed:
            return feeds.ANY if self.exempt != breakers.FIRST else feeds.Shrink()
        breaker = self.watched.get(CATALOGUE_SHRINK)
        return feeds.Shrink(breaker.percent, breaker.minimum) if breaker else feeds.Shrink(100)

    def judge_feed(self, feed: ProductFeed | None) -> None:
        """A version that was refused stops the flow. Raises BreakerTripped."""
        breaker = self.watched.get(CATALOGUE_SHRINK)
        if breaker is None or feed is None or feed.state != REFUSED:
            return
        raise BreakerTripped(
            CATALOGUE_SHRINK,
            feed.before - feed.items,
            max(breaker.minimum, feed.before * breaker.percent // 100),
            f"The new feed lists {feed.items:,} articles, the published one {feed.before:,}.",
            f"At most {breaker.percent} % may be missing.",
            "It was not published: Emarsys goes on fetching the one before.",
            {"base": feed.before, "percent": breaker.percent, "minimum": breaker.minimum, "feed": feed.pk},
        )

    @property
    def _complete(self) -> bool:
        """Whether the run reads everything there is."""
        return self.route.stream.change is Change.SCAN or not self.run.watermark_from

    def _known(self) -> int:
        """What a complete read should list; sources that list a window only say nothing by what they leave out."""
        if self.flow.entity in UNSWEPT:
            return 0
        effect = self.route.inlet.effect
        if effect is Effect.REPLACE:
            return FeedItem.objects.filter(flow=self.flow).count()
        if effect is Effect.ONCE:
            return LedgerEntry.objects.filter(flow=self.flow).count()
        return self._count_links()

    @cached_property
    def _expected(self) -> Expected | None:
        breaker = self.watched.get(OUT_OF_RANGE)
        if breaker is None or self.run.keys_only:
            return None
        return expected.of(self.run, breaker.percent, breaker.minimum)

    def _unusual(self, usual: Expected, read: int, most: int, said: str, prevented: str) -> None:
        """`most` is the bound above that holds for this run; `said` ends the sentence with what came."""
        breaker, weeks = self.watched[OUT_OF_RANGE], len(usual.samples)
        low, high = min(usual.samples), max(usual.samples)
        limit = (
            f"Expected is at least {100 - breaker.percent} % and at most {100 / (100 - breaker.percent):.3g} times of "
            f"the usual {usual.median:,}, and more where the weeks differ much; {breaker.minimum:,} more or fewer are "
            "never unusual."
        )
        if most > usual.high:
            limit += " The run before lies further back than usual, so as many times more may come."
        raise BreakerTripped(
            OUT_OF_RANGE,
            read,
            usual.low if read < usual.low else most,
            f"Expected between {usual.low:,} and {most:,} records on {usual.weekday}s, {said}.",
            limit,
            prevented,
            {"low": usual.low, "high": most, "median": usual.median, "samples": list(usual.samples)},
            usual=f"The last {weeks} {usual.weekday}s brought {low:,} to {high:,}, mostly {usual.median:,}.",
        )


def linked(flow: Flow) -> int:
    """The linked records that a percentage is of. A flow of consent has links of those only of whom something was
    passed on: there it is the customers of both systems."""
    live = CrossReference.objects.filter(state__in=LIVE)
    own = live.filter(flow=flow).count()
    if flow.entity != "consent":
        return own
    ends = Q(flow__source=flow.source, flow__target=flow.target) | Q(flow__source=flow.target, flow__target=flow.source)
    return max(own, live.filter(ends, flow__entity="customer").count())


def _says_no(seen: Observed) -> bool:
    return seen.fields.get("given") == "no"


def _limit(breaker: Breaker | None, base: int) -> int:
    return max(breaker.minimum, base * breaker.percent // 100) if breaker else 0


def opted_out(record: Record) -> bool:
    """Whether what is sent takes a permission away."""
    if isinstance(record, Consent):
        return record.given == "no"
    return isinstance(record, ContactPerson) and record.direct_mail is False


def deactivated(record: Record) -> bool:
    """Whether what is sent ends a record or puts it on hold."""
    if isinstance(record, Customer):
        return record.on_hold
    return isinstance(record, ContactPerson) and not record.active


def counted(result: PageResult, forced: bool) -> dict[str, Any]:
    """For the commit that remembers a page: what really happened, and what the claims are corrected by."""
    values: dict[str, Any] = {}
    if result.claims:
        done = {*result.buckets.get(Bucket.ACCEPTED, ()), *result.buckets.get(Bucket.UNKNOWN, ()), *result.departing}
        for column, keys in result.claims.items():
            happened = len(keys & done)
            values[column] = F(column) + happened
            if happened != len(keys):
                values[f"claimed_{column}"] = F(f"claimed_{column}") + happened - len(keys)
    if forced and not result.interrupted:
        values |= {"asked_read": F("asked_read") + result.read}
        values |= {"asked_rejected": F("asked_rejected") + result.count(Bucket.REJECTED)}
    return values


def count_with(part: SyncRun, result: PageResult, forced: bool) -> None:
    """What a part did its run did at the same moment."""
    values = counted(result, forced) if part.parent_id else {}
    if values:
        SyncRun.objects.filter(pk=part.whole_id).update(**values)


def give_back(lease: Lease) -> None:
    """What a worker that died had claimed and not done, as its run is taken over. A divided run's row holds what its
    parts claim: each of them gives back its own."""
    run = lease.run
    open_claims = {name: getattr(run, f"claimed_{name}") - getattr(run, name) for name in COLUMNS}
    values = {f"claimed_{name}": F(f"claimed_{name}") - number for name, number in open_claims.items() if number}
    if not values or run.divided:
        return
    with transaction.atomic():
        lease.change(**values)
        if run.parent_id:
            SyncRun.objects.filter(pk=run.whole_id).update(**values)
    run.refresh_from_db()
