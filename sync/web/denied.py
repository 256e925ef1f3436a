"""A refused address is told in the audit trail (SEC-A1), and to the person in plain words."""

from django.http import HttpRequest, HttpResponse
from django.views.defaults import permission_denied

from sync import history


def denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.user.is_authenticated:
        history.record(
            "access denied",
            request.user,
            actor=request.user,
            after={"path": request.path[:200], "method": request.method},
            request=request,
        )
    return permission_denied(request, exception)
