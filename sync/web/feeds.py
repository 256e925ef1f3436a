"""The published product feed, for Emarsys to fetch: always a whole version, never one that is being made."""

import zlib
from collections.abc import Iterator
from secrets import compare_digest

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_safe

from connectors.errors import ConfigurationError
from connectors.registry import connections
from sync import clock, feeds
from sync.models import ProductFeed
from sync.web.hooks import basic_password

CHUNK = 256 * 1024


@login_not_required
@require_safe
def feed(request: HttpRequest, flow: str) -> HttpResponseBase:
    """`https://feed:PASSWORD@host/feeds/FLOW.csv`; 304 while nothing changed, 404 while nothing is published."""
    found = feeds.published(flow)
    expected = _expected(found.flow.target) if found else ""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    given = basic_password(value) if scheme.lower() == "basic" else ""
    if not expected or not given or not compare_digest(given.encode(), expected.encode()):
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="product feed"'})
    assert found is not None
    tag = f'"{found.digest}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponse(status=304, headers={"ETag": tag})
    if request.method == "GET":
        ProductFeed.objects.filter(pk=found.pk).update(fetched_at=clock.now())
    return _answer(request, found, tag)


def _answer(request: HttpRequest, found: ProductFeed, tag: str) -> HttpResponseBase:
    packed = bytes(found.content or b"")
    headers = {"ETag": tag, "Cache-Control": "no-store", "X-Feed-Items": str(found.items), "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return HttpResponse(packed, "text/csv; charset=utf-8", headers={**headers, "Content-Encoding": "gzip"})
    return StreamingHttpResponse(_unpacked(packed), content_type="text/csv; charset=utf-8", headers=headers)


def _unpacked(packed: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(31)
    data = packed
    while data:
        yield unpacker.decompress(data, CHUNK)
        data = unpacker.unconsumed_tail
    yield unpacker.flush()


def _expected(target: str) -> str:
    try:
        found = connections().get(target)
        if found is None:
            return ""
        return found.settings.secret("FEED_PASSWORD")
    except ConfigurationError:
        return ""
