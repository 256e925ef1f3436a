"""Who is calling: OAuth client credentials and tokens (contract 1.3), WSSE (1.2), the sales token (1.4)."""

import base64
import binascii
import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from connectors.emulators.emarsys.accounts import Account, Accounts
from connectors.emulators.emarsys.local_time import VIENNA
from connectors.emulators.emarsys.replies import ApiError, bare
from connectors.emulators.emarsys.users import User, user_by
from connectors.emulators.system import Request, Response

_DRIFT = timedelta(minutes=5)
_PART = re.compile(r'(\w+)\s*=\s*"([^"]*)"')


def unauthorized() -> ApiError:
    return ApiError(401, 1, "Unauthorized")


class Tokens:
    """Access tokens, in memory: after a restart clients fetch new ones."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._issued: dict[str, tuple[str, datetime]] = {}

    def expire(self) -> None:
        self._issued.clear()

    def issue(self, request: Request) -> Response:
        """The token endpoint; client credentials in the Basic header only."""
        if request.method != "POST":
            return bare({"error": "invalid_request", "error_description": "POST is required"}, status=405)
        user = self._client(request.headers.get("authorization", ""))
        if user is None:
            text = "Client authentication failed"
            return bare({"error": "invalid_client", "error_description": text}, status=401)
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            text = "The grant type must be client_credentials"
            return bare({"error": "unsupported_grant_type", "error_description": text}, status=400)
        return bare(self._new(user))

    def _new(self, user: User) -> dict[str, object]:
        lifetime = int(user.account.settings["token_seconds"])
        now = user.account.now()
        self._issued = {token: entry for token, entry in self._issued.items() if entry[1] > now}
        token = secrets.token_urlsafe(48)
        self._issued[token] = (user.credentials["client_id"], now + timedelta(seconds=lifetime))
        return {"access_token": token, "token_type": "Bearer", "expires_in": lifetime, "scope": ""}

    def _client(self, header: str) -> User | None:
        scheme, _, encoded = header.partition(" ")
        try:
            name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        user = user_by(self._accounts, "client_id", name) if scheme.lower() == "basic" else None
        return user if user and _same(secret, user.credentials.get("client_secret", "")) else None

    def user_of(self, header: str) -> User:
        """The API user whose token this is; 401 when there is none or it has expired."""
        scheme, _, token = header.partition(" ")
        client, until = self._issued.get(token.strip(), ("", datetime.max.replace(tzinfo=UTC)))
        user = user_by(self._accounts, "client_id", client)
        if scheme.lower() != "bearer" or user is None or user.account.now() >= until:
            raise unauthorized()
        return user


class Wsse:
    """Checks the `X-WSSE` header of v2: parts in any order and case, five minutes of tolerance."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._nonces: set[str] = set()

    def user_of(self, header: str) -> User:
        parts = {name.lower(): value for name, value in _PART.findall(header)}
        user = user_by(self._accounts, "wsse_user", parts.get("username", ""))
        nonce, created = parts.get("nonce", ""), parts.get("created", "")
        if user is None or not nonce or not self._is_recent(created, user.account.now()):
            raise unauthorized()
        if not _same(digest(nonce, created, user.credentials.get("wsse_secret", "")), parts.get("passworddigest", "")):
            raise unauthorized()
        if user.account.settings["strict_nonce"] and nonce in self._nonces:
            raise unauthorized()
        self._nonces.add(nonce)
        return user

    @staticmethod
    def _is_recent(created: str, now: datetime) -> bool:
        try:
            moment = datetime.fromisoformat(created)
        except ValueError:
            return False
        return abs(now - (moment if moment.tzinfo else moment.replace(tzinfo=VIENNA))) <= _DRIFT


def digest(nonce: str, created: str, secret: str) -> str:
    """Base64 over the forty hex characters of SHA-1, not over its twenty bytes."""
    hexadecimal = hashlib.sha1((nonce + created + secret).encode(), usedforsecurity=False).hexdigest()
    return base64.b64encode(hexadecimal.encode()).decode()


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def is_sales_token(account: Account, header: str) -> bool:
    """The static token of the sales-data page; its scheme is compared without case."""
    scheme, _, token = header.partition(" ")
    return scheme.lower() == "bearer" and _same(token.strip(), str(account.settings["sales_token"]))
