"""How requests to Emarsys are authenticated: OAuth 2.0 (v3) or WSSE (v2), a static token for sales data."""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.base import Settings, Unlimited
from connectors.bearer import Bearer, granted
from connectors.emarsys import wsse
from connectors.errors import ConfigurationError
from connectors.http import Http

BASES = {"oauth": "https://api.emarsys.net/api/v3", "wsse": "https://api.emarsys.net/api/v2"}
"""AUTH → where the core API of that generation is (contract 0, 1.1)."""


@dataclass(frozen=True)
class SignIn:
    """`sign` gives the headers of one attempt; `renew` drops what was refused, where there is something to drop."""

    base: str
    sign: Callable[[], Mapping[str, str]]
    renew: Callable[[], None] | None = None


def sign_in(settings: Settings) -> SignIn:
    """As the account is set up. Raises ConfigurationError for an AUTH that is neither oauth nor wsse."""
    way = settings.text("AUTH")
    if way not in BASES:
        raise ConfigurationError(
            f"{settings.connection}: AUTH is {way!r}, which is neither oauth nor wsse.",
            system=settings.connection,
            remedy=f"Correct {settings.connection.upper()}_AUTH in the environment.",
        )
    base = settings.text("URL") or BASES[way]
    if way == "wsse":
        return SignIn(base, wsse_signer(settings))
    token = bearer(settings)
    return SignIn(base, token.sign, token.renew)


def wsse_signer(settings: Settings) -> Callable[[], Mapping[str, str]]:
    """A header for each attempt: a nonce makes one request, and `Created` may be five minutes old (contract 1.2)."""

    def sign() -> Mapping[str, str]:
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name, secret = settings.text("WSSE_USER"), settings.secret("WSSE_SECRET")
        return {"X-WSSE": wsse.header(name, secret, secrets.token_hex(16), created)}

    return sign


def bearer(settings: Settings) -> Bearer:
    """Client credentials in the Basic header; neither scope nor audience (contract 1.3)."""
    url = settings.text("TOKEN_URL").rstrip("/")  # a trailing slash is refused there
    # One attempt: the call that needs the token is repeated as a whole.
    http = Http(
        f"{settings.connection} sign-in", url, Unlimited(), timeout=10.0, deadline=30.0, attempts=1, settings=settings
    )

    def fetch() -> tuple[str, float]:
        pair = f"{settings.text('CLIENT_ID')}:{settings.secret('CLIENT_SECRET')}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        reply = http.request("POST", url, body=b"grant_type=client_credentials", headers=headers, allow=(400, 401))
        return granted(settings.connection, reply, "Check client id and client secret.")

    return Bearer(fetch)


def sales_token(settings: Settings) -> Callable[[], Mapping[str, str]]:
    """The token copied from the account's Sales Data page; it has nothing to do with OAuth (contract 1.4)."""
    return lambda: {"Authorization": f"Bearer {settings.secret('SALES_TOKEN')}"}
