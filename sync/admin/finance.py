"""Finance's screens: control totals, the ledger they add up from, and one document."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from sync import addresses, history, roles
from sync.admin import control_totals, csv_export
from sync.admin.exception_words import summary
from sync.admin.given import number, text
from sync.admin.ledger_filter import STATES, LedgerFilter
from sync.catalogue import LedgerState, Team
from sync.models import ControlTotal, LedgerEntry, SyncIssue

PAGE = 50
MOST_EXPORTED = 1_000_000
CAP = 10_000
View = Callable[..., HttpResponseBase]


class MoneyAdmin(admin.ModelAdmin):
    """Read-only: amounts change by what the ERP says, never here. Who works for finance may export."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def url(self, route: str, view: View, name: str) -> URLPattern:
        return path(route, self.admin_site.admin_view(view), name=f"sync_{self.opts.model_name}_{name}")

    def allow(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def allow_export(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and roles.may_work(request.user, Team.FINANCE)

    def render(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        context = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        context["may_export"] = self.allow_export(request)
        return TemplateResponse(request, f"admin/sync/{self.opts.model_name}/{name}.html", context)

    def log_export(self, request: HttpRequest, chosen: dict[str, str], count: int) -> None:
        with transaction.atomic():
            after = {"filter": chosen, "rows": count}
            history.record("export", self.model(pk=0), actor=request.user, after=after, request=request)


@admin.register(ControlTotal)
class ControlTotalAdmin(MoneyAdmin):
    def get_urls(self) -> list[URLPattern]:
        return [self.url("", self.changelist_view, "changelist"), self.url("export/", self.export, "export")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.allow(request)
        shown = control_totals.period(request.GET)
        context: dict[str, Any] = {"title": "Control totals", "period": shown}
        if shown:
            found = control_totals.rows(shown)
            context |= {"rows": found, "totals": [row for row in found if row.kind == "total"]}
            context |= {"several": len({row.company for row in found if row.kind != "total"}) > 1}
            context |= {"names": [control_totals.NAMES[name] for name in control_totals.COLUMNS]}
            context |= {"computed": ControlTotal.objects.aggregate(at=Max("computed_at"))["at"]}
        return self.render(request, "change_list", context)

    def export(self, request: HttpRequest) -> HttpResponseBase:
        if not self.allow_export(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        shown = control_totals.period(request.GET)
        found = control_totals.rows(shown) if shown else []
        self.log_export(request, request.GET.dict(), len(found))
        return csv_export.response("control-totals", control_totals.HEADING, control_totals.exported(found))


@admin.register(LedgerEntry)
class LedgerEntryAdmin(MoneyAdmin):
    def get_urls(self) -> list[URLPattern]:
        return [
            self.url("", self.changelist_view, "changelist"),
            self.url("export/", self.export, "export"),
            self.url("<int:object_id>/change/", self.document, "change"),
            self.url("<int:object_id>/history/", self.document, "history"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.allow(request)
        chosen = LedgerFilter(request.GET)
        found = chosen.entries()
        by_document = request.GET.get("view") == "documents"
        rows = documents(found, request.GET) if by_document else lines(found, request.GET)
        context = {
            "title": "Ledger of sales",
            "filter": chosen,
            "states": [(name, text, chosen.address(state=name)) for name, text in STATES.items()],
            "rows": rows[:PAGE],
            "by_document": by_document,
            "views": {"lines": chosen.address(), "documents": chosen.address(view="documents")},
            "next": _next(chosen, rows, by_document),
            "first": "after" in request.GET,
            "sums": sums(found) if chosen.narrow else None,
            "cap": CAP + 1,
            "total": None if chosen.narrow else found[: CAP + 1].count(),
        }
        return self.render(request, "change_list", context)

    def document(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The whole document a line belongs to."""
        self.allow(request)
        line = LedgerEntry.objects.select_related("flow").filter(pk=object_id).first()
        if line is None:
            raise Http404
        same_number = LedgerEntry.objects.filter(document=line.document).select_related("delivery")
        whole = [one for one in same_number if (one.flow_id, one.company) == (line.flow_id, line.company)]
        found = sorted(whole, key=lambda one: (len(one.line), one.line, one.pk))[:1000]
        return self.render(request, "change_form", _document(request.user, line, found))

    def export(self, request: HttpRequest) -> HttpResponseBase:
        if not self.allow_export(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        chosen = LedgerFilter(request.GET)
        found = chosen.entries().order_by("pk")
        self.log_export(request, chosen.chosen, found[:MOST_EXPORTED].count())
        return csv_export.response("ledger-lines", EXPORTED, found[:MOST_EXPORTED].values_list(*EXPORTED).iterator())


EXPORTED = ["company", "document", "line", "day", "customer", "sku", "name", "quantity", "unit_price", "amount"]
EXPORTED += ["currency", "credit", "charge", "state", "rule", "original", "document_total"]


def lines(found: QuerySet[LedgerEntry], given: Any) -> list[LedgerEntry]:
    """A page by keyset and one line more."""
    after = number(given.get("after"))
    rows = found.filter(pk__lt=after) if after else found
    return list(rows.select_related("flow").order_by("-pk")[: PAGE + 1])


def documents(found: QuerySet[LedgerEntry], given: Any) -> list[dict[str, Any]]:
    """Documents with the sum of their matching lines, by number; a page and one more.

    Of a long period first the page's numbers, then the sums of just these: a year costs what a day costs.
    """
    after, _, company = text(given.get("after")).rpartition("~")
    if after:
        found = found.filter(Q(document__gt=after) | Q(document=after, company__gt=company))
    if not any(given.get(name) for name in ("day", "customer", "document", "record")):
        numbers = found.order_by("document").values_list("document", flat=True).distinct()[: PAGE + 1]
        found = found.filter(document__in=list(numbers))
    groups = found.order_by().values("document", "company", "currency", "customer", "day")
    summed = groups.annotate(n=Count("pk"), amount_sum=Sum("amount"), total=Max("document_total"), line=Min("pk"))
    settled: Any = summed.annotate(open_lines=Count("pk", filter=~Q(state=LedgerState.ACCEPTED)))
    return list(settled.order_by("document", "company", "currency")[: PAGE + 1])


def _next(chosen: LedgerFilter, rows: list[Any], by_document: bool) -> str:
    if len(rows) <= PAGE:
        return ""
    last = rows[PAGE - 1]
    if by_document:
        return chosen.address(view="documents", after=f"{last['document']}~{last['company']}")
    return chosen.address(after=str(last.pk))


def sums(found: QuerySet[LedgerEntry]) -> list[dict[str, Any]]:
    """Lines, documents and money of the whole selection, a line per currency."""
    groups: Any = found.order_by().values("currency").annotate(n=Count("pk"), amount_sum=Sum("amount"))
    return sorted(groups.annotate(documents=Count("document", distinct=True)), key=lambda one: one["currency"])


def _document(user: Any, line: LedgerEntry, found: list[LedgerEntry]) -> dict[str, Any]:
    originals = LedgerEntry.objects.filter(
        flow=line.flow, source_id__in={one.original for one in found if one.original}
    )
    by_key = {one.source_id: one for one in originals}
    total = sum((one.amount for one in found), Decimal(0))
    whole = f"{line.company}|{line.document}"
    mine = Q(source_id__in=[whole, *(one.source_id for one in found)])
    issues = SyncIssue.objects.filter(mine, flow=line.flow, team__in=roles.teams(user)).order_by("-pk")[:20]
    return {
        "title": f"{'Credit note' if line.credit else 'Invoice'} {line.document}",
        "line": line,
        "rows": [(one, by_key.get(one.original)) for one in found],
        "sum": total,
        "states": _states(found),
        "balanced": abs(total - line.document_total) <= Decimal("0.02"),
        "issues": [(issue, addresses.exception(issue), summary(user, issue)) for issue in issues],
        "customer_url": addresses.record(line.customer) if line.customer else "",
    }


def _states(found: list[LedgerEntry]) -> Iterator[tuple[str, int, Decimal]]:
    for state in LedgerState:
        mine = [one.amount for one in found if one.state == state]
        if mine:
            yield state.value, len(mine), sum(mine, Decimal(0))
