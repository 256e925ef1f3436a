"""Which due times have passed and have no run yet? They are computed, not received: a beat that rings late, twice or
never changes nothing. (Flow, kind, due time) is unique in the database."""

import logging
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction

from sync import backfills, clock, duties, runs, schedules, sweep
from sync.catalogue import RunState
from sync.models import Flow, FlowSchedule, SyncRun
from sync.schedules import COALESCE, DAILY, SKIP, Schedule

log = logging.getLogger(__name__)
SHORTEST_GRACE = 120.0
SWEPT_AT = Schedule(DAILY, at=time(3, 30), zone="UTC")
PURGED_AT = Schedule(DAILY, at=time(4, 40), zone="UTC")


def start_all() -> list[int]:
    """The runs that are started now. One flow's trouble does not keep another from starting."""
    started = []
    for flow in _scheduled():
        try:
            run = start(flow)
        except DatabaseError:
            log.exception("Flow %s: its due time could not be decided; the next look will", flow.name)
            continue
        if run is not None:
            started.append(run.pk)
    return started


def start(flow: Flow) -> SyncRun | None:
    """The run of the flow's newest due time, if that has none and may have one now. Nobody is told of it yet."""
    schedule = schedules.read(flow)
    if schedule is None or not schedule.on:
        return None
    known = flow.rules if hasattr(flow, "rules") else schedules.rules(flow)
    now = clock.now()
    _set_back(known, now)
    if known.owed_at is None and _new(schedule, known, now) is None:
        return None
    with transaction.atomic():  # the row is the lock: whoever comes second finds it decided
        rules = FlowSchedule.objects.select_for_update().get(pk=known.pk)
        fresh = Flow.objects.get(pk=flow.pk)
        if fresh.paused or not fresh.enabled:
            return None
        decision = _decide(rules, _new(schedule, rules, now), runs.active(fresh), now)
        rules.save()
        return _begin(fresh, rules, decision) if decision else None


def _scheduled() -> list[Flow]:
    running = Flow.objects.filter(enabled=True, paused_at=None, schedule__enabled=True)
    return list(running.select_related("rules", "schedule__interval", "schedule__crontab"))


def _new(schedule: Schedule, rules: FlowSchedule, now: datetime) -> datetime | None:
    due = schedules.latest(schedule, now, rules.counted_from)
    return due if due and due > rules.decided_until else None


def _set_back(rules: FlowSchedule, now: datetime) -> None:
    """The clock was ahead and has been set right: what was decided about the future is void."""
    ahead = [name for name in ("counted_from", "decided_until", "watched_from") if getattr(rules, name) > now]
    for name in ahead:
        setattr(rules, name, now.replace(second=0, microsecond=0) if name == "counted_from" else now)
    if ahead:
        rules.save(update_fields=ahead)


def grace() -> timedelta:
    """How late a start may be without having been missed."""
    return timedelta(seconds=max(SHORTEST_GRACE, 3 * settings.SYNC["TICK_SECONDS"]))


def _decide(rules: FlowSchedule, new: datetime | None, busy: SyncRun | None, now: datetime) -> datetime | None:
    """The due time that starts now, if any; the rules remember what becomes of the others."""
    if new:
        rules.decided_until = new
    if busy is not None:
        _overlap(rules, new, busy)
        return None
    wanted, rules.owed_at = rules.owed_at, None
    if wanted:
        return new if new and rules.overlap == COALESCE else wanted
    if new and rules.missed == SKIP and now - new > grace():
        _leave_out(rules, new, "nobody was there to start it")
        return None
    return new


def _overlap(rules: FlowSchedule, new: datetime | None, busy: SyncRun) -> None:
    """A short run for a few keys, a backfill and the application of a plan do not read what is new: a start follows
    them whatever the rule says."""
    if new is None:
        return
    if busy.keys_only or busy.trigger == backfills.TRIGGER or busy.plan_id is not None:
        rules.owed_at = rules.owed_at or new
    elif rules.overlap == SKIP:
        _leave_out(rules, new, f"run {busy.pk} was still active")
    elif rules.overlap == COALESCE:
        if busy.state == RunState.QUEUED and busy.started_at is None:
            _leave_out(rules, new, f"run {busy.pk} had not begun to read yet and counts for it")
        else:
            rules.owed_at = new
    else:
        rules.owed_at = rules.owed_at or new


def _leave_out(rules: FlowSchedule, due: datetime, why: str) -> None:
    rules.left_out_at, rules.left_out_why = due, why


def _begin(flow: Flow, rules: FlowSchedule, due: datetime) -> SyncRun | None:
    run = runs.start(flow, trigger="schedule", due_at=due, ring=False)
    if run is not None and run.due_at == due:
        return run
    if not SyncRun.objects.filter(flow=flow, kind="sync", due_at=due).exists():  # somebody was quicker by hand
        FlowSchedule.objects.filter(pk=rules.pk).update(owed_at=due)
    return None


@dataclass(frozen=True)
class Nightly:
    name: str
    schedule: Schedule


SWEEP, PURGE = Nightly("key sweep", SWEPT_AT), Nightly("purge", PURGED_AT)


def last_night(duty: Nightly) -> datetime:
    """Its newest due time."""
    now = clock.now()
    due = schedules.latest(duty.schedule, now, now)
    assert due is not None, "every day has one"
    return due


def tonight(duty: Nightly) -> datetime | None:
    """The due time of a nightly duty that nobody has served; whoever gets it serves it."""
    due = last_night(duty)
    return due if duties.serve(duty.name, due) else None


def sweep_all(due: datetime) -> None:
    """Once a night: every flow's keys against the source's, and everybody's consent."""
    for flow in sweep.due():
        runs.start(flow, trigger="schedule", kind="sweep", due_at=due, ring=False)
    for flow in sweep.read_whole():
        runs.start(flow, trigger="schedule", full=True, due_at=due, ring=False)
