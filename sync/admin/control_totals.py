"""Control totals as finance reads them: what the ERP has, what Emarsys accepted, and what adds up to the rest."""

import calendar
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Max, Min, Sum
from django.db.models.functions import TruncMonth

from sync.admin import ledger_filter
from sync.models import ControlTotal
from sync.templatetags.console import money

COLUMNS = ("erp", "accepted", "excluded", "held", "rejected", "unknown")
LONGEST_BY_DAY = 62
"""Days; a longer period is shown by month unless days are asked for."""
NAMES = {
    "erp": "ERP",
    "accepted": "Accepted",
    "excluded": "Excluded",
    "held": "Held",
    "rejected": "Rejected",
    "unknown": "Unknown",
}
SENTENCES = {
    "excluded": "excluded by a rule",
    "held": "held for a contact",
    "rejected": "rejected",
    "unknown": "sent, answer lost",
}
ZERO = Decimal(0)


@dataclass(frozen=True)
class Cell:
    amount: Decimal
    lines: int
    url: str


@dataclass(frozen=True)
class TotalRow:
    """One line of the table: a day, a month's subtotal, or the whole; in one currency, of one legal entity."""

    label: str
    kind: str
    company: str
    currency: str
    documents: int
    cells: list[Cell]
    difference: Cell
    because: str
    first: str = ""
    url: str = ""


@dataclass(frozen=True)
class Period:
    """First and last day, both included; `bounds` are the first and last day there are totals for."""

    first: date
    last: date
    by: str
    bounds: tuple[date, date]


def period(given: Any) -> Period | None:
    """From the address; None when there are no totals at all."""
    bounds = ControlTotal.objects.aggregate(first=Min("day"), last=Max("day"))
    if bounds["first"] is None:
        return None
    first, last = _day(given.get("from")) or bounds["first"], _day(given.get("to")) or bounds["last"]
    if first > last:
        first, last = last, first
    short = (last - first).days <= LONGEST_BY_DAY
    by = given.get("by") if given.get("by") in ("day", "month") else ("day" if short else "month")
    return Period(first, last, str(by), (bounds["first"], bounds["last"]))


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def rows(shown: Period) -> list[TotalRow]:
    """Days with a subtotal under each month, or months; ends with a total per currency."""
    found = list(_months(shown))
    if shown.by == "month":
        return [*found, *_totals(shown)]
    by_month: dict[str, list[TotalRow]] = {}
    for row in _days(shown):
        by_month.setdefault(row.first[:7], []).append(row)
    table: list[TotalRow] = []
    for month in sorted(by_month, reverse=True):
        table += by_month[month]
        table += [row for row in found if row.first[:7] == month]
    return [*table, *_totals(shown)]


def totals(shown: Period) -> list[TotalRow]:
    return list(_totals(shown))


def _sums(shown: Period, *groups: str) -> Iterator[dict[str, Any]]:
    sums = {f"{name}_{what}_sum": Sum(f"{name}_{what}") for name in COLUMNS for what in ("lines", "amount")}
    between = ControlTotal.objects.filter(day__gte=shown.first, day__lte=shown.last)
    named = between.annotate(month=TruncMonth("day")) if "month" in groups else between
    yield from named.order_by().values(*groups).annotate(docs=Sum("documents"), **sums)


def _days(shown: Period) -> Iterator[TotalRow]:
    for group in sorted(_sums(shown, "day", "company", "currency"), key=_newest_first("day")):
        where = {"day": group["day"].isoformat(), "company": group["company"], "currency": group["currency"]}
        yield _row(group, f"{group['day']:%-d %b %Y}", "day", where)


def _months(shown: Period) -> Iterator[TotalRow]:
    for group in sorted(_sums(shown, "month", "company", "currency"), key=_newest_first("month")):
        first, last = _clipped(group["month"], shown)
        where = {"from": first, "to": last, "company": group["company"], "currency": group["currency"]}
        url = f"?from={first}&to={last}"
        yield _row(group, f"{group['month']:%B %Y}", "subtotal" if shown.by == "day" else "month", where, url)


def _clipped(month: date, shown: Period) -> tuple[str, str]:
    """The part of the month that lies in the period."""
    month = month.date() if hasattr(month, "date") else month
    last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    return max(month, shown.first).isoformat(), min(last, shown.last).isoformat()


def _totals(shown: Period) -> Iterator[TotalRow]:
    """Never across currencies."""
    for group in sorted(_sums(shown, "currency"), key=lambda one: one["currency"]):
        where = {"from": shown.first.isoformat(), "to": shown.last.isoformat(), "currency": group["currency"]}
        yield _row({**group, "company": ""}, "Whole period", "total", where)


def _newest_first(name: str) -> Any:
    return lambda group: (-group[name].toordinal(), group["company"], group["currency"])


def _row(group: dict[str, Any], label: str, kind: str, where: dict[str, str], url: str = "") -> TotalRow:
    amounts = {name: group[f"{name}_amount_sum"] or ZERO for name in COLUMNS}
    lines = {name: group[f"{name}_lines_sum"] or 0 for name in COLUMNS}
    cells = [Cell(amounts[name], lines[name], _opens(where, None if name == "erp" else name)) for name in COLUMNS]
    rest = Cell(amounts["erp"] - amounts["accepted"], lines["erp"] - lines["accepted"], _opens(where, "unsettled"))
    because = explain(amounts, lines, group["currency"])
    first = where.get("day") or where["from"]
    return TotalRow(label, kind, group["company"], group["currency"], group["docs"], cells, rest, because, first, url)


def _opens(where: dict[str, str], state: str | None) -> str:
    return ledger_filter.address(view="documents", **where, **({"state": state} if state else {}))


def explain(amounts: dict[str, Decimal], lines: dict[str, int], currency: str) -> str:
    """What adds up to ERP − accepted, in words; what does not add up is said, too."""
    parts = [f"{money(amounts[name], currency)} {words}" for name, words in SENTENCES.items() if lines[name]]
    rest = amounts["erp"] - amounts["accepted"] - sum((amounts[name] for name in SENTENCES), ZERO)
    left = lines["erp"] - lines["accepted"] - sum(lines[name] for name in SENTENCES)
    if left or rest:
        parts.append(f"{money(rest, currency)} being sent now")
    return ", ".join(parts) if parts else "Everything accepted"


HEADING = ["Period", "Legal entity", "Currency", "Documents"]
HEADING += [f"{NAMES[name]} {what}" for name in COLUMNS for what in ("lines", "amount")]
HEADING += ["Difference (ERP − accepted)", "Because"]


def exported(found: Iterable[TotalRow]) -> Iterator[list[Any]]:
    for row in found:
        cells = [value for cell in row.cells for value in (cell.lines, cell.amount)]
        yield [row.label, row.company, row.currency, row.documents, *cells, row.difference.amount, row.because]
