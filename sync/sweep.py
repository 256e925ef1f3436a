"""The key sweep: which records do cursors miss, and which does the source have no more?

Keys alone are compared, so it is cheap. What we have never seen is read now; what the source no longer lists
becomes an exception. Absence never deletes.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

from django.db.models import Exists, OuterRef

from connectors.base import Effect
from connectors.errors import UnexpectedReplyError
from sync import issues, pending, storage
from sync.ahead import ahead
from sync.delivery.page import LONGEST_KEY
from sync.flows import Route
from sync.issues import Finding
from sync.models import CrossReference, Flow, LedgerEntry, SyncRun
from sync.storage.fitting import storable

KIND = "gone_from_source"
SWEPT = (Effect.UPSERT, Effect.ONCE)
"""Effects whose records are remembered one by one; files and observed rows are read whole each time."""
UNSWEPT = ("order_event", "order_status", "consent")
"""Entities whose sources list a window only: what left it is not gone."""
CHUNK = 2_000


def due() -> list[Flow]:
    """Flows that run and whose records are remembered one by one."""
    running = Flow.objects.filter(enabled=True, paused_at=None).exclude(entity__in=UNSWEPT)
    links, lines = CrossReference.objects.filter(flow=OuterRef("pk")), LedgerEntry.objects.filter(flow=OuterRef("pk"))
    return list(running.filter(Exists(links) | Exists(lines)))


def read_whole() -> list[Flow]:
    """Flows whose changes alone do not tell everything: consent that was changed by an import is in no export of
    changes, so that once a night everybody's is read."""
    return list(Flow.objects.filter(entity="consent", enabled=True, paused_at=None))


def sweep(route: Route, run: SyncRun, told: Callable[[int, int | None], None]) -> dict[str, Any]:
    """Reads every key of the source; returns what was found, for the run.

    Raises UnexpectedReplyError where the source lists nothing although records are linked: nothing follows from that.
    """
    if not _remembered(route).exists():  # its first run reads everything anyway
        return {}
    seen: set[int] = set()
    missed = 0
    for keys in ahead(route.source.keys(route.flow.stream)):
        seen.update(_short(key) for key in keys)
        possible = [key for key in keys if key and len(key) <= LONGEST_KEY and storable(key)]
        unknown = sorted(set(possible) - _known(route, possible))
        pending.note(route.flow, _askable(route, unknown), "sweep")
        missed += len(unknown)
        told(len(seen), None)
    if not seen and (live := _live(route).count()):
        raise _nothing_listed(route, live)
    gone = [Finding(KIND, key, message="The ERP lists this record no more; nothing was changed in Emarsys.")
            for key in _vanished(route, seen)]  # fmt: skip
    _apply(route, run, gone, seen)
    return {
        kind: {"records": count, "money": {}, "examples": examples[:10]}
        for kind, count, examples in (
            ("missed_by_cursor", missed, []),
            (KIND, len(gone), [finding.source_id for finding in gone]),
        )
        if count
    }


def _short(key: str) -> int:
    """Eight bytes of a digest stand for a key: a million of them fit in memory."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _model(route: Route) -> Any:
    return LedgerEntry if route.inlet.effect is Effect.ONCE else CrossReference


def _remembered(route: Route) -> Any:
    return _model(route).objects.filter(flow=route.flow)


def _live(route: Route) -> Any:
    """What the source should list: links that are live, lines of any state."""
    found = _remembered(route)
    return found if route.inlet.effect is Effect.ONCE else found.filter(state__in=["active", "held", "rejected"])


def _nothing_listed(route: Route, live: int) -> UnexpectedReplyError:
    source = route.flow.source
    return UnexpectedReplyError(
        f"{source} lists no {route.flow.entity} at all, although {live:,} are known. Nothing was concluded from that.",
        system=source,
        remedy=f"Check the rights and filters of the account that reads {source}, then sweep again.",
    )


def _known(route: Route, keys: Any) -> set[str]:
    rows = storage.fetch(_model(route), ["source_id"], "source_id", list(keys), storage.BY_KEY, [route.flow.pk])
    return {key for (key,) in rows}


def _askable(route: Route, keys: list[str]) -> list[str]:
    """A line is read with its document."""
    if route.inlet.effect is not Effect.ONCE:
        return keys
    return sorted({key.rpartition("|")[0] for key in keys})


def _vanished(route: Route, seen: set[int]) -> Iterator[str]:
    """Links that are live and whose record was not listed."""
    if route.inlet.effect is Effect.ONCE:  # lines are finance's: the comparison names them with money
        return
    for (key,) in _live(route).values_list("source_id").iterator(chunk_size=CHUNK):
        if _short(key) not in seen:
            yield key


def _apply(route: Route, run: SyncRun, gone: list[Finding], seen: set[int]) -> None:
    for start in range(0, len(gone), CHUNK):
        issues.raise_all(route.flow, run.pk, gone[start : start + CHUNK])
    still = {finding.source_id for finding in gone}
    over = {key: pk for key, pk in issues.open_sources(route.flow, KIND).items() if key not in still}
    back = [pk for key, pk in over.items() if _short(key) in seen]
    closed = [pk for key, pk in over.items() if _short(key) not in seen]
    for start in range(0, len(over), CHUNK):
        issues.resolve(back[start : start + CHUNK], f"Sweep {run.pk} found the record in the source again.")
        issues.resolve(closed[start : start + CHUNK], f"Sweep {run.pk}: the record's link was closed meanwhile.")
