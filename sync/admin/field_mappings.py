"""The field mapping of a flow: the standard one to read, the site's own fields to edit, try, activate."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from connectors.errors import ConnectorError
from sync import addresses, field_checks, field_mappings, field_trials, masking, runs
from sync.admin import mapping_form
from sync.admin.listing import ConsoleAdmin
from sync.admin.within import within
from sync.catalogue import Team
from sync.field_checks import NotPossibleError, Offer
from sync.field_trials import Tried
from sync.models import FieldMapping, Flow

SECONDS = 25.0
KNOWN_FOR = 300
"""Seconds for which the page shows the columns and fields of the last question; saving always asks again."""


class WhyForm(forms.Form):
    why = forms.CharField(
        label="Why it changes",
        max_length=300,
        widget=forms.TextInput({"placeholder": "For example: marketing sends by customer group from Monday"}),
        error_messages={"required": "Colleagues will ask: say why."},
    )
    read_all = forms.BooleanField(label="Read everything at once (a full run is queued)", required=False)


@admin.register(FieldMapping)
class FieldMappingAdmin(ConsoleAdmin):
    pages = ()

    def top_urls(self) -> list[URLPattern]:
        def url(route: str, view: Any, name: str) -> URLPattern:
            return path(f"mappings/<int:pk>/{route}", self.admin_site.admin_view(view), name=f"console_mapping{name}")

        return [
            url("", self.page_view, ""),
            url("try/", require_POST(self.try_view), "_try"),
            url("save/", require_POST(self.save_view), "_save"),
            url("activate/", require_POST(self.activate_view), "_activate"),
            url("discard/", require_POST(self.discard_view), "_discard"),
        ]

    def _flow(self, request: HttpRequest, pk: int, *, operate: bool = False) -> Flow:
        if not self.has_view_permission(request) or (operate and not request.user.has_perm("sync.operate_flow")):
            raise PermissionDenied
        flow = Flow.objects.filter(pk=pk).first()
        if flow is None:
            raise Http404
        return flow

    def page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._page(request, self._flow(request, pk))

    def _page(
        self, request: HttpRequest, flow: Flow, formset: Any = None, why: Any = None, **shown: Any
    ) -> HttpResponse:
        draft, active = field_mappings.draft(flow), field_mappings.active(flow)
        possible = field_checks.possible(flow)
        offer, away = _known(flow) if possible else (None, "")
        fields = field_mappings.fields_of(draft or active)
        may = request.user.has_perm("sync.operate_flow")
        if formset is None and may and possible:
            formset = mapping_form.rows(None, fields, offer.free if offer else ())
        running = runs.active(flow) is not None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "may_operate": may,
            "title": f"Field mapping of {flow.name}",
            "flow": flow,
            "flow_url": addresses.flow(flow),
            "possible": possible,
            "offer": offer,
            "away": away,
            "formset": formset,
            "draft": draft,
            "active": active,
            "fields": fields,
            "versions": field_mappings.versions(flow)[:20],
            "why": why or WhyForm(),
            "follows": field_mappings.what_follows(offer.change, running) if offer else "",
            **shown,
        }
        return TemplateResponse(request, "console/mapping.html", context)

    def _posted(self, request: HttpRequest, flow: Flow) -> tuple[Any, list[dict[str, Any]], Offer | None, str]:
        """The formset, its rows, and what both systems have now; else why that is not known."""
        offer, away = _asked(flow)
        formset = mapping_form.rows(request.POST, [], offer.free if offer else ())
        rows = [row for _, row in mapping_form.filled(formset)] if formset.is_valid() else []
        return formset, rows, offer, away

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The rows as they stand in the form, on a real record. Nothing is stored or sent."""
        flow = self._flow(request, pk, operate=True)
        formset, rows, offer, away = self._posted(request, flow)
        if offer is None or not formset.is_valid():
            return self._page(request, flow, formset, away=away, general=_general(formset))
        fields, problems = field_checks.parsed(rows)
        key = request.POST.get("key", "").strip()[:200].replace("\0", "")
        try:
            known = within(SECONDS, lambda: field_checks.offer(flow, fields))
            general = mapping_form.mark(formset, problems or field_checks.check(flow, fields, known))
            if general or any(form.errors for form in formset.forms):
                return self._page(request, flow, formset, general=general)
            preview = within(SECONDS, lambda: field_trials.preview(flow, fields, key))
            touched = within(SECONDS, lambda: field_trials.touched(flow, fields))
        except ConnectorError as error:
            return self._page(request, flow, formset, away=f"{error.message} {error.remedy}".strip())
        except TimeoutError:
            return self._page(request, flow, formset, away=f"No answer within {SECONDS:.0f} seconds.")
        lines = [_line(request.user, one) for one in preview.fields]
        return self._page(request, flow, formset, preview=preview, lines=lines, touched=touched, key=key)

    def save_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        flow = self._flow(request, pk, operate=True)
        formset, rows, offer, away = self._posted(request, flow)
        if offer is None or not formset.is_valid():
            return self._page(request, flow, formset, away=away, general=_general(formset))
        try:
            stored, problems = field_mappings.save(flow, rows, "", request.user)
        except ConnectorError as error:
            return self._page(request, flow, formset, away=f"{error.message} {error.remedy}".strip())
        if stored is None:
            return self._page(request, flow, formset, general=mapping_form.mark(formset, problems))
        messages.success(request, f"Version {stored.number} is stored as a draft; nothing of it is sent yet.")
        return HttpResponseRedirect(addresses.mapping(flow))

    def activate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        flow = self._flow(request, pk, operate=True)
        form = WhyForm(request.POST)
        if not form.is_valid():
            return self._page(request, flow, why=form)
        number = request.POST.get("number", "")
        try:
            run = field_mappings.activate(
                flow,
                request.user,
                form.cleaned_data["why"],
                number=int(number) if number.isdecimal() and len(number) < 9 else 0,
                read_now=form.cleaned_data["read_all"],
            )
        except NotPossibleError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(addresses.mapping(flow))
        queued = " A full run is queued; a worker takes it within seconds." if run else ""
        messages.success(request, f"Version {number} is in force.{queued}")
        return HttpResponseRedirect(addresses.mapping(flow))

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        flow = self._flow(request, pk, operate=True)
        if field_mappings.discard(flow, request.user):
            messages.success(request, "The draft is gone; what is in force stays.")
        return HttpResponseRedirect(addresses.mapping(flow))


def _asked(flow: Flow) -> tuple[Offer | None, str]:
    """What both systems have, asked now; else the reason why that is not known."""
    try:
        offer = within(SECONDS, lambda: field_checks.offer(flow))
    except ConnectorError as error:
        return None, f"{error.message} {error.remedy}".strip()
    except NotPossibleError as error:
        return None, str(error)
    except TimeoutError:
        return None, f"No answer within {SECONDS:.0f} seconds."
    cache.set(f"offer:{flow.pk}", offer, KNOWN_FOR)
    return offer, ""


def _known(flow: Flow) -> tuple[Offer | None, str]:
    offer = cache.get(f"offer:{flow.pk}")
    return (offer, "") if offer else _asked(flow)


def _general(formset: Any) -> list[str]:
    return [str(error) for error in formset.non_form_errors()]


def _line(user: Any, one: Tried) -> dict[str, Any]:
    """One field of a preview as this person may see it."""
    hidden = one.field.personal and not masking.unmasked(user, Team.MARKETING)
    values = {name: getattr(one, name) for name in ("source", "value", "sent", "target")}
    if hidden:
        values = {name: masking.MASK if text else "" for name, text in values.items()}
    error = masking.shown_text(user, Team.MARKETING, one.error)
    return {"field": one.field, "same": one.same, "written": one.written, "error": error, **values}
