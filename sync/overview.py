"""The start page: is everything fine, what is broken and what does it cost, what waits for me.

Every role sees the same flows; of exceptions a person sees those of the teams in `roles.teams`, the own first.
The number of queries does not depend on how many flows, runs or exceptions there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from sync import addresses, breakers, charts, flow_lines, late, roles, unsure, workers
from sync.catalogue import KINDS, OPEN_ISSUES, Team
from sync.models import Breaker, SyncIssue, SyncRun

DAYS = 14
LATEST = 20_000
"""The chart looks at this many of the newest exceptions at most: it costs the same whatever the table's size."""
QUEUE = 6
ONE_BY_ONE = 3
"""Flows of the same news are named up to here."""
_RUN_KINDS = tuple(name for name in KINDS if name.startswith("run_"))


@dataclass(frozen=True)
class Tally:
    """Open exceptions of one team, kind and currency. `money` is the value at risk."""

    team: str
    kind: str
    currency: str
    exceptions: int
    records: int
    money: Decimal
    oldest: datetime


@dataclass
class KindLine:
    title: str
    url: str
    exceptions: int = 0
    records: int = 0
    money: dict[str, Decimal] = field(default_factory=dict)

    def weight(self) -> Decimal:
        return max(self.money.values(), default=Decimal(0))


@dataclass
class Desk:
    """One team's open exceptions: how many, what is at risk in each currency, the kinds behind it."""

    team: Team
    own: bool
    url: str
    exceptions: int = 0
    money: dict[str, Decimal] = field(default_factory=dict)
    kinds: dict[str, KindLine] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.team.capitalize()

    @property
    def worst(self) -> list[KindLine]:
        """By value at risk, then by number."""
        return sorted(self.kinds.values(), key=lambda line: (line.weight(), line.exceptions), reverse=True)[:5]


@dataclass(frozen=True)
class Problem:
    """One sentence of the verdict; `bad` needs somebody now, `warn` should be known."""

    tone: str
    text: str
    url: str
    since: datetime | None = None


def context(user: Any) -> dict[str, Any]:
    if not user.has_perm("sync.view_flow"):
        return {"no_role": True}
    lines = [line for line in flow_lines.lines() if line.flow.wanted]
    tallies = _tallies()
    visible = roles.teams(user)
    found = sorted(_idle(lines, user) + _problems(lines, tallies, visible), key=lambda problem: problem.tone)
    desks = _desks(tallies, user, visible)
    return {
        "lines": lines,
        "desks": desks,
        "nothing_open": not any(desk.exceptions for desk in desks),
        "problems": found,
        "tone": "bad" if any(p.tone == "bad" for p in found) else "warn" if found else "good",
        "queue": _queue(user),
        "own_apart": any(not roles.may_work(user, team) for team in Team),
        "works": any(roles.may_work(user, team) for team in Team),
        "queue_url": addresses.exceptions(assignee="me"),
        "chart": _chart(visible),
        "days": DAYS,
    }


def _open() -> QuerySet[SyncIssue]:
    return SyncIssue.objects.filter(state__in=OPEN_ISSUES).order_by()


def _tallies() -> list[Tally]:
    rows = (
        _open()
        .values_list("team", "kind", "currency")
        .annotate(Count("pk"), Sum("records"), Sum("money"), Min("first_seen_at"))
    )
    return [
        Tally(team, kind, currency, exceptions, records, money or Decimal(0), oldest)
        for team, kind, currency, exceptions, records, money, oldest in rows
    ]


def _desks(tallies: Sequence[Tally], user: Any, visible: Sequence[Team]) -> list[Desk]:
    desks = {
        team: Desk(team, roles.may_work(user, team), addresses.exceptions(team=team))
        for team in sorted(visible, key=lambda team: not roles.may_work(user, team))
    }
    for tally in tallies:
        if desk := desks.get(Team(tally.team)):
            _add(desk, tally)
    return list(desks.values())


def _add(desk: Desk, tally: Tally) -> None:
    url = addresses.exceptions(team=desk.team, kind=tally.kind)
    line = desk.kinds.setdefault(tally.kind, KindLine(KINDS[tally.kind].title, url))
    for sums in (desk, line):
        sums.exceptions += tally.exceptions
        if tally.money:
            sums.money[tally.currency] = sums.money.get(tally.currency, Decimal(0)) + tally.money
    line.records += tally.records


def _problems(lines: Sequence[flow_lines.FlowLine], tallies: Sequence[Tally], visible: Sequence[Team]) -> list[Problem]:
    stopped = {breaker.flow_id: breaker for breaker in breakers.stopping()}
    found = [problem for line in lines for problem in _flow_problems(line, stopped.get(line.flow.pk))]
    found += _never_completed(lines)
    for tally in tallies:
        if tally.kind in (*_RUN_KINDS, late.KIND) and Team.OPERATIONS in visible:
            text = f"{KINDS[tally.kind].title}: {_number(tally.exceptions, 'exception')} of operations"
            url = addresses.exceptions(team=tally.team, kind=tally.kind)
            found.append(Problem("bad", text, url, tally.oldest))
        if tally.kind in unsure.KINDS:
            text = (
                f"{_number(tally.records, 'record')} sent, but the answer was lost: nobody knows yet whether it arrived"
            )
            seen = Team(tally.team) in visible
            url = addresses.exceptions(team=tally.team, kind=tally.kind) if seen else ""
            found.append(Problem("bad", text, url, tally.oldest))
    return found


def _idle(lines: Sequence[flow_lines.FlowLine], user: Any) -> list[Problem]:
    """Nobody works. Where no worker ever reported and nothing is scheduled, nobody is missed."""
    missed = workers.absent()
    url = addresses.workers() if user.has_perm("sync.view_workerprocess") else ""
    scheduled = any(line.schedule and line.schedule.on for line in lines)
    if missed.none and (missed.since or scheduled):
        text = "No worker is alive: nothing runs. What is due or was asked for waits, and is caught up"
        return [Problem("bad", text, url, missed.since)]
    if missed.hosts:
        text = f"No worker lives on {', '.join(missed.hosts)} any more; the others do its work"
        return [Problem("warn", text, url, missed.since)]
    return []


def _flow_problems(line: flow_lines.FlowLine, stopped: Breaker | None) -> list[Problem]:
    flow, found = line.flow, []
    if stopped:
        text = f"A breaker stopped {flow.name}: {stopped.cause.get('seen') or stopped.get_kind_display()}"
        found.append(Problem("bad", text, line.url, stopped.tripped_at))
    elif flow.paused:
        note = f": {flow.paused_note}" if flow.paused_note else ""
        found.append(Problem("warn", f"{flow.name} is paused{note}", line.url, flow.paused_at))
    elif line.freshness == "late":
        text = f"{flow.name} is late: its target is a completed run every {flow.freshness_minutes} minutes"
        found.append(Problem("bad", text, line.url, line.fresh_at))
    if line.failed and line.last and not (stopped and stopped.run_id == line.last.pk):
        found.append(Problem("bad", f"The last run of {flow.name} failed", line.last_url, line.last.finished_at))
    return found


def _never_completed(lines: Sequence[flow_lines.FlowLine]) -> list[Problem]:
    """After the first start these are many, and one sentence says it; a failed run is told as such."""
    new = [line for line in lines if line.freshness == "never" and not line.failed]
    if len(new) > ONE_BY_ONE:
        return [Problem("warn", f"{len(new)} flows have not completed a run yet", addresses.flows())]
    return [Problem("warn", f"{line.flow.name} has not completed a run yet", line.url) for line in new]


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _queue(user: Any) -> list[dict[str, Any]]:
    """What is assigned to the person, by due date."""
    mine = (
        _open()
        .filter(assignee=user, team__in=roles.teams(user))
        .order_by("due_at", "-id")
        .only("kind", "source_id", "target_id", "money", "currency", "due_at", "team")[:QUEUE]
    )
    now = timezone.now()
    return [
        {"issue": issue, "url": addresses.exception(issue), "late": bool(issue.due_at and issue.due_at < now)}
        for issue in mine
    ]


def _chart(visible: Sequence[Team]) -> charts.Daily:
    zone = ZoneInfo(settings.LOCAL_TIME_ZONE)
    today = timezone.now().astimezone(zone).date()
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    records, found = _records_by_day(days[0], zone), _exceptions_by_day(days[0], zone, visible)
    return charts.daily([(day, records.get(day, []), found.get(day, 0)) for day in days])


def _records_by_day(first: date, zone: ZoneInfo) -> dict[date, list[tuple[str, int]]]:
    newest = SyncRun.objects.filter(kind="sync", part=0).order_by("-id").values("pk")[:LATEST]
    rows = (
        SyncRun.objects.filter(pk__in=newest, queued_at__date__gte=first - timedelta(days=1))
        .order_by()
        .values_list(TruncDate("queued_at", tzinfo=zone))
        .annotate(Sum("accepted"), Sum("held"), Sum("rejected"), Sum("unknown"))
    )
    names = ("accepted", "held", "rejected", "unknown")
    return {row[0]: list(zip(names, row[1:], strict=True)) for row in rows}


def _exceptions_by_day(first: date, zone: ZoneInfo, visible: Sequence[Team]) -> dict[date, int]:
    newest = SyncIssue.objects.order_by("-id").values("pk")[:LATEST]
    rows = (
        SyncIssue.objects.filter(Q(pk__in=newest), team__in=visible, first_seen_at__date__gte=first - timedelta(days=1))
        .order_by()
        .values_list(TruncDate("first_seen_at", tzinfo=zone))
        .annotate(Count("pk"))
    )
    return dict(rows)
