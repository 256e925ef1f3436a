"""The admin site that is the console: navigation by role, search, and what every page shows around its content."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator

from sync import overview, roles, search, signing
from sync.catalogue import OPEN_ISSUES, Team
from sync.models import SyncIssue

BADGE_LIMIT = 1000
"""Open exceptions are counted up to here; beyond, the badge says 999+."""


@dataclass(frozen=True)
class Entry:
    """One line of the sidebar; shown when its address exists and the person may open it."""

    label: str
    icon: str
    url_name: str
    permission: str = ""
    query: str = ""
    team: str = ""
    mine: bool = False


@dataclass(frozen=True)
class Section:
    label: str
    entries: tuple[Entry, ...]


EXCEPTIONS = "sync_syncissue_changelist"
NAVIGATION = (
    Section(
        "Operate",
        (
            Entry("Overview", "overview", "index"),
            Entry("Runs", "runs", "sync_syncrun_changelist", "sync.view_syncrun"),
            Entry("Plans", "document", "sync_syncplan_changelist", "sync.view_syncplan"),
            Entry("My queue", "queue", EXCEPTIONS, "sync.view_syncissue", "assignee=me", mine=True),
        ),
    ),
    Section(
        "Marketing",
        (
            Entry("Exceptions", "alert", EXCEPTIONS, "", "team=marketing", Team.MARKETING),
            Entry("Segments", "segments", "sync_segmentcheck_changelist", "sync.view_segmentcheck"),
            Entry("Product feed", "document", "sync_productfeed_changelist", "sync.view_productfeed"),
        ),
    ),
    Section(
        "Finance",
        (
            Entry("Exceptions", "alert", EXCEPTIONS, "", "team=finance", Team.FINANCE),
            Entry("Control totals", "totals", "sync_controltotal_changelist", "sync.view_controltotal"),
            Entry("Attribution", "chart", "sync_attributionlink_changelist", "sync.view_attributionlink"),
            Entry("Purchases in Emarsys", "money", "sync_emarsyspurchase_changelist", "sync.view_emarsyspurchase"),
        ),
    ),
    Section(
        "Operations",
        (
            Entry("Exceptions", "alert", EXCEPTIONS, "", "team=operations", Team.OPERATIONS),
            Entry("Inbox", "download", "sync_inboxevent_changelist", "sync.view_inboxevent"),
            Entry("Workers", "runs", "sync_workerprocess_changelist", "sync.view_workerprocess"),
            Entry("API budget", "chart", "sync_apibudget_changelist", "sync.view_apibudget"),
            Entry("Accounting", "totals", "sync_accountcheck_changelist", "sync.view_accountcheck"),
        ),
    ),
    Section(
        "Configure",
        (
            Entry("Connections", "link", "console_connections", "sync.view_mappingversion"),
            Entry("Flows & schedules", "flows", "sync_flow_changelist", "sync.view_flow"),
            Entry("Users", "users", "auth_user_changelist", "auth.view_user"),
            Entry("Audit log", "audit", "sync_auditevent_changelist", "sync.view_auditevent"),
        ),
    ),
)


@dataclass
class Line:
    """A sidebar entry as one person sees it."""

    label: str
    icon: str
    url: str
    badge: int | None = None
    current: bool = False


@dataclass
class Group:
    label: str
    lines: list[Line] = field(default_factory=list)


def _open(**where: object) -> int:
    """Counted up to BADGE_LIMIT: the page costs the same whatever the table's size."""
    found = SyncIssue.objects.filter(state__in=OPEN_ISSUES, **where).order_by().values("pk")
    return found[:BADGE_LIMIT].count()


def _badge(entry: Entry, user: Any) -> int | None:
    if entry.team:
        return _open(team=entry.team)
    return _open(assignee=user) if entry.mine else None


def _allowed(entry: Entry, user: Any) -> bool:
    if entry.team:
        return entry.team in roles.teams(user)
    if entry.mine and not any(roles.may_work(user, team) for team in Team):
        return False
    return not entry.permission or user.has_perm(entry.permission)


def _line(entry: Entry, request: HttpRequest) -> Line | None:
    try:
        url = reverse(f"admin:{entry.url_name}")
    except NoReverseMatch:
        return None
    current = _is_current(request, url, entry)
    return Line(
        entry.label,
        entry.icon,
        f"{url}?{entry.query}" if entry.query else url,
        _badge(entry, request.user),
        current,
    )


def _is_current(request: HttpRequest, url: str, entry: Entry) -> bool:
    if entry.url_name == "index":
        return request.path == url
    if entry.query:
        name, _, value = entry.query.partition("=")
        return request.path == url and request.GET.get(name) == value
    return request.path.startswith(url)


def navigation(request: HttpRequest) -> list[Group]:
    """The sidebar of the person asking."""
    groups = []
    for section in NAVIGATION:
        entries = (entry for entry in section.entries if _allowed(entry, request.user))
        lines = [line for entry in entries if (line := _line(entry, request))]
        if lines:
            groups.append(Group(section.label, lines))
    return groups


class ConsoleSite(admin.AdminSite):
    site_header = site_title = "Integration Console"
    index_title = "Overview"
    index_template = "console/overview.html"
    login_template = "admin/login.html"
    login_form = signing.SignInForm
    site_url = None
    enable_nav_sidebar = False
    final_catch_all_view = True

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["environment"] = settings.ENVIRONMENT_NAME
        context["generated_people"] = settings.ENVIRONMENT_NAME.lower() == "demo"
        if context["has_permission"]:
            context["navigation"] = navigation(request)
            context["role"] = roles.role(request.user)
        return context

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The sidebar replaces Django's list of applications."""
        return []

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Search of our own; no per-application index pages, nothing that no screen uses."""
        unwanted = {"app_list", "autocomplete", "view_on_site"}
        urls = [url for url in super().get_urls() if getattr(url, "name", "") not in unwanted]
        own = [path("search/", self.admin_view(self.search), name="console_search")]
        for registered in self._registry.values():
            own += getattr(registered, "top_urls", list)()
        return [*own, *urls]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {**overview.context(request.user), **(extra_context or {})})

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == 302:
            signing.signed_in(request)
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        if request.method == "POST":
            signing.signing_out(request)
        return super().logout(request, extra_context)

    def search(self, request: HttpRequest) -> HttpResponse:
        """By POST, because an e-mail must not stand in an address; links to ids may use GET."""
        asked = (request.POST if request.method == "POST" else request.GET).get("q", "")
        wanted = "".join(filter(str.isprintable, asked)).strip()[:200]
        if request.method != "POST" and "@" in wanted:
            wanted = ""
        story = search.find(request.user, wanted) if wanted else None
        title = f"Search: {wanted}" if wanted and "@" not in wanted else "Search"
        context = {**self.each_context(request), "title": title, "searched": wanted, "story": story}
        return TemplateResponse(request, "console/search.html", context)
