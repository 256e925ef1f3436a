"""Actions on many exceptions: the preflight page, the operation's progress, and what was left over."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from sync import addresses, bulk, doorbell, roles, triage
from sync.admin.exception_filter import ExceptionFilter, colleagues
from sync.admin.given import number, text
from sync.catalogue import Team
from sync.models import BulkOperation, SyncIssue

MOST_SELECTED = 200
NEEDS_REASON = 5_000
"""Above this many a reason is asked for (SEC-R6)."""

Render = Callable[..., HttpResponse]


def ask(request: HttpRequest, render: Render) -> HttpResponse:
    """The preflight page; with `confirmed` the operation starts and its progress page follows."""
    wanted, chosen = _wanted(request)
    if not wanted["teams"]:
        raise PermissionDenied
    action, to, team = _action(request)
    figures = bulk.preflight(wanted, action)
    reason = text(request.POST.get("reason"), 2_000)
    complaint = _complaint(request, wanted, figures, to, reason)
    if request.POST.get("confirmed") and not complaint:
        return _start(request, action, wanted, to, team, reason)
    context = {
        "title": "Retry these exceptions?" if action == "retry" else "Assign these exceptions?",
        "action": action,
        "figures": figures,
        "waiting": bulk.waiting(wanted) if action == "retry" else [],
        "filter": chosen,
        "selected": wanted.get("ids"),
        "posted": {name: request.POST.get(name, "") for name in ("do", "to", "scope")},
        "recipient": _recipient(to, team),
        "needs_reason": figures["total"] > NEEDS_REASON,
        "complaint": complaint,
        "back": addresses.exceptions() + chosen.address(),
    }
    return render(request, "bulk", context, 200 if not complaint else 422)


def _wanted(request: HttpRequest) -> tuple[dict[str, Any], ExceptionFilter]:
    """A selection or the filter in the address, within the teams the person works for."""
    chosen = ExceptionFilter(request)
    wanted = chosen.wanted
    wanted["teams"] = [team.value for team in chosen.teams if roles.may_work(request.user, team)]
    if request.POST.get("scope") != "filter":
        ids = [pk for given in request.POST.getlist("ids") if (pk := number(given))]
        wanted = {"teams": wanted["teams"], "ids": ids[:MOST_SELECTED]}
    return wanted, chosen


def _action(request: HttpRequest) -> tuple[str, str, str]:
    """(action, colleague's id, team) from what was pressed."""
    do, to = request.POST.get("do", ""), text(request.POST.get("to"))
    if do == "assign_me":
        return "assign", str(request.user.pk), ""
    if do == "assign":
        return ("assign", "", to.removeprefix("team:")) if to.startswith("team:") else ("assign", to, "")
    return "retry", "", ""


def _complaint(request: HttpRequest, wanted: dict[str, Any], figures: dict[str, Any], to: str, reason: str) -> str:
    if request.POST.get("do") not in ("retry", "assign", "assign_me"):
        return "Choose what to do."
    if not figures["total"]:
        return "Nothing is selected." if "ids" in wanted else "Nothing matches any more."
    teams = tuple(Team(team) for team in wanted["teams"])
    if to and not any(str(pk) == to for pk, _ in colleagues(teams)):
        return "Choose a colleague or a team."
    if request.POST.get("confirmed") and figures["total"] > NEEDS_REASON and not reason:
        return f"Give a reason: this is about {figures['total']:,} exceptions."
    return ""


def _recipient(to: str, team: str) -> str:
    names = {str(pk): name for pk, name in colleagues(tuple(Team))}
    return f"the {team} team" if team else names.get(to, "")


def _start(request: HttpRequest, action: str, wanted: dict[str, Any], to: str, team: str, reason: str) -> HttpResponse:
    assert request.user.is_authenticated
    try:
        operation = bulk.ask(action, wanted, request.user, to=to, team=team, reason=reason)
    except triage.RefusedError as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(addresses.exceptions())
    doorbell.ring("bulk_operation", operation.pk)
    return HttpResponseRedirect(reverse("admin:sync_bulkoperation_change", args=[operation.pk]))


@admin.register(BulkOperation)
class BulkOperationAdmin(admin.ModelAdmin):
    """One's own operations; administrators and viewers see everybody's."""

    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkOperation]:
        found = super().get_queryset(request).select_related("asked_by")
        return found if len(roles.teams(request.user)) == len(Team) else found.filter(asked_by=request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: BulkOperation | None = None) -> bool:
        return any(roles.may_work(request.user, team) for team in Team)

    def has_delete_permission(self, request: HttpRequest, obj: BulkOperation | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        def url(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"sync_bulkoperation_{name}")

        return [
            url("", self.changelist_view, "changelist"),
            url("<int:object_id>/change/", self.page, "change"),
            url("<int:object_id>/history/", self.page, "history"),
            url("<int:object_id>/progress/", self.progress, "progress"),
            url("<int:object_id>/cancel/", self.cancel, "cancel"),
        ]

    def _operation(self, request: HttpRequest, object_id: int) -> BulkOperation:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).filter(pk=object_id).first()
        if found is None:
            raise Http404
        return found

    def _render(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        context = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"admin/sync/bulkoperation/{name}.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = [(one, figures(one)) for one in self.get_queryset(request).defer("query")[:50]]
        return self._render(request, "change_list", {"title": "Actions on many exceptions", "rows": rows})

    def page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        operation = self._operation(request, object_id)
        context = {
            "title": TITLES[operation.action],
            "operation": operation,
            "figures": figures(operation),
            "residue": _residue(request, operation),
            "waiting": bulk.waiting(_asked(operation)) if operation.action == "retry" else [],
            "may_cancel": operation.asked_by_id == request.user.pk or request.user.has_perm("sync.operate_flow"),
        }
        return self._render(request, "change_form", context)

    def progress(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return JsonResponse(figures(self._operation(request, object_id)))

    def cancel(self, request: HttpRequest, object_id: int) -> HttpResponse:
        operation = self._operation(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if operation.asked_by_id != request.user.pk and not request.user.has_perm("sync.operate_flow"):
            raise PermissionDenied
        assert request.user.is_authenticated
        try:
            bulk.cancel(operation, request.user)
            messages.success(request, "It stops after the exceptions it is working on now.")
        except triage.RefusedError as refused:
            messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("admin:sync_bulkoperation_change", args=[operation.pk]))


TITLES = {"retry": "Retry of many exceptions", "assign": "Assignment of many exceptions"}
WORDS = {
    "queued": "Waiting for a worker",
    "running": "Under way",
    "completed": "Done",
    "cancelled": "Stopped",
    "failed": "Failed",
}


def figures(operation: BulkOperation) -> dict[str, Any]:
    handled = operation.done + operation.skipped
    return {
        "state": operation.state,
        "words": WORDS.get(operation.state, operation.state),
        "total": operation.total,
        "done": operation.done,
        "skipped": operation.skipped,
        "percent": min(100, round(100 * handled / operation.total)) if operation.total else 100,
        "over": operation.state not in ("queued", "running"),
    }


def _asked(operation: BulkOperation) -> dict[str, Any]:
    """What it was about, whatever state it is in by now."""
    query = {"teams": [], **operation.query}
    return query if "ids" in query else {**query, "filter": {**query.get("filter", {}), "state": "open"}}


def _residue(request: HttpRequest, operation: BulkOperation) -> list[dict[str, Any]]:
    """What was skipped, by reason; each reason with its first exceptions that the person may see."""
    found = []
    for why, ids in operation.query.get("residue", {}).items():
        seen = SyncIssue.objects.filter(pk__in=ids[:100], team__in=roles.teams(request.user))
        links = [(issue, addresses.exception(issue)) for issue in seen]
        found.append({"why": why, "count": len(ids), "issues": links})
    return found
