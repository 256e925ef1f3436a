"""Access tokens of Microsoft Entra ID by client credentials, or of any other OAuth 2.0 token endpoint.

MSAL refuses every address that is not https (measured), so a token endpoint elsewhere is asked by a plain
form POST. Which of the two is used follows from TOKEN_URL alone.
"""

from collections.abc import Callable, Mapping
from json import JSONDecodeError
from urllib.parse import urlencode, urlsplit

import msgspec
import requests

from connectors.base import Settings, Unlimited
from connectors.bearer import Bearer, Grant, granted, refused, taken, unreadable
from connectors.errors import ConfigurationError, UnavailableError
from connectors.http import Http

MICROSOFT = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "login.chinacloudapi.cn",
        "login.windows.net",
        "sts.windows.net",
    }
)
"""Hosts of Microsoft's public and national clouds."""


REMEDY = "Check tenant, client id, client secret and scope."
Sign = Callable[[], Mapping[str, str]]


def signing(settings: Settings, scope: str) -> tuple[Sign, Callable[[], None] | None]:
    """How requests are signed by the setting AUTH, and how a refused token is dropped.

    `client_credentials` asks the token endpoint, `token` sends TOKEN as it is, `none` sends nothing.
    """
    kind = settings.text("AUTH").strip().lower()
    if kind == "client_credentials":
        token = bearer(settings, scope)
        return token.sign, token.renew
    if kind == "token":
        return lambda: {"Authorization": f"Bearer {settings.secret('TOKEN')}"}, None
    if kind == "none":
        return dict, None
    raise ConfigurationError(
        f"{settings.connection}: AUTH is {kind!r}, which is no way to sign in.",
        system=settings.connection,
        remedy="Set AUTH to client_credentials, token or none.",
    )


def bearer(settings: Settings, scope: str) -> Bearer:
    """The token of this connection for `scope`, fetched at the first call."""
    url = settings.text("TOKEN_URL").replace("{tenant}", settings.text("TENANT"))
    parts = urlsplit(url)
    microsoft = parts.scheme == "https" and parts.hostname in MICROSOFT
    return Bearer((_by_msal if microsoft else _by_form)(settings, url, scope))


def _by_form(settings: Settings, url: str, scope: str) -> Callable[[], tuple[str, float]]:
    # One attempt: the call that needs the token is repeated as a whole.
    http = Http(
        f"{settings.connection} sign-in", url, Unlimited(), timeout=10.0, deadline=30.0, attempts=1, settings=settings
    )

    def fetch() -> tuple[str, float]:
        form = {
            "client_id": settings.text("CLIENT_ID"),
            "client_secret": settings.secret("CLIENT_SECRET"),
            "grant_type": "client_credentials",
            "scope": scope,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        reply = http.request("POST", url, body=urlencode(form).encode(), headers=headers, allow=(400, 401))
        return granted(settings.connection, reply, REMEDY)

    return fetch


def _by_msal(settings: Settings, url: str, scope: str) -> Callable[[], tuple[str, float]]:
    authority = url.removesuffix("/oauth2/v2.0/token")

    def fetch() -> tuple[str, float]:
        import msal  # takes a tenth of a second to import: only where it is used

        session = requests.Session()
        session.trust_env = False
        try:
            # A new client each time: MSAL replays remembered failures and tokens that were refused.
            client = msal.ConfidentialClientApplication(
                settings.text("CLIENT_ID"),
                client_credential=settings.secret("CLIENT_SECRET"),
                authority=authority,
                http_client=_WithTimeout(session),
            )
            answer = client.acquire_token_for_client(scopes=[scope])
        except (requests.exceptions.RequestException, OSError) as error:
            raise UnavailableError(
                "Microsoft Entra ID cannot be reached.",
                system=settings.connection,
                request=f"POST {urlsplit(url).path}",
                reply=type(error).__name__,
                remedy="Check that this server may reach the token address.",
            ) from error
        except ValueError as error:  # MSAL's word for an authority or tenant it does not accept, and for no JSON
            if isinstance(error, JSONDecodeError) or isinstance(error.__context__, JSONDecodeError):
                raise unreadable(settings.connection, "not the JSON that was expected") from None
            raise refused(settings.connection, str(error), REMEDY) from error
        except (AttributeError, KeyError, RuntimeError, TypeError) as error:  # JSON of another shape
            raise unreadable(settings.connection, type(error).__name__) from None
        return _taken(settings, answer)

    return fetch


def _taken(settings: Settings, answer: object) -> tuple[str, float]:
    try:
        grant = msgspec.convert(answer, Grant, strict=False)
    except msgspec.ValidationError as error:
        raise unreadable(settings.connection, str(error)) from None
    return taken(settings.connection, grant, REMEDY)


class _WithTimeout:
    """The part of `requests.Session` that MSAL uses, with a time limit on every call."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def get(self, url: str, **options: object) -> requests.Response:
        return self._session.get(url, **{"timeout": 30, **options})  # type: ignore[arg-type]  # MSAL's own options

    def post(self, url: str, **options: object) -> requests.Response:
        return self._session.post(url, **{"timeout": 30, **options})  # type: ignore[arg-type]  # MSAL's own options

    def close(self) -> None:
        self._session.close()
