"""API users of an account: credentials, permissions, and a budget each (contract 1.2, 1.3, 2.3)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.limits import Budget

_CREDENTIALS = ("client_id", "client_secret", "wsse_user", "wsse_secret")


@dataclass(frozen=True)
class User:
    """One API user of an account: credentials, and what it may not call."""

    account: Account
    name: str
    credentials: dict[str, str]
    denied: str

    @property
    def budget(self) -> Budget:
        return self.account.budgets.setdefault(self.name, Budget())

    def may(self, method: str, path: str) -> bool:
        """Permissions are toggles per endpoint (contract 1.3, 12.17)."""
        return not self.denied or re.search(self.denied, f"{method} {path}") is None


def users_of(account: Account) -> list[User]:
    """The first API user stands in the account's own settings, further ones in its list `users`."""
    own = account.settings
    every = [own, *(one for one in own.get("users") or [] if isinstance(one, dict))]
    return [
        User(
            account,
            str(one.get("client_id") or one.get("wsse_user") or at),
            {name: str(one[name]) for name in _CREDENTIALS if name in one},
            str(one.get("denied", "")),
        )
        for at, one in enumerate(every)
    ]


def user_by(accounts: Iterable[Account], credential: str, value: str) -> User | None:
    """The API user whose `client_id` or `wsse_user` has this value."""
    every = (user for account in accounts for user in users_of(account))
    return next((user for user in every if user.credentials.get(credential) == value), None)
