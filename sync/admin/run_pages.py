"""Runs: their list, one run's live page, the records of its buckets, and cancel."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from sync import addresses, masking, parts, progress, runs
from sync.admin.listing import ChoiceFilter, ConsoleAdmin
from sync.catalogue import OWNERS, Bucket, RunState, Team
from sync.models import CrossReference, Flow, SyncRun
from sync.templatetags.console import count, duration, pill, when

SHOWN = 200
"""Records on one page of a bucket, deliveries on a run's page."""


class FlowFilter(ChoiceFilter):
    title = parameter_name = "flow"
    column = "flow__name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:
        return tuple((name, name) for name in Flow.objects.values_list("name", flat=True))


class StateFilter(ChoiceFilter):
    title = parameter_name = "state"
    options = tuple((state.value, state.capitalize()) for state in RunState)


class KindFilter(ChoiceFilter):
    title = parameter_name = "kind"
    options = (("sync", "Sync"), ("compare", "Comparison"), ("plan", "Preview"))


class DayFilter(admin.SimpleListFilter):
    """One local day, as the overview's chart links to it."""

    title = parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        today = datetime.now(ZoneInfo(settings.LOCAL_TIME_ZONE)).date()
        days = [today - timedelta(days=back) for back in range(14)]
        return [(day.isoformat(), f"{day:%a %-d %b}") for day in days]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SyncRun]) -> QuerySet[SyncRun]:
        value = self.value()
        if not value:
            return queryset
        try:
            start = datetime.combine(date.fromisoformat(value), time(), ZoneInfo(settings.LOCAL_TIME_ZONE))
        except ValueError:
            return queryset.none()
        return queryset.filter(queued_at__gte=start, queued_at__lt=start + timedelta(days=1))


@admin.register(SyncRun)
class RunAdmin(ConsoleAdmin):
    title = "Runs"
    lead = "Each execution of a flow: what it read, and where every record ended."
    empty = "No flow has run yet. Open a flow and press Run now."
    list_display = ("name", "status", "started", "took", "records", "buckets")
    list_display_links = None
    list_filter = (FlowFilter, StateFilter, KindFilter, DayFilter)
    list_select_related = ("flow",)

    @admin.display(description="run")
    def name(self, run: SyncRun) -> SafeString:
        what = run.get_kind_display() if run.kind != "sync" else "Full run" if run.full else "Run"
        told = progress.of(run).trigger
        return format_html(
            '<a class="strong" href="{}">{}</a><small>{} {} · {}</small>',
            addresses.run(run),
            run.flow.name,
            what,
            run.pk,
            told,
        )

    @admin.display(description="state")
    def status(self, run: SyncRun) -> SafeString:
        return pill(run.state)

    @admin.display(description="started")
    def started(self, run: SyncRun) -> SafeString:
        return when(run.started_at or run.queued_at)

    @admin.display(description="took")
    def took(self, run: SyncRun) -> str:
        return duration(progress.of(run).seconds)

    @admin.display(description="read")
    def records(self, run: SyncRun) -> str:
        return count(run.read)

    @admin.display(description="where they ended")
    def buckets(self, run: SyncRun) -> SafeString:
        return SafeString(render_to_string("console/run_buckets.html", {"progress": progress.of(run)}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[SyncRun]:
        return super().get_queryset(request).filter(part=0)

    def get_urls(self) -> list[URLPattern]:
        def url(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"sync_syncrun_{name}")

        return [
            url("<int:pk>/progress/", require_GET(self.progress_view), "progress"),
            url("<int:pk>/cancel/", require_POST(self.cancel_view), "cancel"),
            url("<int:pk>/records/<str:bucket>/", require_GET(self.records_view), "records"),
            url("<int:pk>/delivery/<int:number>/", require_GET(self.delivery_view), "delivery"),
            *super().get_urls(),
        ]

    def _run(self, request: HttpRequest, pk: int | str) -> SyncRun:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not str(pk).isdecimal():
            raise Http404
        return get_object_or_404(SyncRun.objects.select_related("flow", "asked_by"), part=0, pk=pk)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, name, whole)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        run = self._run(request, object_id)
        deliveries = list(parts.deliveries(run).defer("keys", "request", "reply").order_by("-id")[:SHOWN])
        context = {
            "title": f"Run {run.pk} of {run.flow.name}",
            "run": run,
            "progress": progress.of(run),
            "flow_url": addresses.flow(run.flow),
            "deliveries": deliveries,
            "shown": SHOWN,
            "exceptions_url": addresses.exceptions(run=run.pk, state="all"),
            "may_operate": request.user.has_perm("sync.operate_flow"),
        }
        return self._page(request, "console/run.html", context)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What the page asks for every two seconds while the run is active."""
        found = progress.of(self._run(request, pk))
        may = request.user.has_perm("sync.operate_flow")
        html = render_to_string("console/run_progress.html", {"progress": found, "run": found.run, "may_operate": may})
        return JsonResponse({**found.numbers(), "html": html})

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        run = self._run(request, pk)
        if not request.user.has_perm("sync.operate_flow"):
            raise PermissionDenied
        if run.active:
            runs.cancel(run, request.user)
            messages.success(request, "The run stops after its current page. What was accepted stays accepted.")
        else:
            messages.info(request, f"The run is {run.state} already.")
        return HttpResponseRedirect(addresses.run(run))

    def records_view(self, request: HttpRequest, pk: int, bucket: str) -> HttpResponse:
        run = self._run(request, pk)
        if bucket not in [*Bucket]:
            raise Http404
        context = {
            "title": f"{bucket.capitalize()} records of run {run.pk}",
            "bucket": bucket,
            "meaning": progress.MEANING[Bucket(bucket)],
            "number": getattr(run, bucket),
        }
        return self._records(request, run, progress.keys(run, bucket), context)

    def delivery_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """One request to the target: when, what came of it, and the records it carried."""
        run = self._run(request, pk)
        delivery = get_object_or_404(parts.deliveries(run).defer("request", "reply"), pk=number)
        team = OWNERS.get(run.flow.entity, Team.OPERATIONS)
        context = {
            "title": f"Delivery {delivery.pk}",
            "delivery": delivery,
            "bucket": "delivered",
            "meaning": f"one request to {run.flow.target}, written down before it was made",
            "message": masking.shown_text(request.user, team, delivery.message),
            "number": delivery.records,
        }
        return self._records(request, run, iter(progress.delivered(delivery)), context)

    def _records(
        self, request: HttpRequest, run: SyncRun, keys: Iterator[str], context: dict[str, Any]
    ) -> HttpResponse:
        asked = request.GET.get("page", "")
        page = max(1, int(asked)) if asked.isdecimal() and len(asked) < 8 else 1
        start = (page - 1) * SHOWN
        found = list(islice(keys, start, start + SHOWN + 1))
        shared = {
            "run": run,
            "run_url": addresses.run(run),
            "rows": _rows(run, found[:SHOWN]),
            "first": start + 1,
            "page": page,
            "more": len(found) > SHOWN,
            "exceptions_url": addresses.exceptions(run=run.pk, state="all"),
        }
        return self._page(request, "console/run_records.html", {**shared, **context})


def _rows(run: SyncRun, keys: list[str]) -> list[dict[str, str]]:
    """Each key with its contact, where it has one: one look-up for the page."""
    links = dict(
        CrossReference.objects.filter(source_id__in=keys, flow=run.flow)
        .exclude(state="superseded")
        .values_list("source_id", "target_id")
    )
    return [{"key": key, "target": links.get(key, ""), "url": addresses.record(key)} for key in keys]
