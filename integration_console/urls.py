"""The console is the admin; beside it the health check, what systems tell us, and the feed they fetch."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from sync.web.feeds import feed
from sync.web.health import healthz
from sync.web.hooks import hook

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("hooks/<slug:connection>", hook, name="hook"),
    path("feeds/<str:flow>.csv", feed, name="feed"),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("console/", admin.site.urls),
]
handler400 = "sync.web.too_big.refused"
handler403 = "sync.web.denied.denied"
