"""Posts a message to a receiver."""

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

_SECONDS = 10


def post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """What went wrong; "" when the receiver answered 2xx. Receivers on loopback may show any certificate."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_SECONDS, context=trusting)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_SECONDS)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, dict(headers))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return "" if 200 <= status < 300 else f"HTTP {status}"
