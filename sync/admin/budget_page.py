"""API budget: what each credential may ask of its system, what is used, by whom, what waits."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from sync import spending
from sync.admin.listing import ConsoleAdmin
from sync.models import ApiBudget


@admin.register(ApiBudget)
class BudgetAdmin(ConsoleAdmin):
    """Nothing is pressed here: limits are settings of a connection."""

    pages = ("changelist",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "API budget",
            "lines": spending.lines(),
        }
        return TemplateResponse(request, "console/budget.html", context)
