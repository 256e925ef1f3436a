"""Breakers: what would do damage by accident stops before it leaves, with its numbers, and asks a person.

A trip fails the run, pauses its flow and moves no watermark: the next run reads the same records again. Exempt are a
flow's first load, a run that applies a plan, and a backfill: somebody has looked at those.
"""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from sync import clock, history, issues, parts, runs
from sync.breaker_kinds import ISSUE, KINDS, Kind, applying, defaults
from sync.catalogue import RunState
from sync.issues import Finding
from sync.models import Breaker, Flow, SyncRun
from sync.models.breaker import CATALOGUE_SHRINK
from sync.runs import Lease

EXAMPLES = 10
RECENT = 10
"""Completed runs that say what is usual."""
PLAN, BACKFILL, FIRST = "plan", "backfill", "first load"


class NotTrippedError(Exception):
    """Somebody was quicker, or nothing is stopped: there is nothing to resume."""


@dataclass
class BreakerTripped(Exception):
    """Raised before anything of a page leaves, or before a run's completion has effects.

    `seen` against `limit` in the words of its kind; `prevented` says what did not happen; `examples` are source keys.
    """

    kind: str
    seen: int
    limit: int
    told: str
    limit_told: str
    prevented: str
    numbers: dict[str, Any] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    usual: str = ""

    def __post_init__(self) -> None:
        super().__init__(self.told)


# ------------------------------------------------------------------------------------------------ limits


def of(flow: Flow) -> list[Breaker]:
    """The breakers that apply to the flow, stored or with the defaults of their kind: one query."""
    stored = {one.kind: one for one in flow.breakers.select_related("run", "resumed_by", "flow")}
    return [stored.get(kind.name) or Breaker(flow=flow, kind=kind.name, **defaults(kind)) for kind in applying(flow)]


def tripped(flow: Flow) -> Breaker | None:
    """The breaker that keeps the flow paused."""
    if not flow.paused:
        return None
    stopped = flow.breakers.filter(tripped_at__isnull=False).select_related("run", "flow")
    return stopped.order_by("-tripped_at").first()


def stopping() -> list[Breaker]:
    """Every breaker that keeps a flow paused."""
    found = Breaker.objects.filter(tripped_at__isnull=False, flow__paused_at__isnull=False)
    return list(found.select_related("flow", "run"))


def edit(
    flow: Flow,
    kind: str,
    *,
    on: bool,
    percent: int,
    minimum: int,
    user: Any,
    reason: str = "",
    request: HttpRequest | None = None,
) -> Breaker:
    """Stores new limits, with an audit event where something changed."""
    new = {"on": on, "percent": percent, "minimum": minimum}
    with transaction.atomic():
        Flow.objects.select_for_update().get(pk=flow.pk)
        breaker = next(one for one in of(flow) if one.kind == kind)
        old = {name: getattr(breaker, name) for name in new}
        if old == new:
            return breaker
        for name, value in new.items():
            setattr(breaker, name, value)
        breaker.save()
        changed = [name for name in new if old[name] != new[name]]
        history.record(
            "change breaker",
            flow,
            actor=user,
            before={"kind": kind, **{name: old[name] for name in changed}},
            after={"kind": kind, **{name: new[name] for name in changed}},
            reason=reason or _in_words(KINDS[kind], old, new),
            request=request,
        )
    return breaker


def _in_words(kind: Kind, old: dict[str, Any], new: dict[str, Any]) -> str:
    def words(one: dict[str, Any]) -> str:
        percent = f"{one['percent']} %, " if kind.percent_of else ""
        return f"{percent}at least {one['minimum']:,}" if one["on"] else "off"

    return f"{kind.title}: {words(old)} → {words(new)}"


def exempt(run: SyncRun) -> str:
    """Why no breaker looks at this run: somebody has looked at it beforehand, or it is the flow's first to bring
    anything; empty for any other."""
    if getattr(run, "plan_id", None) is not None:
        return PLAN
    if run.trigger == BACKFILL:
        return BACKFILL
    done = SyncRun.objects.filter(flow_id=run.flow_id, kind="sync", state=RunState.COMPLETED, read__gt=0)
    whole = done.filter(keys_only=False, parent=None).exclude(trigger=BACKFILL)
    return "" if whole.exists() else FIRST


# ------------------------------------------------------------------------------------------------ trip and resume


def trip(lease: Lease, stop: BreakerTripped) -> None:
    """The run fails, the flow is paused, people are told: one commit, and only while the run is ours.

    Raises LeaseLostError when another worker has the run.
    """
    flow, kind = lease.run.flow, KINDS[stop.kind]
    run = SyncRun.objects.get(pk=lease.run.whole_id)
    cause = _cause(run, kind, stop)
    message = f"{kind.title}: {stop.told} {stop.limit_told} {stop.prevented}"
    with transaction.atomic():
        if lease.run.parent_id and _tripped_already(run):
            runs.finish(lease, RunState.CANCELLED, "Another part was stopped.")
            return
        runs.finish(lease, RunState.FAILED, f"Stopped before damage. {message} {cause['sent']}")
        if lease.run.parent:
            parts.stop(lease.run.parent)
        breaker = flow.breakers.filter(kind=kind.name).first()
        breaker = breaker or Breaker(flow=flow, kind=kind.name, **defaults(kind))
        breaker.tripped_at, breaker.run, breaker.cause, breaker.allowed_once = clock.now(), run, cause, False
        breaker.save()
        history.record("trip breaker", flow, after={"kind": kind.name, "run": run.pk, **cause["numbers"]},
                       reason=message)  # fmt: skip
        note = f"Breaker {kind.title.lower()}: {stop.told}"
        Flow.objects.filter(pk=flow.pk).update(  # a date that somebody gave meanwhile is none for this
            paused_at=clock.now(), paused_note=note[:300], paused_by=None, paused_until=None
        )
        if kind.name != CATALOGUE_SHRINK:  # the refused version has told it already
            finding = Finding(
                ISSUE, field=kind.name, message=message, records=stop.seen, erp_value=f"{stop.seen:,}",
                target_value=f"limit {stop.limit:,}", details={"remedy": kind.next_step, **cause["numbers"]},
            )  # fmt: skip
            issues.raise_all(flow, run.pk, [finding])
    flow.refresh_from_db()


def _tripped_already(run: SyncRun) -> bool:
    """Whether another part was quicker; the flow's row makes them come one after the other."""
    flow = Flow.objects.select_for_update().get(pk=run.flow_id)
    return flow.breakers.filter(run=run, tripped_at__isnull=False).exists()


def _cause(run: SyncRun, kind: Kind, stop: BreakerTripped) -> dict[str, Any]:
    numbers = {"seen": stop.seen, "limit": stop.limit, "read": run.read, "total": run.total, **stop.numbers}
    numbers |= {"accepted": run.accepted, "sent": getattr(run, kind.counted, 0) if kind.counted else run.accepted}
    return {
        "numbers": numbers,
        "seen": stop.told,
        "usual": stop.usual or usual(run, kind),
        "limit": stop.limit_told,
        "prevented": stop.prevented,
        "sent": _sent(run, kind),
        "examples": stop.examples[:EXAMPLES],
        "mapping_changed": _mapping_changed(run),
    }


def _sent(run: SyncRun, kind: Kind) -> str:
    if not run.accepted and not run.writes:
        return "Nothing was sent by this run."
    among = ""
    if kind.counted:
        among = f", {getattr(run, kind.counted):,} of them {kind.counted_words}"
    return f"Sent already by this run, before it was noticed: {run.accepted:,} records{among}."


def _before(run: SyncRun) -> Any:
    done = SyncRun.objects.filter(flow_id=run.flow_id, kind="sync", state=RunState.COMPLETED, keys_only=False)
    return done.filter(parent=None).exclude(pk=run.pk).order_by("-id")


def usual(run: SyncRun, kind: Kind) -> str:
    """What the latest completed runs did of this; the first load says nothing about it."""
    columns = ["read", "rejected"] if not kind.counted else ["read", kind.counted]
    if kind.name not in ("error_rate", "mass_change", "mass_deactivation", "mass_opt_out"):
        columns = ["read", "read"]
    found = list(_before(run).values_list(*columns)[:RECENT])
    if not found:
        return "No run has completed yet."
    if kind.name == "error_rate":
        shares = [round(100 * part / read, 1) if read else 0.0 for read, part in found]
        return f"Usually {_range(shares)} % ({_runs(len(found))})."
    return f"Usually {_range([part for _, part in found])} a run ({_runs(len(found))})."


def _range(values: list[Any]) -> str:
    low, high, middle = min(values), max(values), median(values)
    if low == high:
        return f"{low:,}"
    return f"{low:,} to {high:,}, mostly {int(middle) if isinstance(low, int) else middle:,}"


def _runs(number: int) -> str:
    return "the last completed run" if number == 1 else f"the last {number} completed runs"


def _mapping_changed(run: SyncRun) -> bool:
    """Another mapping sends everything again: then the change is most likely ours, not the ERP's."""
    last = _before(run).values_list("mapping_version", flat=True).first()
    return bool(last and run.mapping_version and last != run.mapping_version)


def resume_once(flow: Flow, kind: str, user: Any, reason: str = "", request: HttpRequest | None = None) -> SyncRun:
    """The flow goes on, and its next run may do once what was stopped: one action, one audit event.

    The run it starts reads what the stopped one read. Raises NotTrippedError when this breaker stops nothing.
    """
    with transaction.atomic():
        Flow.objects.select_for_update().get(pk=flow.pk)
        flow.refresh_from_db()
        breaker = tripped(flow)
        if breaker is None or breaker.kind != kind:
            raise NotTrippedError(f"No breaker {kind} stops {flow.name}.")
        numbers, stopped = breaker.cause.get("numbers", {}), breaker.run
        if stopped is not None and stopped.active:  # its record would be taken for the run that goes on
            raise NotTrippedError(f"Run {stopped.pk} has not ended yet: its parts finish their page. Try again soon.")
        runs.resume(
            flow,
            user,
            action="resume and allow once",
            before={"kind": kind, "seen": numbers.get("seen"), "limit": numbers.get("limit")},
            after={"allowed_once": kind, "run": breaker.run_id},
            reason=reason or f"{KINDS[kind].title}: {breaker.cause.get('seen', '')}",
            request=request,
        )
        Breaker.objects.filter(pk=breaker.pk).update(
            allowed_once=True, resumed_at=clock.now(), resumed_by=user if getattr(user, "pk", None) else None
        )
        run = _again(flow, stopped, user)
    if run is None:
        raise NotTrippedError(f"{flow.name} goes on, but no run could be started; press Run now.")
    return run


def _again(flow: Flow, stopped: SyncRun | None, user: Any) -> SyncRun | None:
    full, keys_only = (stopped.full, stopped.keys_only) if stopped else (False, False)
    actor = user if getattr(user, "pk", None) else None
    run = runs.start(flow, trigger="resumed", user=actor, full=full, keys_only=keys_only)
    if run is not None and stopped is not None and run.watermark_from != stopped.watermark_from:
        SyncRun.objects.filter(pk=run.pk, state=RunState.QUEUED).update(watermark_from=stopped.watermark_from)
    return run


def keep_paused(flow: Flow, user: Any, note: str, request: HttpRequest | None = None) -> None:
    """Somebody has looked at it and wants the flow to stand still. Raises NotTrippedError."""
    with transaction.atomic():
        breaker = tripped(flow)
        if breaker is None:
            raise NotTrippedError(f"No breaker stops {flow.name}.")
        history.record("keep paused", flow, actor=user, after={"kind": breaker.kind}, reason=note, request=request)
        said = {"paused_note": note[:300]} if note.strip() else {}
        Flow.objects.filter(pk=flow.pk).update(paused_by=user if getattr(user, "pk", None) else None, **said)
    flow.refresh_from_db()


def use_up(flow: Flow, run: SyncRun) -> None:
    """Within the commit that completes a run: what was allowed once is used up."""
    allowed = flow.breakers.filter(allowed_once=True)
    if run.keys_only:  # a retry in between does not use up what was allowed for a whole run
        allowed = allowed.filter(run__keys_only=True)
    allowed.update(allowed_once=False)
