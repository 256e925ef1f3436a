"""Microsoft Entra ID as far as client credentials go (dynamics365.md 1.1, 1.2).

Tokens are signed, not stored: they stay good across a restart, until they expire or are revoked all at once.
"""

import hashlib
import hmac
import secrets
import uuid
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import msgspec

from connectors.emulators.store import Collection
from connectors.emulators.system import Request, Response

_encode = msgspec.json.Encoder().encode
TENANT = "contoso.example.com"


@dataclass(frozen=True)
class Client:
    """An app registration. `company` is the default company of the F&O user it is mapped to; "" = not mapped."""

    id: str
    secret: str
    company: str


class Entra:
    """Issues and checks tokens. `settings`: `token_seconds` (lifetime, default 3599), `accept_any_token` (yes)."""

    def __init__(
        self, meta: Collection, clients: Mapping[str, Client], now: Callable[[], datetime], settings: Mapping[str, str]
    ) -> None:
        self._meta = meta
        self._clients = clients
        self._now = now
        self._settings = settings

    def _keys(self) -> tuple[bytes, int]:
        """(signing key, generation): a token of an older generation is worth nothing."""
        kept = self._meta.get("entra")
        if kept is None:
            kept = {"key": secrets.token_hex(32), "generation": 1}
            self._meta.put("entra", kept)
        return kept["key"].encode(), kept["generation"]

    def revoke_all(self) -> None:
        _, generation = self._keys()
        self._meta.patch("entra", {"generation": generation + 1})

    def handle(self, request: Request) -> Response:
        tenant, _, rest = request.path.lstrip("/").partition("/")
        if request.method == "GET" and rest.endswith("v2.0/.well-known/openid-configuration"):
            return Response(200, _encode(_discovery(f"{request.base}/{tenant}")))
        if rest != "oauth2/v2.0/token":
            return self._refused(404, "invalid_request", 900144, "The endpoint does not exist.")
        if request.method != "POST":
            return self._refused(405, "invalid_request", 900561, "The endpoint only accepts POST requests.")
        return self._token(request, tenant)

    def _token(self, request: Request, tenant: str) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        client_id, secret = _credentials(request.headers, form)
        grant, scope = form.get("grant_type", ""), form.get("scope", "")
        if grant != "client_credentials":
            return self._refused(400, "unsupported_grant_type", 70003, f"The grant type '{grant}' is not supported.")
        if client_id not in self._clients:
            words = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
            return self._refused(400, "unauthorized_client", 700016, words)
        if not hmac.compare_digest(secret.encode(), self._clients[client_id].secret.encode()):
            return self._refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if not scope.endswith("/.default"):
            words = f"The provided value for scope {scope} is not valid. Client credential flows must end in /.default."
            return self._refused(400, "invalid_scope", 1002012, words)
        seconds = int(self._settings.get("token_seconds", "3599"))
        token = self._signed(client_id, scope.removesuffix("/.default"), tenant, seconds)
        answer = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
        return Response(200, _encode(answer), {"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _signed(self, client_id: str, audience: str, tenant: str, seconds: int) -> str:
        key, generation = self._keys()
        issued = int(self._now().timestamp())
        claims = {
            "aud": audience, "iss": f"/{tenant}/v2.0", "iat": issued, "exp": issued + seconds, "appid": client_id,
            "gen": generation, "uti": uuid.uuid4().hex,
        }  # fmt: skip
        head = _part({"typ": "JWT", "alg": "HS256"}) + "." + _part(claims)
        return f"{head}.{_signature(key, head)}"

    def client_of(self, request: Request, audiences: Callable[[str], bool]) -> Client | None:
        """Whose token the request carries; None when it has none that is valid for this audience."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        if self._settings.get("accept_any_token") == "yes":
            return next(iter(self._clients.values()))
        claims = self._claims(token.strip())
        if claims is None or not audiences(claims["aud"]):
            return None
        return self._clients.get(claims["appid"])

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        key, generation = self._keys()
        head, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), _signature(key, head).encode()):
            return None
        payload = head.partition(".")[2]
        claims = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        fresh = claims["gen"] == generation and claims["exp"] > self._now().timestamp()
        return claims if fresh else None

    def _refused(self, status: int, error: str, code: int, words: str) -> Response:
        now = self._now()
        body = {
            "error": error,
            "error_description": f"AADSTS{code}: {words}",
            "error_codes": [code],
            "timestamp": now.strftime("%Y-%m-%d %H:%M:%SZ"),
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
        }
        return Response(status, _encode(body))


def _credentials(headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str]:
    """In the form, or as HTTP Basic (RFC 6749, 2.3.1: both halves form-encoded)."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = b64decode(value).decode().partition(":")
        except ValueError:
            return "", ""
        return unquote_plus(client_id), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _part(value: Any) -> str:
    return urlsafe_b64encode(_encode(value)).decode().rstrip("=")


def _signature(key: bytes, head: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, head.encode(), hashlib.sha256)).decode().rstrip("=")


def _discovery(authority: str) -> dict[str, Any]:
    return {
        "issuer": f"{authority}/v2.0",
        "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
        "token_endpoint": f"{authority}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{authority}/discovery/v2.0/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "tenant_region_scope": "EU",
    }


def same_host(left: str, right: str) -> bool:
    """Whether two addresses name one environment; localhost and 127.0.0.1 are one host, the scheme is no matter."""
    first, second = urlsplit(left), urlsplit(right)
    hosts = [part.netloc.lower().replace("localhost", "127.0.0.1") for part in (first, second)]
    return hosts[0] == hosts[1] and first.path == second.path
