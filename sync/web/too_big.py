"""A form that holds more than the server takes is refused before it is read: the page says so, and what to do."""

from contextlib import suppress

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.defaults import bad_request

READ_ON = 100_000_000
"""Bytes that are read and thrown away: a browser that is cut off while it sends shows no answer."""
PIECE = 1 << 16


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not isinstance(exception, RequestDataTooBig):
        return bad_request(request, exception)
    with suppress(OSError):
        for _ in range(READ_ON // PIECE):
            if not request.read(PIECE):
                break
    megabytes = (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0) / 1e6
    context = {"megabytes": f"{megabytes:.1f}", "backfill": request.path.endswith("/backfill/")}
    return TemplateResponse(request, "console/too_big.html", context, status=413).render()
