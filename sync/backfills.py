"""Backfill: records of some days, or with some ids, are read and sent again in an audited run of their own.

The watermark never moves, and what is unsafe to send again is taken out: what a target keeps once and for all, and
what would mail people again. A backfill waits while another run of its flow is active.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from connectors.base import Effect, Page, Row
from sync import backfill_ids, backfill_preview, clock, history, runs
from sync.ahead import ahead
from sync.backfill_ids import RefusedError
from sync.backfill_preview import PART, STALE_EVENT, Preview
from sync.catalogue import Bucket
from sync.delivery.page import Gate, Leaving, PageResult, T, Work
from sync.flows import Route
from sync.models import Backfill, Flow, SyncRun

TRIGGER = "backfill"
MISSING = 1_000
"""Ids that the ERP did not have and that are kept by name; all are counted."""


def by_ids(flow: Flow, text: str, user: Any = None, reason: str = "") -> Backfill:
    """A backfill with its preview; nothing happens before `start`. Raises RefusedError and ConfigurationError."""
    _refuse(flow)
    preview, keys = backfill_preview.of_ids(flow, backfill_ids.ids_in(text))
    packed = zlib.compress(json.dumps(keys).encode(), 6)
    return _kept(flow, preview, user, reason, keys=packed, number=len(keys))


def by_dates(flow: Flow, since: date, until: date | None, user: Any = None, reason: str = "") -> Backfill:
    """The same for what belongs to these days (UTC), both included."""
    _refuse(flow)
    preview = backfill_preview.of_dates(flow, since, until, clock.now().date())
    return _kept(flow, preview, user, reason, since=since, until=until)


def _refuse(flow: Flow) -> None:
    if why := backfill_preview.why_not(flow):
        raise RefusedError(why)


def _kept(flow: Flow, preview: Preview, user: Any, reason: str, **values: Any) -> Backfill:
    return Backfill.objects.create(flow=flow, asked_by=user, reason=reason, preview=preview.told(), **values)


def start(backfill: Backfill, user: Any = None) -> SyncRun | None:
    """The person has seen the preview and says go. The run; None while it waits for an active run of its flow.

    Raises RefusedError for one that was started or cancelled, has nothing to do, or whose flow is paused."""
    flow = backfill.flow
    if flow.paused:
        raise RefusedError(f"{flow} is paused: resume it first.")
    if backfill.keys is not None and not backfill.number:
        raise RefusedError("Nothing is left to send: everything was taken out or is not clear.")
    with transaction.atomic():
        fresh = Backfill.objects.filter(pk=backfill.pk, started_at=None, cancelled_at=None)
        if not fresh.update(started_at=clock.now()):
            raise RefusedError("This backfill was started or cancelled before.")
        days = {"since": backfill.since, "until": backfill.until, "ids": backfill.number}
        after = {name: str(value) for name, value in days.items() if value}
        history.record("start backfill", flow, actor=user, after=after, reason=backfill.reason)
    run = _begin(backfill)
    backfill.refresh_from_db(fields=["started_at", "run"])
    return run


def cancel(backfill: Backfill, user: Any) -> None:
    """One that waits never begins; one that runs stops after its page. What was accepted stays accepted."""
    with transaction.atomic():
        waiting = Backfill.objects.filter(pk=backfill.pk, run=None, cancelled_at=None)
        if waiting.update(cancelled_at=clock.now()):
            history.record("cancel backfill", backfill.flow, actor=user, reason=backfill.reason)
            return
    backfill.refresh_from_db()
    if backfill.run is not None and backfill.run.active:
        runs.cancel(backfill.run, user)


def start_waiting() -> None:
    """Those whose flow is free now, the oldest first (called by the tick)."""
    waiting = Backfill.objects.filter(run=None, cancelled_at=None, started_at__isnull=False, flow__paused_at=None)
    for backfill in waiting.select_related("flow").order_by("id")[:100]:
        _begin(backfill)


def _begin(backfill: Backfill) -> SyncRun | None:
    flow = backfill.flow
    with transaction.atomic():
        if runs.active(flow):
            return None
        run = runs.start(flow, trigger=TRIGGER, user=backfill.asked_by, ring=False)
        if run is None or run.trigger != TRIGGER or Backfill.objects.filter(run=run).exists():
            return None
        mine = Backfill.objects.filter(pk=backfill.pk, run=None, cancelled_at=None)
        if not mine.update(run=run):  # cancelled, or begun by another worker, in this moment
            transaction.set_rollback(True)
            return None
        since = backfill.since.isoformat() if backfill.since else ""
        SyncRun.objects.filter(pk=run.pk).update(watermark_from=since, total=backfill.number or None)
    run.refresh_from_db()
    runs.ring_for(run.pk)
    return run


# ------------------------------------------------------------------------------------------------ within the run


def of(run: SyncRun) -> Backfill | None:
    if run.trigger != TRIGGER:
        return None
    return Backfill.objects.select_related("flow").filter(run=run).first()


def pages(backfill: Backfill, route: Route, resume: str, keys_of: Callable[[Page], set[str]]) -> Iterator[Page]:
    """What this backfill looks at, after its resume point; no page has a watermark that could move the flow's."""
    stream, run = route.flow.stream, backfill.run
    if backfill.keys is None:
        for page in ahead(route.source.read(stream, run.watermark_from if run else "", resume)):
            yield Page(page.rows, page.resume, None if page.watermark is None else "", page.total)
        return
    keys: list[str] = json.loads(zlib.decompress(bytes(backfill.keys)))
    first = int(resume or 0)
    for start_ in range(first, len(keys), PART):
        asked = keys[start_ : start_ + PART]
        found: set[str] = set()
        rows: list[Row] = []
        for page in route.source.fetch(stream, asked):
            found |= keys_of(page)
            rows += page.rows
        _note_missing(backfill, [key for key in asked if key not in found])
        yield Page(rows, str(start_ + len(asked)))
    yield Page([], "", "")


def _note_missing(backfill: Backfill, keys: Sequence[str]) -> None:
    """A part that comes again after a crash is noted once."""
    if not keys:
        return
    backfill.refresh_from_db(fields=["missing", "missing_number"])
    if keys[0] in backfill.missing:
        return
    named = [*backfill.missing, *keys][:MISSING]
    number = F("missing_number") + len(keys)
    Backfill.objects.filter(pk=backfill.pk).update(missing=named, missing_number=number)


def gate(backfill: Backfill) -> Gate:
    """Keeps back what is outside of the days, and events that nobody wants to hear of any more."""
    begin = _moment(backfill.since) if backfill.since else None
    end = _moment(backfill.until) + timedelta(days=1) if backfill.until else None

    def leaves(work: Work, leaving: Sequence[T], result: PageResult) -> Sequence[T]:
        stale = work.now - STALE_EVENT if work.route.inlet.effect is Effect.KEYED else None
        going: list[T] = []
        for one in leaving:
            at = _at(one)
            outside = at is not None and ((begin and at < begin) or (end and at >= end) or (stale and at < stale))
            if outside:
                result.put(Bucket.EXCLUDED, one.candidate.key)
            else:
                going.append(one)
        return going

    return leaves


def _at(leaving: Leaving) -> datetime | None:
    """The record's own moment; None where it has none."""
    record = leaving.record
    found = (getattr(record, name, None) for name in ("sold_at", "happened_at", "at"))
    return next((moment for moment in found if isinstance(moment, datetime)), None)


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def state(backfill: Backfill) -> str:
    """`preview`, `queued` behind another run, `cancelled`, or the state of its run."""
    if backfill.run is not None:
        return str(backfill.run.state)
    if backfill.cancelled_at:
        return "cancelled"
    return "queued" if backfill.started_at else "preview"
