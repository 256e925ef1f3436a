"""The ways into the API: which version or neighbour an address belongs to, and who is calling there (contract 1)."""

from dataclasses import dataclass

from connectors.emulators.emarsys.accounts import Accounts
from connectors.emulators.emarsys.auth import Tokens, Wsse, unauthorized
from connectors.emulators.emarsys.users import User, users_of
from connectors.emulators.system import Request

INTERNAL = "/api/v2/internal"


@dataclass(frozen=True)
class Door:
    """`base` is the part of the address before the resources; `user` who came in."""

    base: str
    user: User


class Doors:
    """v3 by Bearer token, v2 by WSSE, the internal alias by customer id without verification, the rest by either."""

    def __init__(self, accounts: Accounts, tokens: Tokens, wsse: Wsse) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._wsse = wsse

    def enter(self, request: Request) -> Door:
        """401 for whoever is not known."""
        parts = request.path.split("/")
        if request.path.startswith(f"{INTERNAL}/"):
            return Door("/".join(parts[:5]), self._internal(parts[4]))
        version = parts[2] if len(parts) > 2 else ""
        header = request.headers.get("x-wsse") or request.headers.get("wsse", "")
        if version == "v2" or (version != "v3" and header):
            user = self._wsse.user_of(header)
        else:
            user = self._tokens.user_of(request.headers.get("authorization", ""))
        return Door(f"/api/{version}" if version in ("v2", "v3") else "/api", user)

    def _internal(self, customer_id: str) -> User:
        """Escher signatures of Emarsys' own add-ons are taken as they are (contract 1.5)."""
        account = self._accounts.by("customer_id", customer_id)
        if account is None:
            raise unauthorized()
        return users_of(account)[0]
