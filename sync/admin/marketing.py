"""Marketing's segments: whom Emarsys has in them, whom the ERP's truth puts into them, and who is wrong and why."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from sync import addresses, doorbell, roles, segment_check, segments
from sync.admin.exception_words import label
from sync.admin.given import number, text
from sync.catalogue import KINDS, Team
from sync.models import SegmentCheck, SegmentFinding
from sync.segment_check import CAUSES, LISTING

PAGE = 100
VERDICTS = {
    "send": ("Send", "Everybody who belongs is in, and nobody else."),
    "wait": ("Wait", "Somebody is on the wrong side: resolve their exceptions and check again before you send."),
    "ask": ("Ask", "The ERP cannot say who belongs in: ask whoever owns the segment."),
}
DIRECTIONS = {"missing": "Should be in, is not", "extra": "Is in, should not be"}
OPERATORS = {
    "equals": "is",
    "not_equals": "is not",
    "contains": "contains",
    "starts_with": "starts with",
    "greater_than": "is more than",
    "less_than": "is less than",
    "is_empty": "is empty",
    "not_empty": "has a value",
    "in": "is one of",
    "not_in": "is none of",
}


@dataclass(frozen=True)
class Criterion:
    """A part of the criteria in words; a group has parts of its own."""

    text: str
    parts: list["Criterion"] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The whole tree in one line."""
        if not self.parts:
            return self.text
        joint = " and " if self.text == "all of" else " or "
        return joint.join(f"({part.line})" if len(part.parts) > 1 else part.line for part in self.parts)


def in_words(criteria: Any, labels: dict[str, dict[str, str]] | None = None) -> Criterion | None:
    """The tree in words. A check has learnt what choice ids mean: they are shown by their words then."""
    if not isinstance(criteria, dict) or not criteria:
        return None
    labels = labels or criteria.get("labels") or {}
    if criteria.get("type") in ("and", "or"):
        parts = [part for child in criteria.get("children", []) if (part := in_words(child, labels))]
        return Criterion("all of" if criteria["type"] == "and" else "any of", parts)
    value, name = criteria.get("value"), str(criteria.get("field"))
    values = [str(one) for one in value] if isinstance(value, list) else [str(value or "")]
    shown = ", ".join(labels.get(name, {}).get(one, one) for one in values)
    operator = OPERATORS.get(str(criteria.get("operator")), str(criteria.get("operator")))
    return Criterion(f"{label(segments.canonical(name))} {operator} {shown}".strip())


@admin.register(SegmentCheck)
class SegmentCheckAdmin(admin.ModelAdmin):
    """Reads what jobs have found; asking for a check is a POST that queues one."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SegmentCheck | None = None) -> bool:
        return roles.may_work(request.user, Team.MARKETING)

    def has_delete_permission(self, request: HttpRequest, obj: SegmentCheck | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        def url(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"sync_segmentcheck_{name}")

        return [
            url("", self.changelist_view, "changelist"),
            url("ask/", self.ask, "ask"),
            url("<int:object_id>/change/", self.page, "change"),
            url("<int:object_id>/history/", self.page, "history"),
            url("<int:object_id>/progress/", self.progress, "progress"),
        ]

    def _render(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        context = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        context |= {"may_check": self.has_change_permission(request), "verdicts": VERDICTS}
        return TemplateResponse(request, f"admin/sync/segmentcheck/{name}.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        desks = [_desk(connection) for connection in segment_check.connections_with_segments()]
        busy = SegmentCheck.objects.filter(state__in=["queued", "running"]).first()
        return self._render(request, "change_list", {"title": "Segments", "desks": desks, "busy": busy})

    def ask(self, request: HttpRequest) -> HttpResponse:
        """Queues a check of one segment, or of which segments there are."""
        if not self.has_view_permission(request) or not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        connection, segment_id = request.POST.get("connection", ""), request.POST.get("segment", LISTING)
        if connection not in segment_check.connections_with_segments():
            raise Http404
        found, _ = segment_check.listed(connection)
        names = {one["id"]: one["name"] for one in found}
        if segment_id != LISTING and segment_id not in names:
            raise Http404
        assert request.user.is_authenticated
        check = segment_check.ask(connection, request.user, segment_id, names.get(segment_id, ""))
        doorbell.ring("segment_check", check.pk)
        if segment_id == LISTING:
            return HttpResponseRedirect(reverse("admin:sync_segmentcheck_changelist"))
        return HttpResponseRedirect(reverse("admin:sync_segmentcheck_change", args=[check.pk]))

    def progress(self, request: HttpRequest, object_id: int) -> HttpResponse:
        check = self._check(request, object_id)
        return JsonResponse({"state": check.state, "over": check.state not in ("queued", "running")})

    def _check(self, request: HttpRequest, object_id: int) -> SegmentCheck:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = SegmentCheck.objects.select_related("asked_by").filter(pk=object_id).first()
        if found is None:
            raise Http404
        return found

    def page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        check = self._check(request, object_id)
        chosen = {name: found for name in ("direction", "cause") if (found := text(request.GET.get(name)))}
        rows = _rows(request, check.findings.filter(**chosen))
        context = {
            "title": check.name,
            "check": check,
            "verdict": VERDICTS[check.verdict],
            "criteria": in_words(check.criteria),
            "causes": _causes(check),
            "directions": DIRECTIONS,
            "chosen": chosen,
            "rows": rows[:PAGE],
            "next": rows[PAGE - 1]["finding"].pk if len(rows) > PAGE else "",
            "history": _history(check),
            "retry": bool(check.missing or check.extra),
        }
        return self._render(request, "change_form", context)


def _desk(connection: str) -> dict[str, Any]:
    """One target's segments, each with its last check."""
    found, listing = segment_check.listed(connection)
    checks: dict[str, SegmentCheck] = {}
    newest = SegmentCheck.objects.filter(connection=connection, segment_id__in=[one["id"] for one in found])
    for check in newest.order_by("pk"):
        checks[check.segment_id] = check
    labels = _labels(checks.values())
    rows = [{**one, "words": in_words(one.get("criteria"), labels), "check": checks.get(one["id"])} for one in found]
    last = SegmentCheck.objects.filter(connection=connection, segment_id=LISTING).first()
    return {"connection": connection, "rows": rows, "listing": listing, "last": last}


def _labels(checks: Iterable[SegmentCheck]) -> dict[str, dict[str, str]]:
    """What the checks so far have learnt of choice ids, by field."""
    learnt: dict[str, dict[str, str]] = {}
    for check in checks:
        for name, words in (check.criteria.get("labels") or {}).items():
            learnt.setdefault(name, {}).update(words)
    return learnt


def _rows(request: HttpRequest, findings: QuerySet[SegmentFinding]) -> list[dict[str, Any]]:
    """A page by keyset and one more. The exception is linked for whom it concerns."""
    after = number(request.GET.get("after"))
    found = findings.filter(pk__gt=after) if after else findings
    teams = roles.teams(request.user)
    return [
        {
            "finding": one,
            "cause": _cause(one.cause),
            "fields": [label(name) for name in one.message.split(", ") if name],
            "issue": addresses.exception(one.issue) if one.issue and one.issue.team in teams else "",
        }
        for one in found.select_related("issue").order_by("pk")[: PAGE + 1]
    ]


def _cause(name: str) -> str:
    """Our own words, or the title of the kind of exception."""
    return CAUSES[name] if name in CAUSES else KINDS[name].title if name in KINDS else label(name)


def _causes(check: SegmentCheck) -> list[dict[str, Any]]:
    """How many people each cause puts on the wrong side, the largest first."""
    groups = check.findings.values("direction", "cause").annotate(n=Count("pk")).order_by("-n")
    return [{**group, "words": _cause(group["cause"])} for group in groups]


def _history(check: SegmentCheck) -> list[SegmentCheck]:
    """Earlier checks of the same segment."""
    same = SegmentCheck.objects.filter(connection=check.connection, segment_id=check.segment_id)
    return list(same.exclude(pk=check.pk).select_related("asked_by")[:5])
