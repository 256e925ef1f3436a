"""Keys that must be looked at again: asked for here, taken by the next page boundary or a short run."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db.models import Q

from sync import clock, runs, storage
from sync.catalogue import RunState
from sync.models import Flow, PendingKey, SyncRun
from sync.storage.fitting import storable

TABLE = storage.table(
    PendingKey,
    ["flow_id", "key", "reason", "asked_by_id", "urgent", "not_before", "created_at"],
    conflict=("flow_id", "key"),
    update=("reason", "asked_by_id", "created_at"),
)
AT_ONCE = storage.table(PendingKey, TABLE.columns, conflict=TABLE.conflict, update=(*TABLE.update, "urgent"))
"""What waits already becomes urgent; never the other way round."""
CHUNK = 500
BY_ITSELF = ("event", "released")
"""Reasons with no person behind them who waits."""
PAUSES = (15, 30, 60, 120, 300, 600)
"""Seconds after the n-th run in a row that failed, until keys start another by themselves: what an admin must mend
first fails at every look. A person and the schedule start one at once."""


def ask(flow: Flow, keys: Sequence[str], reason: str, user: Any = None, urgent: bool = False) -> bool:
    """Notes the keys and makes sure that a run will take them: a running one, or a short one of their own. False
    where they wait, as the flow is paused or switched off."""
    note(flow, keys, reason, user, urgent)
    now = Flow.objects.get(pk=flow.pk)  # the caller's copy may be older than a pause
    if keys and not why_they_wait(now) and not runs.active(now) and not (reason in BY_ITSELF and _failed_lately(now)):
        runs.start(now, trigger=reason, user=user, keys_only=True)
    return not why_they_wait(now)


def why_they_wait(flow: Flow) -> str:
    """The sentence for whoever asked; empty where a run takes the keys."""
    if flow.paused:
        note = f" ({flow.paused_note.rstrip('.')})" if flow.paused_note else ""
        return f"{flow} is paused{note}: what was asked for waits until somebody resumes it."
    return "" if flow.enabled else f"{flow} is switched off: what was asked for waits until it is switched on."


def note(flow: Flow, keys: Sequence[str], reason: str, user: Any = None, urgent: bool = False) -> None:
    now, asked_by = clock.now(), user.pk if user else None
    found = [key for key in dict.fromkeys(keys) if possible(key)]
    rows = [(flow.pk, key, reason, asked_by, urgent, None, now) for key in found]
    storage.upsert(AT_ONCE if urgent else TABLE, rows)


def possible(key: str) -> bool:
    """Whether a record can have this key: a link holds no other."""
    return len(key) <= 200 and storable(key)


def due(flow: Flow) -> dict[str, str]:
    """The next keys to look at, with the reason of each."""
    waiting = PendingKey.objects.filter(_due(), flow=flow)
    return dict(waiting.order_by("-urgent", "id").values_list("key", "reason")[:CHUNK])


def urgent(flow: Flow) -> bool:
    """Whether somebody waits for one of them: an event, a person's click."""
    return PendingKey.objects.filter(flow=flow, urgent=True).exists()


def done(flow: Flow, keys: Sequence[str], since: datetime | None = None) -> None:
    """They were looked at; what was asked for once more after `since` stays, to be looked at again."""
    if keys:
        PendingKey.objects.filter(flow=flow, key__in=keys, created_at__lte=since or clock.now()).delete()


def start_runs() -> None:
    """A short run for every flow that has keys and no run (called by the tick)."""
    asked = PendingKey.objects.filter(_due()).values("flow_id").distinct()
    for flow in Flow.objects.filter(pk__in=asked, paused_at=None, enabled=True):
        if not runs.active(flow) and not _failed_lately(flow):
            runs.start(flow, trigger="retry", keys_only=True)


def _due() -> Q:
    return Q(not_before=None) | Q(not_before__lte=clock.now())


def _failed_lately(flow: Flow) -> bool:
    """Whether its latest runs failed, the last so shortly ago that another would only fail as well."""
    latest = SyncRun.objects.filter(flow=flow, kind="sync", parent=None).order_by("-id")
    ends = latest.values_list("state", "finished_at")[: len(PAUSES)]
    failed = [ended for _, ended in takewhile(lambda end: end[0] in (RunState.FAILED, RunState.LOST), ends) if ended]
    return bool(failed) and clock.now() - failed[0] < timedelta(seconds=PAUSES[len(failed) - 1])
