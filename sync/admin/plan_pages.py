"""Plans: their list, what one would do, and Preview, Apply, Approve and Discard, each by POST."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from sync import addresses, plan_words, plans, progress
from sync.admin.listing import ChoiceFilter, ConsoleAdmin
from sync.admin.run_pages import FlowFilter
from sync.models import Flow, SyncPlan
from sync.models.plan import APPLYING, APPROVED, BUILDING, READY, SECOND_LOOK, STATES, WAITING
from sync.templatetags.console import count, pill, when

TONES = {"building": "info", "ready": "good", "second_look": "warn", "approved": "good", "applying": "info",
         "applied": "good", "expired": "muted", "discarded": "muted"}  # fmt: skip


class StateFilter(ChoiceFilter):
    title = parameter_name = "state"
    options = STATES


@admin.register(SyncPlan)
class PlanAdmin(ConsoleAdmin):
    title = "Plans"
    lead = "What a sync would do, decided by the sync itself and not done: look at it, then apply exactly that."
    empty = "No plan was made yet. Open a flow and press Preview."
    list_display = ("name", "status", "asked", "touches", "from_read")
    list_display_links = None
    list_filter = (FlowFilter, StateFilter)
    list_select_related = ("flow", "asked_by")

    @admin.display(description="plan")
    def name(self, plan: SyncPlan) -> SafeString:
        by = plan.asked_by.get_username() if plan.asked_by else "the command line"
        return format_html(
            '<a class="strong" href="{}">{}</a><small>Plan {} · by {}</small>',
            addresses.plan(plan), plan.flow.name, plan.pk, by,
        )  # fmt: skip

    @admin.display(description="state")
    def status(self, plan: SyncPlan) -> SafeString:
        return pill(plan.state, plan.get_state_display(), TONES[plan.state])

    @admin.display(description="asked for")
    def asked(self, plan: SyncPlan) -> SafeString:
        return when(plan.asked_at)

    @admin.display(description="would touch")
    def touches(self, plan: SyncPlan) -> str:
        return count(plans.planned(plan)) if plan.built_at else "–"

    @admin.display(description="read")
    def from_read(self, plan: SyncPlan) -> str:
        return count(plan.read) if plan.built_at else "–"

    def get_urls(self) -> list[URLPattern]:
        def url(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"sync_syncplan_{name}")

        return [
            url("of/<int:pk>/", require_POST(self.ask_view), "ask"),
            url("<int:pk>/apply/", require_POST(self.apply_view), "apply"),
            url("<int:pk>/approve/", require_POST(self.approve_view), "approve"),
            url("<int:pk>/discard/", require_POST(self.discard_view), "discard"),
            *super().get_urls(),
        ]

    def _plan(self, request: HttpRequest, pk: int | str, *, operate: bool = False) -> SyncPlan:
        if not self.has_view_permission(request) or (operate and not request.user.has_perm("sync.operate_flow")):
            raise PermissionDenied
        if not str(pk).isdecimal():
            raise Http404
        found = SyncPlan.objects.select_related("flow", "asked_by", "approved_by", "applied_by")
        return get_object_or_404(found, pk=pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        plan = self._plan(request, object_id)
        making, application = plans.making(plan), plans.application(plan)
        may = request.user.has_perm("sync.operate_flow")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Plan {plan.pk} of {plan.flow.name}",
            "plan": plan,
            "tone": TONES[plan.state],
            "money": {currency: Decimal(amount) for currency, amount in plan.money.items()},
            "next": plan_words.NEXT[plan.state],
            "parts": plan_words.parts(plan),
            "planned": plans.planned(plan),
            "outcome": plan_words.outcome(plan),
            "named": _named(plan),
            "examples": plan_words.examples(plan, request.user),
            "flow_url": addresses.flow(plan.flow),
            "making": progress.of(making) if making and plan.state == BUILDING else None,
            "application": progress.of(application) if application else None,
            "may_apply": may and plan.state in (READY, APPROVED) and plans.planned(plan) > 0,
            "may_discard": may and plan.state in (*WAITING, BUILDING),
            "why_not_approve": plans.may_approve(plan, request.user),
            "may_approve": may and plan.state == SECOND_LOOK,
            "applying": plan.state == APPLYING,
        }
        return TemplateResponse(request, "console/plan.html", context)

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Preview, on a flow's page."""
        if not request.user.has_perm("sync.operate_flow"):
            raise PermissionDenied
        flow = get_object_or_404(Flow, pk=pk)
        try:
            plan = plans.ask(flow, request.user, full=request.POST.get("full") == "on")
        except plans.PlanError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(addresses.flow(flow))
        return HttpResponseRedirect(addresses.plan(plan))

    def apply_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        plan = self._plan(request, pk, operate=True)
        said = "The plan is being applied: a worker takes it within seconds."
        return self._done(request, plan, lambda: plans.apply(plan, request.user), said)

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        plan = self._plan(request, pk, operate=True)
        said = "Approved. Somebody else applies it now."
        return self._done(request, plan, lambda: plans.approve(plan, request.user), said)

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        plan = self._plan(request, pk, operate=True)
        said = "The plan is discarded; nothing was sent."
        return self._done(request, plan, lambda: plans.discard(plan, request.user), said)

    def _done(self, request: HttpRequest, plan: SyncPlan, act: Callable[[], object], said: str) -> HttpResponse:
        try:
            act()
        except plans.PlanError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, said)
        return HttpResponseRedirect(addresses.plan(plan))


def _named(plan: SyncPlan) -> list[tuple[str, str, str]]:
    """Key, its story, and why it is named, of the records that were not as planned."""
    why = {"changed": "changed since the plan", "not_met": "needed nothing any more"}
    return [
        (key, addresses.record(key), why[name])
        for name in why
        for key in plan.outcome.get(name, {}).get("examples", [])
    ]
