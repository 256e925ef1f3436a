"""The exceptions of each team: their list, each one's page, and what people do with them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from connectors.errors import ConnectorError
from sync import addresses, masking, reading, roles, triage, unsure
from sync.admin import bulk_page, exception_list, exception_page
from sync.admin.exception_filter import colleagues
from sync.admin.given import text
from sync.admin.within import within
from sync.catalogue import Team
from sync.models import SyncIssue

View = Callable[..., HttpResponse]
READ_SECONDS = 5
"""How long a person waits for both systems; a busy API budget or a slow system may take longer."""


@admin.register(SyncIssue)
class ExceptionAdmin(admin.ModelAdmin):
    """Seen by team; changed only through the verbs of sync.triage, each by POST."""

    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[SyncIssue]:
        return super().get_queryset(request).filter(team__in=roles.teams(request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SyncIssue | None = None) -> bool:
        teams = [obj.team] if obj else list(Team)
        return any(roles.may_work(request.user, team) for team in teams)

    def has_delete_permission(self, request: HttpRequest, obj: SyncIssue | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        def url(route: str, view: View, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"sync_syncissue_{name}")

        return [
            url("", self.changelist_view, "changelist"),
            url("bulk/", self.bulk, "bulk"),
            url("<int:object_id>/change/", self.page, "change"),
            url("<int:object_id>/history/", self.page, "history"),
            url("<int:object_id>/progress/", self.progress, "progress"),
            url("<int:object_id>/read/", self.read_both, "read"),
            url("<int:object_id>/settle/<str:arrived>/", self.settle, "settle"),
            url("<int:object_id>/do/<str:verb>/", self.act, "act"),
        ]

    def _issue(self, request: HttpRequest, object_id: int) -> SyncIssue:
        if not self.has_view_permission(request):
            raise PermissionDenied
        related = ("flow", "assignee", "run", "delivery")
        found = self.get_queryset(request).select_related(*related).filter(pk=object_id).first()
        if found is None:
            raise Http404
        return found

    def _workable(self, request: HttpRequest, object_id: int) -> SyncIssue:
        issue = self._issue(request, object_id)
        if not roles.may_work(request.user, issue.team):
            raise PermissionDenied
        return issue

    def _render(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"admin/sync/syncissue/{name}.html", context, status=status)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        return self._render(request, "change_list", exception_list.context(request))

    def page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        issue = self._issue(request, object_id)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        return self._render(request, "change_form", exception_page.context(request.user, issue))

    def progress(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return JsonResponse(exception_page.progress(request.user, self._issue(request, object_id)))

    def read_both(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Both systems as they are now; nothing is stored."""
        issue = self._workable(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        live = None
        try:
            live = within(READ_SECONDS, lambda: reading.both(issue.flow, issue.source_id))
        except ConnectorError as error:
            said = masking.shown_text(request.user, issue.team, error.message)
            messages.error(request, f"Could not read both systems: {said} What follows is what was stored.")
        except TimeoutError:
            messages.error(request, f"No answer within {READ_SECONDS} seconds. What follows is what was stored.")
        return self._render(request, "change_form", exception_page.context(request.user, issue, live))

    def act(self, request: HttpRequest, object_id: int, verb: str) -> HttpResponse:
        """One verb on one exception. What the person saw comes along and must still be true."""
        issue = self._workable(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if verb not in VERBS:
            raise Http404
        self._try(request, issue, VERBS[verb])
        return self._after(request, issue)

    def settle(self, request: HttpRequest, object_id: int, arrived: str) -> HttpResponse:
        """It is there, or it is not: a page that names the records and their money, then the decision."""
        issue = self._workable(request, object_id)
        if arrived not in SETTLE or issue.kind not in unsure.KINDS:
            raise Http404
        if request.method == "POST" and self._try(request, issue, SETTLE[arrived]):
            return self._after(request, issue)
        context = exception_page.context(request.user, issue)
        return self._render(request, "settle", {**context, "arrived": arrived == "arrived"})

    def _after(self, request: HttpRequest, issue: SyncIssue) -> HttpResponse:
        """Back to the exception; to the list when it has gone to a desk the person does not see."""
        visible = issue.team in roles.teams(request.user)
        return HttpResponseRedirect(addresses.exception(issue) if visible else addresses.exceptions())

    def _try(self, request: HttpRequest, issue: SyncIssue, verb: "Verb") -> bool:
        try:
            if request.POST.get("seen") not in (None, triage.seen(issue)):
                raise triage.ChangedError(triage.who_changed(issue))
            messages.success(request, verb(request, issue))
        except (triage.RefusedError, triage.ChangedError) as refused:
            messages.error(request, str(refused))
            return False
        return True

    def bulk(self, request: HttpRequest) -> HttpResponse:
        """First says what would happen, then hands it to a worker."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return bulk_page.ask(request, self._render)


Verb = Callable[[HttpRequest, SyncIssue], str]


def _retry(request: HttpRequest, issue: SyncIssue) -> str:
    triage.retry(issue, _user(request))
    return triage.why_it_waits(issue) or "The record will be read again and sent. This page shows how it goes."


def _assign(request: HttpRequest, issue: SyncIssue) -> str:
    """`to` is me, a colleague's id, or team:<name>."""
    to = text(request.POST.get("to"))
    if to.startswith("team:"):
        team = to.removeprefix("team:")
        triage.assign(issue, _user(request), team=team)
        return f"Handed to the {team} team."
    person = _user(request) if to == "me" else _colleague(issue, to)
    triage.assign(issue, _user(request), to=person)
    return f"Assigned to {person.get_username()}."


def _colleague(issue: SyncIssue, to: str) -> Any:
    if not any(str(pk) == to for pk, _ in colleagues((Team(issue.team),))):
        raise triage.RefusedError(f"Choose somebody who works on {issue.team}'s exceptions.")
    return get_user_model().objects.get(pk=to)


def _comment(request: HttpRequest, issue: SyncIssue) -> str:
    triage.comment(issue, _user(request), text(request.POST.get("text"), 4_000))
    return "Comment written."


def _waive(request: HttpRequest, issue: SyncIssue) -> str:
    triage.waive(issue, _user(request), text(request.POST.get("reason"), 2_000))
    return "Waived. It comes back by itself if one of its two values changes."


def _reopen(request: HttpRequest, issue: SyncIssue) -> str:
    triage.reopen(issue, _user(request), text(request.POST.get("reason"), 2_000))
    return "Open again."


def _arrived(request: HttpRequest, issue: SyncIssue) -> str:
    count = triage.confirm_arrived(issue, _user(request), text(request.POST.get("reason"), 2_000))
    return f"{count:,} record{'s' if count != 1 else ''} count{'s' if count == 1 else ''} as accepted now."


def _send_again(request: HttpRequest, issue: SyncIssue) -> str:
    count = triage.send_again(issue, _user(request), text(request.POST.get("reason"), 2_000))
    return f"{count:,} record{'s' if count != 1 else ''} will be sent once more. {triage.why_it_waits(issue)}".strip()


def _user(request: HttpRequest) -> Any:
    return request.user


VERBS: dict[str, Verb] = {
    "retry": _retry,
    "assign": _assign,
    "comment": _comment,
    "waive": _waive,
    "reopen": _reopen,
}
SETTLE: dict[str, Verb] = {"arrived": _arrived, "again": _send_again}
