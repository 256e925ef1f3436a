"""Accounting: do all kept runs add up? The last self-check, and a button that asks for another."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from sync import accounting, doorbell
from sync.admin.listing import ConsoleAdmin
from sync.models import AccountCheck


@admin.register(AccountCheck)
class AccountAdmin(ConsoleAdmin):
    pages = ("changelist",)

    def get_urls(self) -> list[URLPattern]:
        ask = self.admin_site.admin_view(require_POST(self.ask_view))
        return [path("ask/", ask, name="sync_accountcheck_ask"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        latest = list(AccountCheck.objects.select_related("asked_by")[:12])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Accounting",
            "waiting": next((check for check in latest if check.finished_at is None), None),
            "last": next((check for check in latest if check.finished_at), None),
            "before": [check for check in latest if check.finished_at][1:],
            "days": accounting.days_listed(),
            "may_operate": request.user.has_perm("sync.operate_flow"),
        }
        return TemplateResponse(request, "console/accounting.html", context)

    def ask_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("sync.operate_flow"):
            raise PermissionDenied
        check = accounting.ask(request.user)
        doorbell.ring("account_check", check.pk)
        messages.success(request, "The check is queued. Reload this page in a moment to see what it found.")
        return HttpResponseRedirect(reverse("admin:sync_accountcheck_changelist"))
