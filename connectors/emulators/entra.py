"""Microsoft Entra ID as far as client credentials go, for every emulated system behind it (dynamics365.md 1.1, 1.2).

Which applications exist is known here; what each may do is known to the system it calls. Tokens are signed, not
stored: they stay good across a restart, until they expire or one system takes back all that it was shown.

    entra = Entra(host.shared.collection("entra"), host.now, host.settings)
    client_id = entra.caller(request, "dataverse", ("https://contoso.crm.dynamics.com",))   # None: 401, challenge(...)
"""

import hashlib
import hmac
import secrets
import uuid
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import msgspec

from connectors.emulators.store import Collection
from connectors.emulators.system import Request, Response

_encode = msgspec.json.Encoder().encode
TENANT = "contoso.example.com"


SECRET = "emulator-secret"
# App registrations. The last one is known here and to no system: a token is not enough (1.1).
APPLICATIONS = ("integration-console", "integration-console-dat", "not-mapped")
_OLD_NAME = "dynamics365.token_seconds"
_NO_KEYS = {"key": "", "generation": 1, "revoked": {}}


class Entra:
    """Issues and checks tokens; every system has one of its own on the same collection.

    `settings`: `entra.token_seconds` (or `dynamics365.token_seconds`; lifetime, default 3599) and, for each system,
    `<system>.accept_any_token` (`yes`: clients that bring a token of their own to localhost, 8.9).
    """

    def __init__(self, kept: Collection, now: Callable[[], datetime], settings: Mapping[str, str]) -> None:
        self._kept = kept
        self._now = now
        self._settings = settings

    def _keys(self) -> Mapping[str, Any]:
        """The signing key, and up to which generation each system takes no token any more."""
        with self._kept.lock:
            keys = self._kept.get("keys")
            if keys is None:
                keys = {**_NO_KEYS, "key": secrets.token_hex(32)}
                self._kept.put("keys", keys)
            return keys

    def revoke(self, system: str) -> None:
        """Every token issued so far is worth nothing to this system."""
        with self._kept.lock:
            keys = self._keys()
            now = keys["generation"]
            self._kept.patch("keys", {"generation": now + 1, "revoked": {**keys["revoked"], system: now}})

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
        if client_id not in APPLICATIONS:
            words = f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
            return self._refused(400, "unauthorized_client", 700016, words)
        if not hmac.compare_digest(secret.encode(), SECRET.encode()):
            return self._refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if not scope.endswith("/.default"):
            words = f"The provided value for scope {scope} is not valid. Client credential flows must end in /.default."
            return self._refused(400, "invalid_scope", 1002012, words)
        seconds = int(self._settings.get("entra.token_seconds") or self._settings.get(_OLD_NAME) or 3599)
        token = self._signed(client_id, scope.removesuffix("/.default"), tenant, seconds)
        answer = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
        return Response(200, _encode(answer), {"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _signed(self, client_id: str, audience: str, tenant: str, seconds: int) -> str:
        keys = self._keys()
        issued = int(self._now().timestamp())
        claims = {
            "aud": audience, "iss": f"/{tenant}/v2.0", "iat": issued, "exp": issued + seconds, "appid": client_id,
            "gen": keys["generation"], "uti": uuid.uuid4().hex,
        }  # fmt: skip
        head = _part({"typ": "JWT", "alg": "HS256"}) + "." + _part(claims)
        return f"{head}.{_signature(keys['key'].encode(), head)}"

    def issue(self, client_id: str, audience: str, seconds: int) -> str:
        """A token outside the usual flow, for a service that exchanges one for another (4.9)."""
        return self._signed(client_id, audience, TENANT, seconds)

    def caller(self, request: Request, system: str, names: Sequence[str] = (), own_address: bool = True) -> str | None:
        """The application whose token the request carries; None when the token is not valid for this system.

        Good audiences are the address the system was reached under (unless `own_address` is false) and its other
        `names`, without a final slash.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        claims = self.claims(token.strip(), system)
        if claims is not None and (claims["aud"] in names or (own_address and same_host(claims["aud"], request.base))):
            return str(claims["appid"])
        return APPLICATIONS[0] if self._settings.get(f"{system}.accept_any_token") == "yes" else None

    def claims(self, token: str, system: str) -> Mapping[str, Any] | None:
        """What a token says, when it is one of ours, not expired and not taken back by the system."""
        keys = self._keys()
        head, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), _signature(keys["key"].encode(), head).encode()):
            return None
        payload = head.partition(".")[2]
        claims = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        fresh = claims["gen"] > keys["revoked"].get(system, 0) and claims["exp"] > self._now().timestamp()
        return claims if fresh else None

    @staticmethod
    def challenge(root: str) -> str:
        """The value of `WWW-Authenticate` beside a 401 (8.2); `root` is the address of the whole process."""
        return f'Bearer authorization_uri="{root}/entra/{TENANT}", error="invalid_token"'

    @staticmethod
    def describe(root: str) -> dict[str, Any]:
        """What a client needs to sign in."""
        return {"token_url": f"{root}/entra/{TENANT}/oauth2/v2.0/token", "tenant": TENANT}

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
