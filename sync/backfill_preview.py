"""What a backfill would do, before it does it: reads, writes, minutes, share of the API budget, and what is taken out.

Nothing is asked of either system. What is known is told exactly from our own tables; what is not is an estimate and
says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Sum

from connectors.base import Change, Effect
from connectors.errors import ConfigurationError
from sync import backfill_ids, flows
from sync.backfill_ids import LINES_OUT, Meant, RefusedError
from sync.catalogue import RunState
from sync.flows import Route
from sync.limits import limits_for
from sync.models import Flow, LedgerEntry, SyncRun

NAMED = 50
"""Ids that a preview names of each sort."""
PART = 500
"""Ids that are asked of the source at once."""
STALE_EVENT = timedelta(days=7)
"""An event that is older is not told any more: a mail about a parcel of last month is worse than none."""
_ENOUGH = 3
_RUNS = 20


@dataclass(frozen=True)
class Part:
    """A number of records, a sentence on what happens with them, and some of their ids."""

    records: int
    words: str
    ids: tuple[str, ...] = ()


@dataclass
class Preview:
    """`reads` and `writes` are requests; `records` how many are looked at, None while nobody can know. `minutes` and
    `share` (percent of the target's budget during these minutes) are estimates; None where nothing was measured.
    Of the pasted ids `unknown` are asked of the ERP, `completed` got their company, `undecided` are not looked at."""

    records: int | None
    sent: int | None
    reads: int | None
    writes: int | None
    minutes: float | None
    share: int | None
    per_minute: int | None
    taken_out: list[Part] = field(default_factory=list)
    unknown: Part | None = None
    completed: Part | None = None
    undecided: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        return asdict(self)


def why_not(flow: Flow) -> str:
    """Why this flow cannot be backfilled; empty where it can."""
    if flow.target == flows.CONSOLE:
        return "These records are only kept here to look at: a full run reads them all again."
    if flow.entity == "product":
        return "The product feed is one file that is made anew by every run: there is nothing to backfill."
    return ""


def route_of(flow: Flow) -> Route:
    """Opens both ends without a call. Raises ConfigurationError."""
    return flows.open_route(flow, limits_for(flow.source), limits_for(flow.target))


# ------------------------------------------------------------------------------------------------ by ids


def of_ids(flow: Flow, ids: Sequence[str]) -> tuple[Preview, list[str]]:
    """The preview, and the keys that would be looked at. Raises ConfigurationError."""
    route = route_of(flow)
    meant = backfill_ids.meant(flow, ids, once=route.inlet.effect is Effect.ONCE)
    keys = meant.keys
    preview = _estimate(route, len(keys), math.ceil(len(keys) / PART))
    preview.taken_out = [Part(len(found), why, tuple(found[:NAMED])) for why, found in sorted(meant.out.items())]
    if meant.unknown:
        words = "not known here: they are looked for in the ERP, and those it does not have are named at the end"
        preview.unknown = Part(len(meant.unknown), words, tuple(meant.unknown[:NAMED]))
    preview.completed, preview.undecided = _completed(meant), _undecided(meant)
    if meant.orders:
        number = len(meant.orders)
        one = "1 id is an order" if number == 1 else f"{number:,} ids are orders"
        preview.notes.append(f"{one}: what was told of it stays out, what else the ERP has of it is looked at.")
    preview.notes += _notes(route)
    return preview, keys


def _completed(meant: Meant) -> Part | None:
    named = tuple(f"{one} = {key}" for one, key in list(meant.completed.items())[:NAMED])
    words = "pasted in another form than the ERP's keys (without the company, say) and taken for these records"
    return Part(len(meant.completed), words, named) if named else None


def _undecided(meant: Meant) -> list[Part]:
    """What is not looked at, because it may be several records."""
    choices = tuple(f"{one}: {' or '.join(keys)}" for one, keys in list(meant.choices.items())[:NAMED])
    several = "found in more than one company: paste the one you mean"
    companies = ", ".join(meant.companies[:NAMED])
    homeless = f"not known here, and the ERP has several companies: paste COMPANY|ID, with one of {companies}"
    parts = (
        Part(len(meant.choices), several, choices),
        Part(len(meant.homeless), homeless, tuple(meant.homeless[:NAMED])),
    )
    return [part for part in parts if part.records]


# ------------------------------------------------------------------------------------------------ by dates


def of_dates(flow: Flow, since: date, until: date | None, today: date) -> Preview:
    """Raises RefusedError where this flow cannot be read by these dates, ConfigurationError where an end is not
    configured."""
    route = route_of(flow)
    if route.stream.change in (Change.SCAN, Change.DELTA):
        raise RefusedError(
            f"{flow.source} does not tell when a {flow.entity.replace('_', ' ')} was changed. Paste ids, or start a "
            "full run."
        )
    if until is not None and until < since:
        raise RefusedError("The last day is before the first.")
    if since > today:
        raise RefusedError("The first day is in the future.")
    if until is not None and until < today and not is_dated(flow):
        raise RefusedError(
            f"A {flow.entity.replace('_', ' ')} has no day of its own, only a moment of its last change: leave the "
            "last day empty, and everything that was changed since the first day is read."
        )
    if route.inlet.effect is Effect.ONCE:
        preview = _of_ledger(route, since, until or today)
    else:
        preview = _estimate(route, _changed_since(flow, since), None)
    preview.notes.append("The ERP is read from the first day to now; what is outside of the days is left out.")
    preview.notes += _notes(route)
    return preview


def is_dated(flow: Flow) -> bool:
    """Whether its records have a day of their own."""
    return flow.entity in ("sale", "order_event", "consent")


def _of_ledger(route: Route, since: date, until: date) -> Preview:
    lines = LedgerEntry.objects.filter(flow=route.flow, day__gte=since, day__lte=until)
    states = dict(lines.order_by().values_list("state").annotate(Count("id")))
    out = [Part(states[state], why) for state, why in LINES_OUT.items() if states.get(state)]
    records = sum(states.values())
    preview = _estimate(route, records - sum(part.records for part in out), None, read=records)
    preview.taken_out = out
    preview.notes.append("Counted in the ledger; lines that were never read come on top.")
    return preview


def _changed_since(flow: Flow, since: date) -> int | None:
    """What the runs since then have sent: an estimate; None where there was none."""
    start = datetime.combine(since, time(), UTC)
    runs = SyncRun.objects.filter(flow=flow, kind="sync", state=RunState.COMPLETED, started_at__gte=start)
    found: int | None = runs.aggregate(n=Sum("accepted"))["n"]
    return found


# ------------------------------------------------------------------------------------------------ estimates


def _estimate(route: Route, sent: int | None, reads: int | None, read: int | None = None) -> Preview:
    records = sent if read is None else read
    writes = None if sent is None else math.ceil(sent / max(1, route.inlet.batch))
    per_minute, rate = budget(route.flow.target), _rate(route.flow)
    times = [records / rate * 60] if records is not None and rate else []
    if writes is not None and per_minute:
        times.append(writes / per_minute * 60)
    minutes = max(times) / 60 if times and (rate or not records) else None
    share = None
    if minutes is not None and per_minute and writes is not None:
        share = min(100, math.ceil(100 * writes / max(minutes, 1.0) / per_minute))
    return Preview(records, sent, reads, writes, minutes, share, per_minute)


def budget(connection: str) -> int | None:
    """Calls a minute that the connection's credential may make; None where it declares none."""
    try:
        found = flows.connection(connection)
    except ConfigurationError:
        return None
    if "CALLS_PER_MINUTE" not in found.connector.settings:
        return None
    return found.settings.number("CALLS_PER_MINUTE")


def _rate(flow: Flow) -> float | None:
    """Records a minute of this flow's latest runs; None where they read too little to tell."""
    runs = SyncRun.objects.filter(flow=flow, kind="sync", state=RunState.COMPLETED, read__gt=0)
    latest = runs.order_by("-id").values_list("read", "started_at", "finished_at")[:_RUNS]
    timed = [(number, end - begun) for number, begun, end in latest if begun and end]
    seconds = sum(took.total_seconds() for _, took in timed)
    read = sum(number for number, _ in timed)
    return read / seconds * 60 if seconds >= 0.5 and read >= _ENOUGH else None


_NOTES: Mapping[Effect, str] = {
    Effect.ONCE: "A line that is accepted or whose answer was lost is never sent again, whatever is asked for.",
    Effect.KEYED: f"Events that were told, and those older than {STALE_EVENT.days} days, are left out: nobody gets a "
    "second or a late mail.",
    Effect.UPSERT: "Records are sent as the ERP has them now, also where nothing has changed.",
}


def _notes(route: Route) -> list[str]:
    notes = [_NOTES[route.inlet.effect]] if route.inlet.effect in _NOTES else []
    if route.inlet.entity == "consent":
        notes.append("An opt-out is never lifted: consent that would do so is kept back by its rule.")
    notes.append("The watermark does not move. While it runs, scheduled runs of this flow wait.")
    return notes
