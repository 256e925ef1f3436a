"""A record that kills its worker: after repeated deaths the run goes on in ever smaller portions, until the record
stands alone. It becomes an exception and is skipped; the others go through.

What is being tried is committed before it is tried, so that whoever comes after a death knows what was on the
table. It costs nothing while nobody dies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.conf import settings

from connectors.base import Mapped, Row, Stream
from connectors.errors import RecordError
from sync.flows import Route
from sync.gathering import Digested, Unit
from sync.models import Flow, SyncIssue, SyncRun
from sync.runs import Lease

KIND = "poison_record"
TENTH = 10
DEATHS_ALONE = 2
"""Deaths of a record that stands alone before it is taken for the cause: one may have been a power cut."""
MESSAGE = "The worker died each time it came to this record, and went on without it."


class Narrowing:
    """The portions of a run after its worker died again and again; kept in the run's row."""

    def __init__(self, lease: Lease, size: int) -> None:
        self.lease = lease
        self.state = {"size": size, "trying": [], "deaths": 0, "idle": 0, "found": [], **(lease.run.suspects or {})}

    @property
    def found(self) -> set[str]:
        return set(self.state["found"])

    @property
    def size(self) -> int:
        return int(self.state["size"])

    def after_death(self) -> bool:
        """Draws the conclusion; False when the deaths have nothing to do with records."""
        state, trying = self.state, list(self.state["trying"])
        if not trying:
            state["idle"] += 1
        elif len(trying) > 1:
            state |= {"size": max(1, min(len(trying), self.size) // TENTH), "deaths": 0}
        else:
            state["deaths"] += 1
            if state["deaths"] >= DEATHS_ALONE:
                state |= {"found": [*state["found"], trying[0]], "deaths": 0}
        state["trying"] = []
        self._keep()
        return bool(state["idle"] <= settings.SYNC["ATTEMPTS"])

    def portions(self, unit: Unit, keys: Sequence[str]) -> Iterator[Unit]:
        """The unit's rows, few at a time; the resume point moves with the last."""
        for at in range(0, len(unit.fresh), self.size):
            self.trying(keys[at : at + self.size])
            yield Unit(unit.fresh[at : at + self.size])
            self.trying([])
        yield replace(unit, fresh=[])

    def trying(self, keys: Sequence[str]) -> None:
        """Committed before the work begins, and again when it is done."""
        before = self.state["trying"]
        self.state["trying"] = list(keys)
        if not keys and len(before) == 1:
            self.state["deaths"] = 0
        self._keep()

    def over(self) -> None:
        """The page is done: the next one is taken as a whole again. What was found stays an exception."""
        self.state = {}
        self._keep()

    def _keep(self) -> None:
        # The attempt counts from here: a page's portions would reset it, and the next death would not show.
        self.lease.change(suspects=self.state, attempt=1)


def narrowing(lease: Lease, batch: int) -> Narrowing | None:
    """None for a run whose worker did not die again and again."""
    run = lease.run
    if not run.suspects and run.attempt <= settings.SYNC["ATTEMPTS"]:
        return None
    return Narrowing(lease, max(1, min(batch, 1000) // TENTH))


def known(flow: Flow) -> set[str]:
    """Records that killed a worker before and that nobody has asked to try again."""
    return set(SyncIssue.objects.filter(flow=flow, kind=KIND, state="open").values_list("source_id", flat=True))


def without(route: Route, found: set[str]) -> Route:
    """The route, on which these records are rejected before anything is made of them."""
    if not found:
        return route
    return replace(route, stream=_guarded(route.stream, found))


def _guarded(stream: Stream, found: set[str]) -> Stream:
    def mapped(row: Row) -> Mapped:
        key = stream.key(row)
        if key in found or key.rpartition("|")[0] in found:  # a line is asked for by its document as well
            raise RecordError(KIND, "", MESSAGE)
        return stream.map(row)

    return replace(stream, map=mapped)


def keys_of(route: Route, rows: Sequence[Digested]) -> list[str]:
    """Each row's key; a row without a readable one is known by its digest."""
    keys = []
    for row, digest in rows:
        try:
            keys.append(route.stream.key(row))
        except RecordError:
            keys.append(f"row-{digest.hex()}")
    return keys


def died(run: SyncRun) -> bool:
    """Whether somebody worked on the run and did not come back (a slice that ended leaves no attempt behind)."""
    return run.attempt > 1
