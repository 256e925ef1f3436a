"""Backfills: the form on the flow's page, the preview, start and cancel, what came of it."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from connectors.errors import ConfigurationError
from sync import addresses, backfill_ids, backfill_preview, backfills, progress
from sync.admin.listing import ConsoleAdmin
from sync.backfill_ids import RefusedError
from sync.models import Backfill, Flow

LATEST = 10
SPARE = 100_000
"""Bytes left for the form's other fields and for line breaks, which a browser sends as two characters."""
LARGEST_FILE = 25_000_000
"""Bytes of a file with ids: the most ids that one backfill takes, as long as keys may be, and what separates them."""
DAY = forms.DateInput({"type": "date"})


class BackfillForm(forms.Form):
    ids = forms.CharField(
        label="Ids",
        required=False,
        widget=forms.Textarea({"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(label="Or a file with ids", required=False)
    since = forms.DateField(label="From", required=False, widget=DAY)
    until = forms.DateField(label="To", required=False, widget=DAY)
    reason = forms.CharField(
        label="Why",
        max_length=300,
        widget=forms.TextInput({"placeholder": "For example: city was empty until the mapping was corrected"}),
        error_messages={"required": "Colleagues will ask why: write it down."},
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        given = found.get("file")
        if given and given.size > LARGEST_FILE:
            said = f"The file has more than {LARGEST_FILE // 1_000_000} MB. Give it in parts."
            raise forms.ValidationError({"file": said})
        if bool(found.get("ids")) == bool(found.get("since")) and not self.errors:
            raise forms.ValidationError("Paste ids, or give a first day: one of the two.")
        return found


Show = Callable[[HttpRequest, str, dict[str, Any]], HttpResponse]


def form_view(request: HttpRequest, flow: Flow, show: Show) -> HttpResponse:
    """The caller has checked that the person may operate this flow."""
    form = BackfillForm(_with_file(request), request.FILES) if request.method == "POST" else BackfillForm()
    if request.method == "POST" and form.is_valid():
        try:
            return HttpResponseRedirect(addresses.backfill(_asked(flow, request.user, form.cleaned_data)))
        except RefusedError as error:
            form.add_error(None, str(error))
        except ConfigurationError as error:
            form.add_error(None, f"{error.message} {error.remedy}".strip())
    context = {
        "title": f"Backfill of {flow.name}",
        "flow": flow,
        "flow_url": addresses.flow(flow),
        "form": form,
        "why_not": backfill_preview.why_not(flow),
        "dated": backfill_preview.is_dated(flow),
        "most": backfill_ids.MOST,
        "most_megabytes": LARGEST_FILE // 1_000_000,
        "most_bytes": (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or LARGEST_FILE) - SPARE,
        "latest": [
            (one, addresses.backfill(one))
            for one in Backfill.objects.filter(flow=flow).select_related("run", "asked_by").defer("keys")[:LATEST]
        ],
    }
    return show(request, "console/backfill_form.html", context)


def _with_file(request: HttpRequest) -> QueryDict:
    """What was given, with the file's text among the pasted ids: it is shown again where something is wrong."""
    given, file = request.POST.copy(), request.FILES.get("file")
    if file and (file.size or 0) <= LARGEST_FILE:
        text = file.read().decode("utf-8-sig", "replace").replace("\x00", "")
        given["ids"] = f"{given.get('ids', '')}\n{text}".strip()
    return given


def _asked(flow: Flow, user: Any, given: dict[str, Any]) -> Backfill:
    if given["ids"]:
        return backfills.by_ids(flow, given["ids"], user, given["reason"])
    return backfills.by_dates(flow, given["since"], given["until"], user, given["reason"])


@admin.register(Backfill)
class BackfillAdmin(ConsoleAdmin):
    pages = ("change",)

    def get_urls(self) -> list[URLPattern]:
        def url(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(require_POST(view)), name=f"sync_backfill_{name}")

        return [
            url("<int:pk>/start/", self.start_view, "start"),
            url("<int:pk>/cancel/", self.cancel_view, "cancel"),
            *super().get_urls(),
        ]

    def _backfill(self, pk: int | str) -> Backfill:
        if not str(pk).isdecimal():
            raise Http404
        related = ("flow", "run__flow", "asked_by")
        return get_object_or_404(Backfill.objects.select_related(*related).defer("keys"), pk=pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        found = self._backfill(object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Backfill {found.pk} of {found.flow.name}",
            "backfill": found,
            "by_ids": found.since is None,
            "preview": found.preview,
            "state": backfills.state(found),
            "progress": progress.of(found.run) if found.run else None,
            "run_url": addresses.run(found.run) if found.run else "",
            "flow_url": addresses.flow(found.flow),
            "again_url": addresses.new_backfill(found.flow),
            "may_operate": request.user.has_perm("sync.operate_flow"),
        }
        return TemplateResponse(request, "console/backfill.html", context)

    def _operated(self, request: HttpRequest, pk: int) -> Backfill:
        if not request.user.has_perm("sync.operate_flow"):
            raise PermissionDenied
        return self._backfill(pk)

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self._operated(request, pk)
        try:
            run = backfills.start(found, request.user)
        except RefusedError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(addresses.backfill(found))
        if run is None:
            messages.info(request, "Another run of this flow is active. The backfill begins by itself after it.")
            return HttpResponseRedirect(addresses.backfill(found))
        messages.success(request, "The backfill is queued; a worker takes it within seconds.")
        return HttpResponseRedirect(addresses.run(run))

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        found = self._operated(request, pk)
        backfills.cancel(found, request.user)
        messages.success(request, "Cancelled. What was accepted before stays accepted.")
        return HttpResponseRedirect(addresses.backfill(found))
