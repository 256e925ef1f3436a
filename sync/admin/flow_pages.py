"""Flows: their list, one flow's page, its schedule; run now, pause and resume, each by POST."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from sync import (
    addresses,
    asked,
    backfill_preview,
    clock,
    field_checks,
    flow_lines,
    frequencies,
    progress,
    runs,
    schedules,
    watermarks,
)
from sync.admin import backfill_pages, breaker_form, breaker_pages, schedule_form
from sync.admin.listing import ConsoleAdmin
from sync.catalogue import OPEN_ISSUES
from sync.models import AuditEvent, Flow, PendingKey, SyncIssue, SyncRun
from sync.templatetags.console import clock as shown_clock

LATEST = 12


class PauseForm(forms.Form):
    note = forms.CharField(
        label="Why",
        max_length=300,
        widget=forms.TextInput({"placeholder": "For example: price import in the ERP"}),
        error_messages={"required": "Colleagues will ask why: leave a note."},
    )
    until = forms.DateTimeField(
        label="Until",
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": "Give a day and a time, such as 2026-11-30 18:00."},
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields[
            "until"
        ].help_text = f"The flow goes on by itself then ({settings.LOCAL_TIME_ZONE}). Empty: until somebody resumes it."

    def clean_until(self) -> datetime | None:
        """As the wall clock shows it where the company is."""
        given: datetime | None = self.cleaned_data["until"]
        if given is None:
            return None
        until = given.replace(tzinfo=ZoneInfo(settings.LOCAL_TIME_ZONE)).astimezone(UTC)
        if until <= clock.now():
            raise forms.ValidationError("That time has passed.")
        return until


class WatermarkForm(forms.Form):
    to = forms.CharField(
        label="Read again from",
        required=False,
        max_length=40,
        widget=forms.TextInput({"placeholder": "2026-11-01"}),
        help_text="A day, or a moment such as 2026-11-01T08:00:00Z. Empty: from the very beginning.",
    )
    reason = forms.CharField(label="Why", max_length=300, required=False)
    seen = forms.CharField(required=False, widget=forms.HiddenInput, strip=False)

    def planned(self, flow: Flow) -> watermarks.Preview | None:
        """None with the reason at its field."""
        if not self.is_valid():
            return None
        try:
            return watermarks.preview(flow, self.cleaned_data["to"])
        except watermarks.NotMovedError as error:
            self.add_error("to", str(error))
            return None

    def moved(self, flow: Flow, user: Any) -> bool:
        given = self.cleaned_data
        try:
            watermarks.reset(flow, given["to"], user, given["reason"], given["seen"])
        except watermarks.NotMovedError as error:
            self.add_error("reason", str(error))
            return False
        return True


class RunForm(forms.Form):
    full = forms.BooleanField(required=False)
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in ("sync", "compare", "sweep")], required=False)


@admin.register(Flow)
class FlowAdmin(ConsoleAdmin):
    def get_urls(self) -> list[URLPattern]:
        def url(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"sync_flow_{name}")

        return [
            url("<int:pk>/run/", require_POST(self.run_view), "run"),
            url("<int:pk>/pause/", require_POST(self.pause_view), "pause"),
            url("<int:pk>/resume/", require_POST(self.resume_view), "resume"),
            url("<int:pk>/breakers/", self.breakers_view, "breakers"),
            url("<int:pk>/breaker/allow/", require_POST(self.allow_view), "breaker_allow"),
            url("<int:pk>/breaker/keep/", require_POST(self.keep_view), "breaker_keep"),
            url("<int:pk>/schedule/", self.schedule_view, "schedule"),
            url("<int:pk>/backfill/", self.backfill_view, "backfill"),
            url("<int:pk>/watermark/", self.watermark_view, "watermark"),
            url("<int:pk>/watermark/undo/", require_POST(self.undo_view), "watermark_undo"),
            *super().get_urls(),
        ]

    def _flow(self, request: HttpRequest, pk: int | str) -> Flow:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if not str(pk).isdecimal():
            raise Http404
        related = ("schedule__interval", "schedule__crontab", "rules", "paused_by")
        return get_object_or_404(Flow.objects.select_related(*related), pk=pk)

    def _operated(self, request: HttpRequest, pk: int) -> Flow:
        """The flow, for somebody who may run, pause and schedule it."""
        flow = self._flow(request, pk)
        if not request.user.has_perm("sync.operate_flow"):
            raise PermissionDenied
        return flow

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        may = request.user.has_perm("sync.operate_flow")
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "may_operate": may, **context}
        return TemplateResponse(request, name, whole)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, "console/flows.html", {"title": "Flows & schedules", "lines": flow_lines.lines()})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return self._flow_page(request, self._flow(request, object_id), PauseForm())

    def _flow_page(self, request: HttpRequest, flow: Flow, pause: PauseForm) -> HttpResponse:
        latest = list(SyncRun.objects.filter(flow=flow, part=0).select_related("flow").order_by("-id")[:LATEST])
        context = {
            "title": flow.name,
            "flow": flow,
            "line": flow_lines.lines([flow])[0],
            "runs": [progress.of(run) for run in latest],
            "active": next((progress.of(run) for run in latest if run.active), None),
            "runs_url": addresses.runs(flow=flow.name),
            "exceptions_url": addresses.exceptions(flow=flow.name),
            "upcoming": schedules.upcoming(flow, 5),
            "schedule_url": addresses.schedule(flow),
            "mapping_url": addresses.mapping(flow) if _maps(request, flow) else "",
            "pending": PendingKey.objects.filter(flow=flow)[:1000].count(),
            "pause": pause,
            "stopped": breaker_pages.told(flow),
            "breakers_url": addresses.breakers(flow),
            "plans_url": addresses.plans(flow=flow.name) if flow.target != "console" else "",
            "backfill_url": "" if backfill_preview.why_not(flow) else addresses.new_backfill(flow),
            "moved": watermarks.undoable(flow),
            "asked": asked.may_be(flow),
            "held": _held(flow),
            "held_url": addresses.exceptions(flow=flow.name, kind="held_for_parent"),
            "events": _events(flow) if request.user.has_perm("sync.view_auditevent") else None,
        }
        return self._page(request, "console/flow.html", context)

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        flow = self._operated(request, pk)
        form = RunForm(request.POST)
        if not form.is_valid():
            raise Http404
        kind = form.cleaned_data["kind"] or "sync"
        if not asked.may_be(flow).allows(kind):
            messages.error(request, asked.may_be(flow).why_not or "The keys of this flow's records are not swept.")
            return HttpResponseRedirect(addresses.flow(flow))
        was = runs.active(flow, kind)
        run = was or runs.start(flow, user=request.user, full=form.cleaned_data["full"], kind=kind)
        if run is None:
            messages.error(request, "The run could not be started; look at the flow's last run.")
            return HttpResponseRedirect(addresses.flow(flow))
        if was:
            messages.info(request, "A run of this flow is active already; this is it.")
        elif flow.paused or not flow.enabled:
            wanted = "resumes the flow" if flow.paused else "switches the flow on"
            messages.warning(request, f"The run is queued and waits until somebody {wanted}; nothing is sent before.")
        else:
            messages.success(request, "The run is queued; a worker takes it within seconds.")
        return HttpResponseRedirect(addresses.run(run))

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        flow = self._operated(request, pk)
        form = PauseForm(request.POST)
        if not form.is_valid():
            return self._flow_page(request, flow, form)
        until = form.cleaned_data["until"]
        runs.pause(flow, form.cleaned_data["note"], request.user, until)
        ends = f"until {shown_clock(until)}" if until else "until somebody resumes it"
        messages.success(request, f"{flow.name} is paused: no schedule starts it {ends}.")
        return HttpResponseRedirect(addresses.flow(flow))

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        flow = self._operated(request, pk)
        wanted = flow.wanted
        runs.resume(flow, request.user)
        said = f"{flow.name} goes on with its schedule."
        if not wanted:
            said = f"{flow.name} is switched on: press Run now for its first run, or give it a schedule."
        messages.success(request, said)
        return HttpResponseRedirect(addresses.flow(flow))

    def backfill_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows the form, POST makes the preview; nothing is sent before somebody starts it there."""
        return backfill_pages.form_view(request, self._operated(request, pk), self._page)

    def watermark_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows the form, with parameters what the move would do; POST moves it."""
        flow = self._operated(request, pk)
        data = request.POST if request.method == "POST" else request.GET if request.GET else None
        form = WatermarkForm(data)
        planned = form.planned(flow) if data is not None else None
        if request.method == "POST" and planned and form.moved(flow, request.user):
            messages.success(request, f"The next run of {flow.name} reads from there. Undo is on this page until then.")
            return HttpResponseRedirect(addresses.flow(flow))
        context = {
            "title": f"Watermark of {flow.name}",
            "flow": flow,
            "flow_url": addresses.flow(flow),
            "form": form,
            "planned": planned,
        }
        return self._page(request, "console/watermark.html", context)

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        flow = self._operated(request, pk)
        try:
            watermarks.undo(flow, request.user)
            messages.success(request, f"Undone: the next run of {flow.name} reads from where it would have before.")
        except watermarks.NotMovedError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(addresses.flow(flow))

    def allow_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return breaker_pages.resume_once(request, self._operated(request, pk))

    def keep_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return breaker_pages.keep_paused(request, self._operated(request, pk))

    def breakers_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows the limits to everybody who sees the flow; POST changes them."""
        flow = self._operated(request, pk) if request.method == "POST" else self._flow(request, pk)
        return breaker_form.form_view(request, flow, request.user.has_perm("sync.operate_flow"), self._page)

    def schedule_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows the form (with parameters: as they would be, for the preview), POST stores it."""
        flow = self._operated(request, pk)
        stored = schedules.read(flow)
        data = request.POST if request.method == "POST" else request.GET if request.GET else None
        form = schedule_form.ScheduleForm(data, initial=schedule_form.initial(stored))
        if request.method == "POST" and form.is_valid():
            schedules.write(flow, form.schedule, request.user)
            messages.success(request, f"{flow.name} now runs {form.schedule.words}.")
            return HttpResponseRedirect(addresses.flow(flow))
        context = {
            "title": f"Schedule of {flow.name}",
            "flow": flow,
            "flow_url": addresses.flow(flow),
            "form": form,
            "upcoming": schedule_form.preview(form),
            "stored": stored,
            "outlooks": frequencies.outlooks(flow, stored),
        }
        return self._page(request, "console/schedule.html", context)


def _maps(request: HttpRequest, flow: Flow) -> bool:
    return request.user.has_perm("sync.view_fieldmapping") and field_checks.possible(flow)


def _held(flow: Flow) -> dict[str, int]:
    """Records that wait for their customer, and for how many customers; as the last run told it."""
    waiting = SyncIssue.objects.filter(flow=flow, kind="held_for_parent", state__in=OPEN_ISSUES)
    return waiting.aggregate(records=Sum("records", default=0), customers=Count("pk"))


def _events(flow: Flow) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(object_type="flow", object_id=str(flow.pk)).order_by("-id")[:LATEST])
