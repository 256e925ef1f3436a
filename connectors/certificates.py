"""What is wrong with a certificate, in an operator's words: whose it is, until when it holds, what to do."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

EXPIRED, NOT_YET, SELF_SIGNED, UNKNOWN_ISSUER, WRONG_HOST = 10, 9, (18, 19), (2, 20, 21), (62, 63, 64)
"""OpenSSL's verify codes (X509_V_ERR_*)."""
PATIENCE = 5.0


@dataclass(frozen=True)
class Span:
    """From when until when a certificate holds."""

    begins: datetime
    ends: datetime


def explained(error: ssl.SSLError, host: str, port: int, now: datetime | None = None) -> tuple[str, str]:
    """What to say and what to do about a certificate that was refused."""
    now = now or datetime.now(UTC)
    code = getattr(error, "verify_code", 0)
    span = _span(host, port) if code in (EXPIRED, NOT_YET) else None
    if code == EXPIRED:
        when = f" on {span.ends:%Y-%m-%d %H:%M} UTC, {duration(now, span.ends)} ago" if span else ""
        return (
            f"the certificate of {host} expired{when}",
            f"Have the certificate of {host} renewed; if that is recent, set this server's clock (NTP).",
        )
    if code == NOT_YET:
        when = f": it begins on {span.begins:%Y-%m-%d %H:%M} UTC, in {duration(span.begins, now)}" if span else ""
        return (
            f"the certificate of {host} is not valid yet by this server's clock{when}",
            "Set this server's clock (NTP); if it is right, the certificate was installed too early.",
        )
    if code in SELF_SIGNED or code in UNKNOWN_ISSUER:
        return (
            f"the certificate of {host} is not signed by an authority that is trusted here",
            "Set the connection's CA_FILE to your private authority's certificates, if that is who signed it.",
        )
    if code in WRONG_HOST:
        return (
            f"the certificate is not for {host}",
            "Correct the connection's address: it must name the host as the certificate does.",
        )
    return (
        f"no secure connection to {host} could be made ({_reason(error)})",
        "Check that https is served at this address, with TLS 1.2 or later.",
    )


def duration(later: datetime, earlier: datetime) -> str:
    """`90 minutes`, `36 hours`, `400 days`."""
    minutes = round((later - earlier).total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _reason(error: ssl.SSLError) -> str:
    return str(getattr(error, "reason", None) or "the handshake failed").replace("_", " ").lower()[:100]


def _span(host: str, port: int) -> Span | None:
    """The certificate's dates, read from a second handshake that trusts anybody and sends nothing."""
    from cryptography import x509  # only where something is wrong already

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            raw = secure.getpeercert(binary_form=True)
        found = x509.load_der_x509_certificate(raw or b"")
        return Span(found.not_valid_before_utc, found.not_valid_after_utc)
    except (OSError, ValueError):
        return None
