"""Workers: who works, on what, who is gone, and what to press."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from sync import workers
from sync.admin.listing import ConsoleAdmin
from sync.models import WorkerProcess


@admin.register(WorkerProcess)
class WorkerAdmin(ConsoleAdmin):
    """Nothing is pressed here: what is lost is taken over by itself, and processes are started on their machine."""

    pages = ("changelist",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        lines = workers.lines()
        living = [line for line in lines if line.state == workers.ALIVE]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Workers",
            "lines": lines,
            "workers": sum(line.process.kind != workers.BEAT for line in living),
            "beats": sum(line.process.kind == workers.BEAT for line in living),
        }
        return TemplateResponse(request, "console/workers.html", context)
