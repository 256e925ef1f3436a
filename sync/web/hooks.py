"""Webhooks: a connected system says that something happened. Kept, answered at once, looked at by a worker."""

import base64
import binascii
import logging
from secrets import compare_digest

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from connectors.errors import ConfigurationError
from connectors.registry import connections
from sync import inbox, tasks

log = logging.getLogger(__name__)
LARGEST = 1_000_000
"""Bytes of one message; Microsoft's are 256 kB at most (contract 3.8)."""


@csrf_exempt  # no browser and no session: the key is the caller's only credential
@login_not_required
@require_POST
def hook(request: HttpRequest, connection: str) -> HttpResponse:
    """202 once the message is kept, 400 where it came incomplete. 404 for whoever has no key tells nothing about which
    connections there are."""
    connection = connection.lower()
    try:
        allowed = _may(request, connection)
    except ConfigurationError as error:  # CONNECTIONS names something unknown: the sender shall try again
        log.error("Webhook of %s is not answered: %s", connection, error.message)
        return JsonResponse({"error": "not available now"}, status=503)
    if not allowed:
        return JsonResponse({"error": "not found"}, status=404)
    length = _length(request)
    if length is None:
        return JsonResponse({"error": "say how long it is: Content-Length"}, status=411)
    if length > LARGEST:
        return JsonResponse({"error": f"more than {LARGEST} bytes"}, status=413)
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        return JsonResponse({"error": f"more than {LARGEST} bytes"}, status=413)
    if len(body) < length:  # the connection broke: whoever sent it shall send it again
        return JsonResponse({"error": f"{length} bytes were announced, {len(body)} came"}, status=400)
    headers = {name.lower(): value for name, value in request.headers.items()}
    event, new = inbox.receive(connection, body, headers)
    if new:
        _ring(event.pk)
    return JsonResponse({"status": "kept" if new else "repeat", "id": event.pk}, status=202 if new else 200)


def _length(request: HttpRequest) -> int | None:
    """Of what was announced. Without it nothing would be read here, and a message in chunks be taken for empty."""
    given = request.headers.get("Content-Length", "")
    return int(given[:20]) if given.isascii() and given.isdigit() else None


def _may(request: HttpRequest, connection: str) -> bool:
    expected = _expected(connection)
    return bool(expected) and any(compare_digest(given.encode(), expected.encode()) for given in _given(request))


def _expected(connection: str) -> str:
    found = connections().get(connection)
    if found is None:
        return ""
    try:
        return found.settings.secret("WEBHOOK_KEY")
    except ConfigurationError:
        return ""


def _given(request: HttpRequest) -> list[str]:
    """As a header, as the password of Basic authentication, or as `?code=` for senders that can set neither."""
    given = [request.headers.get("X-Webhook-Key", ""), request.GET.get("code", "")]
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given.append(value.strip())
    elif scheme.lower() == "basic":
        given.append(basic_password(value))
    return [one for one in given if one]


def basic_password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _ring(event_id: int) -> None:
    try:
        tasks.inbox_event.delay(event_id)
    except Exception as error:  # kombu raises many kinds; the row is kept, and the next tick finds it
        log.warning("Inbox event %s: no worker could be told (%s); the next tick will", event_id, type(error).__name__)
