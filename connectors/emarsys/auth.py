"""How requests to Emarsys are authenticated: OAuth 2.0 for the core API (v3), a static token for sales data."""

import base64
from collections.abc import Callable, Mapping

import msgspec

from connectors.base import Settings, Unlimited
from connectors.errors import ConfigurationError
from connectors.http import Bearer, Http


class Grant(msgspec.Struct):
    access_token: str = ""
    expires_in: float | str = 3600
    error: str = ""
    error_description: str = ""


def bearer(settings: Settings) -> Bearer:
    """Client credentials in the Basic header; neither scope nor audience (contract 1.3)."""
    url = settings.text("TOKEN_URL").rstrip("/")  # a trailing slash is refused there
    # One attempt: the call that needs the token is repeated as a whole.
    http = Http(f"{settings.connection} sign-in", url, Unlimited(), timeout=10.0, deadline=30.0, attempts=1)

    def fetch() -> tuple[str, float]:
        pair = f"{settings.text('CLIENT_ID')}:{settings.secret('CLIENT_SECRET')}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        reply = http.request("POST", url, body=b"grant_type=client_credentials", headers=headers, allow=(400, 401))
        grant: Grant = reply.json(Grant)
        if not grant.access_token:
            raise ConfigurationError(
                f"{settings.connection}: the sign-in was refused.",
                system=settings.connection,
                request=reply.request,
                reply=f"{grant.error} {grant.error_description}".strip()[:300],
                remedy="Check client id and client secret.",
            )
        return grant.access_token, float(grant.expires_in)

    return Bearer(fetch)


def sales_token(settings: Settings) -> Callable[[], Mapping[str, str]]:
    """The token copied from the account's Sales Data page; it has nothing to do with OAuth (contract 1.4)."""
    return lambda: {"Authorization": f"Bearer {settings.secret('SALES_TOKEN')}"}
