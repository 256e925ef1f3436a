"""The list of exceptions: what is on whose desk, by kind with its money, and a page of rows by keyset."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from sync import addresses, bulk, roles
from sync.admin import exception_words as words
from sync.admin.exception_filter import ExceptionFilter, colleagues
from sync.admin.given import number
from sync.catalogue import KINDS, Team
from sync.models import SyncIssue

PAGE = 50
CAP = 10_000
TITLES = {
    Team.MARKETING: ("Marketing's exceptions", "Contacts that do not match the ERP, and what that costs."),
    Team.FINANCE: ("Finance's exceptions", "Invoices and credits whose revenue is not where it belongs."),
    Team.OPERATIONS: ("Operations' exceptions", "Runs and systems that need an administrator."),
}


@dataclass(frozen=True)
class Row:
    issue: SyncIssue
    url: str
    summary: str
    records_url: str
    late: bool


@dataclass(frozen=True)
class KindCard:
    title: str
    count: int
    records: int
    risks: list[words.Risk]
    url: str
    chosen: bool


def context(request: HttpRequest) -> dict[str, Any]:
    chosen = ExceptionFilter(request)
    found = bulk.matching(chosen.wanted)
    page = _page(request, found)
    title, lead = TITLES.get(Team(chosen.team), ("", "")) if chosen.team else ("Exceptions", "Of every team.")
    return {
        "title": title,
        "lead": lead,
        "filter": chosen,
        "pills": chosen.pills(),
        "cards": _cards(chosen),
        "total": found[: CAP + 1].count(),
        "cap": CAP + 1,
        "rows": [_row(request.user, issue) for issue in page[:PAGE]],
        "next": _after(request, chosen, page),
        "first": chosen.address() if "after" in request.GET else "",
        "sort": _sort(request),
        "sort_urls": {"newest": chosen.address(), "value": chosen.address(sort="value")},
        "colleagues": colleagues(_workable(chosen)),
        "workable": _workable(chosen),
        "move_to": [team for team in Team if team != chosen.team],
    }


def _workable(chosen: ExceptionFilter) -> tuple[Team, ...]:
    """The teams on this list whose exceptions the person may work on."""
    desk = (Team(chosen.team),) if chosen.team else chosen.teams
    return tuple(team for team in desk if roles.may_work(chosen.user, team))


def _sort(request: HttpRequest) -> str:
    return "value" if request.GET.get("sort") == "value" else "newest"


_RISK = Coalesce("money", Value(Decimal(0)), output_field=DecimalField(max_digits=18, decimal_places=2))


def _page(request: HttpRequest, found: QuerySet[SyncIssue]) -> list[SyncIssue]:
    """One row more than a page, so that the page knows whether another follows."""
    rows = found.select_related("flow", "assignee")
    risk, _, after = request.GET.get("after", "").rpartition("~")
    last = number(after)
    if _sort(request) == "value":
        rows = rows.annotate(risk=_RISK).order_by("-risk", "-pk")
        if last and (limit := _decimal(risk)) is not None:
            rows = rows.filter(Q(risk__lt=limit) | Q(risk=limit, pk__lt=last))
    else:
        rows = rows.order_by("-pk")
        rows = rows.filter(pk__lt=last) if last else rows
    return list(rows[: PAGE + 1])


def _decimal(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except ArithmeticError:
        return None
    return found if found.is_finite() and abs(found) < 10**16 else None


def _after(request: HttpRequest, chosen: ExceptionFilter, page: list[SyncIssue]) -> str:
    if len(page) <= PAGE:
        return ""
    last = page[PAGE - 1]
    if _sort(request) == "value":
        return chosen.address(sort="value", after=f"{last.money or 0}~{last.pk}")
    return chosen.address(after=str(last.pk))


def _row(user: Any, issue: SyncIssue) -> Row:
    late = bool(issue.is_open and issue.due_at and issue.due_at < timezone.now())
    return Row(issue, addresses.exception(issue), words.summary(user, issue), words.counted_records(issue), late)


def _cards(chosen: ExceptionFilter) -> list[KindCard]:
    """What the filter without its kind holds, by kind: the largest value at risk first."""
    wanted = chosen.wanted
    wanted["filter"].pop("kind", None)
    groups = bulk.matching(wanted).order_by().values("kind", "currency")
    sums: Any = groups.annotate(n=Count("pk"), covers=Sum("records"), risk=Sum(F("money")))
    kinds: dict[str, list[dict[str, Any]]] = {}
    for group in sums:
        kinds.setdefault(group["kind"], []).append(group)
    cards = [_card(chosen, kind, groups) for kind, groups in kinds.items() if kind in KINDS]
    return sorted(cards, key=lambda card: (-sum(risk.amount for risk in card.risks), -card.count))


def _card(chosen: ExceptionFilter, kind: str, groups: list[dict[str, Any]]) -> KindCard:
    current = chosen.chosen.get("kind") == kind
    return KindCard(
        title=KINDS[kind].title,
        count=sum(group["n"] for group in groups),
        records=sum(group["covers"] for group in groups),
        risks=[words.Risk(group["risk"], group["currency"]) for group in groups if group["risk"]],
        url=chosen.address(kind="" if current else kind),
        chosen=current,
    )
