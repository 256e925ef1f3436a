"""The console is the admin; beside it only the health check."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from sync.web.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("console/", admin.site.urls),
]
handler403 = "sync.web.denied.denied"
