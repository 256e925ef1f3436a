"""Where a flow's next read starts. A completed run moves it forward; only a person moves it back, and may undo it.

Nothing is lost or doubled by a move: what is read again and unchanged is skipped, a sale that was accepted is never
sent twice. It costs reads.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Sum

from sync import clock, history
from sync.catalogue import ACTIVE_RUNS, RunState
from sync.models import CrossReference, Flow, LedgerEntry, SyncRun, WatermarkMove

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")


class NotMovedError(Exception):
    """The move makes no sense or cannot be made now; the text says why."""


def advance(flow: Flow, to: str) -> None:
    """After a completed run. A source that names an earlier moment than before does not move it back."""
    with transaction.atomic():
        now = Flow.objects.select_for_update(no_key=True).values_list("watermark", flat=True).get(pk=flow.pk)
        if to and not goes_back(now, to):
            Flow.objects.filter(pk=flow.pk).update(watermark=to)


def goes_back(now: str, to: str) -> bool:
    """Tokens and positions tell no time: those only their own source can compare."""
    before, after = _moment(now), _moment(to)
    return before is not None and after is not None and after < before


def _moment(text: str) -> datetime | None:
    if not (_DAY.fullmatch(text) or _MOMENT.fullmatch(text)):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Preview:
    """What a move would do. `records` is how many are read again, at most; None where nobody can tell."""

    flow: Flow
    before: str
    after: str
    records: int | None

    @property
    def sentence(self) -> str:
        whence = f"from {self.after} on" if self.after else "from the very beginning"
        if self.records is None:
            much = "How many records that is cannot be told"
        else:
            much = f"That is about {self.records:,} record{'' if self.records == 1 else 's'}"
        return (
            f"The next run of {self.flow.name} reads {whence}, instead of from {_named(self.before)}. {much}. "
            "What is unchanged is skipped, what was accepted once is not sent twice."
        )


def _named(watermark: str) -> str:
    return (watermark if len(watermark) < 40 else "its last position") or "the very beginning"


def preview(flow: Flow, to: str) -> Preview:
    """Nothing is changed. Raises NotMovedError where the move is none, or the flow knows no such moment."""
    now = Flow.objects.values_list("watermark", flat=True).get(pk=flow.pk)
    after = _written_like(now, to.strip())
    return Preview(flow, now, after, _estimate(flow, after))


def _written_like(now: str, to: str) -> str:
    """As this flow's source writes its moments."""
    if not now:
        raise NotMovedError("This flow has no watermark: each run reads everything already.")
    if not to:
        return ""
    if _moment(now) is None:
        raise NotMovedError("This flow's position is a token of its source: it can only be reset to the beginning.")
    asked = _moment(to)
    if asked is None:
        raise NotMovedError(f"{to[:40]!r} is no day or time such as 2011-12-01 or 2011-12-01T08:00:00Z.")
    if not goes_back(now, to):
        raise NotMovedError(f"{to} is not before {now}: a watermark is moved back only; forward it moves by itself.")
    if _DAY.fullmatch(now):
        return asked.date().isoformat()
    return asked.astimezone(UTC).isoformat().replace("+00:00", "Z" if now.endswith("Z") else "+00:00")


def _estimate(flow: Flow, after: str) -> int | None:
    """From what is remembered; the source is not asked."""
    lines = LedgerEntry.objects.filter(flow=flow)
    since = _moment(after)
    if lines.exists():
        return (lines.filter(day__gte=since.date()) if since else lines).count()
    if since is None:
        known = CrossReference.objects.filter(flow=flow).count()
        whole = SyncRun.objects.filter(flow=flow, kind="sync", state=RunState.COMPLETED, watermark_from="")
        last = whole.filter(keys_only=False).order_by("-id").values_list("read", flat=True).first()
        return max(known, last or 0) or None
    runs = SyncRun.objects.filter(flow=flow, kind="sync", state=RunState.COMPLETED, finished_at__gte=since)
    read: int | None = runs.aggregate(read=Sum("read"))["read"]
    return read


def reset(flow: Flow, to: str, user: Any, reason: str, seen: str | None = None) -> WatermarkMove:
    """Moves it back to a day, a moment, or (empty) the beginning. `seen` is the watermark that the preview showed.

    Raises NotMovedError while a run is active, without a reason, or when it has moved since the preview.
    """
    if not reason.strip():
        raise NotMovedError("Say why: whoever looks at this later will ask.")
    with transaction.atomic():
        Flow.objects.select_for_update(no_key=True).get(pk=flow.pk)
        planned = preview(flow, to)
        _check_still(flow, planned.before, seen)
        move = WatermarkMove.objects.create(
            flow=flow, before=planned.before, after=planned.after, reason=reason.strip()[:300],
            estimate=planned.records, moved_by=user, moved_at=clock.now(),
        )  # fmt: skip
        _set(flow, move.after, "reset watermark", user, move.before, move.reason)
    return move


def undoable(flow: Flow) -> WatermarkMove | None:
    """The last move, while nothing has been read from where it put the flow."""
    move = WatermarkMove.objects.filter(flow=flow).select_related("moved_by").first()
    if move is None or move.undone_at or move.after != flow.watermark:
        return None
    return move


def undo(flow: Flow, user: Any) -> WatermarkMove:
    """Puts back what stood before the last reset. Raises NotMovedError when a run has moved it since."""
    with transaction.atomic():
        fresh = Flow.objects.select_for_update(no_key=True).get(pk=flow.pk)
        move = undoable(fresh)
        if move is None:
            raise NotMovedError("There is nothing to undo: a run has read from there since, or nobody has moved it.")
        _check_still(fresh, fresh.watermark, None)
        WatermarkMove.objects.filter(pk=move.pk).update(undone_at=clock.now())
        _set(fresh, move.before, "undo watermark reset", user, move.after, move.reason)
    return move


def _check_still(flow: Flow, before: str, seen: str | None) -> None:
    active = SyncRun.objects.filter(flow=flow, kind="sync", state__in=ACTIVE_RUNS).first()
    if active is not None:
        raise NotMovedError(f"Run {active.pk} is active and would move it again: cancel it, or wait for its end.")
    if seen is not None and seen != before:
        raise NotMovedError("The watermark has moved since this was shown: look again.")


def _set(flow: Flow, to: str, action: str, user: Any, before: str, reason: str) -> None:
    Flow.objects.filter(pk=flow.pk).update(watermark=to)
    words = {"words": f"next read starts at {_named(to)}", "on": True}
    told = {"words": f"next read starts at {_named(before)}"}
    history.record(action, flow, actor=user, before=told | {"watermark": before}, after=words | {"watermark": to},
                   reason=reason)  # fmt: skip
    flow.watermark = to
