"""The emulated Emarsys as the server sees it: hosts, authentication, rate headers, control (contract 1, 2, 13)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import uuid4

from connectors.emulators.dataset import Dataset
from connectors.emulators.emarsys import hapi
from connectors.emulators.emarsys.accounts import DEFAULT, Account, Accounts
from connectors.emulators.emarsys.actions import ACTIONS
from connectors.emulators.emarsys.auth import Tokens, Wsse
from connectors.emulators.emarsys.call import Call, split_target
from connectors.emulators.emarsys.chores import Chores
from connectors.emulators.emarsys.clockwork import Clockwork
from connectors.emulators.emarsys.doors import INTERNAL, Doors
from connectors.emulators.emarsys.export_files import lines_of
from connectors.emulators.emarsys.limits import rate_headers
from connectors.emulators.emarsys.neglect import begin
from connectors.emulators.emarsys.old_import import import_old_file
from connectors.emulators.emarsys.onboarding import onboard
from connectors.emulators.emarsys.open_data import file_named
from connectors.emulators.emarsys.refusing import GATEWAY, refused, require_feature, too_many
from connectors.emulators.emarsys.replies import ApiError, bare, plain
from connectors.emulators.emarsys.routes import core_router, neighbour_router
from connectors.emulators.emarsys.switches import SWITCHES
from connectors.emulators.emarsys.users import User, users_of
from connectors.emulators.store import Collection
from connectors.emulators.system import Host, Request, Response

_OWN_PREFIX = "/emarsys"


class EmarsysSystem:
    """Core API, token endpoint and sales upload below one prefix, for several accounts."""

    name = "emarsys"
    # Clients with a fixed path know the API at the root of its host.
    prefixes = (_OWN_PREFIX, "/api/v2", "/api/v3")
    actions = (*ACTIONS, "pull_catalogue")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._clockwork = Clockwork(self._work)
        self._start()
        self._accounts.opened = self._welcome
        self._clockwork.wake()  # what waited when the process ended goes on

    def _start(self) -> None:
        self._accounts = Accounts(self._host)
        self._tokens = Tokens(self._accounts)
        self._doors = Doors(self._accounts, self._tokens, Wsse(self._accounts))
        self._core_routes = core_router()
        self._neighbours = neighbour_router()
        self._chores = Chores(self._host)
        for account in self._accounts:
            account.wake = self._clockwork.wake

    def _welcome(self, account: Account) -> None:
        """An account opened while the emulators run."""
        account.wake = self._clockwork.wake
        onboard(account)

    def _work(self) -> bool:
        return self._chores.work(list(self._accounts))

    def close(self) -> None:
        self._clockwork.stop()

    def handle(self, request: Request) -> Response:
        """Every reply carries the three rate headers (2.3)."""
        began = perf_counter()
        if request.prefix not in ("", _OWN_PREFIX):
            path, target = request.prefix + request.path, request.prefix + request.target
            request = replace(request, path=path, target=target)
        with self._host.store.lock:
            response, user = self._answer(request)
            shown = self._rates(user)
        response.headers.update(shown)
        response.headers["X-Emarsys-Request-Id"] = uuid4().hex
        response.headers["X-Suite-Response-Time"] = str(int((perf_counter() - began) * 1000))
        response.headers |= GATEWAY
        return response

    def _answer(self, request: Request) -> tuple[Response, User | None]:
        path = request.path
        if path == "/oauth2/token":
            return self._tokens.issue(request), None
        if path.rstrip("/") == "/healthcheck":
            return bare({"success": True}), None
        if path.startswith("/hapi/"):
            account = hapi.merchant_account(self._accounts, path)
            return hapi.upload(account, request), users_of(account)[0] if account else None
        if not path.startswith("/api/"):
            return plain("Not found\n", 404), None
        return self._core(request)

    def _core(self, request: Request) -> tuple[Response, User | None]:
        user = None
        try:
            door = self._doors.enter(request)
            user = door.user
            settings = user.account.settings
            if not user.budget.spend(int(settings["rate_limit"]), user.account.now()):
                code = 15011 if request.path.startswith("/api/rds/") else 7003
                return too_many(bool(settings["plain_429"]), code), user
            response = self._routed(user, request, door.base)
        except ApiError as error:
            response = refused(error, user, request)
        if user is not None and response.headers.get("Content-Type", "").startswith("application/json"):
            is_internal = request.path.startswith(INTERNAL)
            kind = "application/json" if is_internal else str(user.account.settings["content_type"])
            response.headers["Content-Type"] = kind
        return response, user

    def _routed(self, user: User, request: Request, base: str) -> Response:
        segments, more = split_target(request.target.removeprefix(base))
        require_feature(user.account, segments)
        routes = self._neighbours if base == "/api" else self._core_routes
        answer, parts = routes.find(request.method, segments)
        if not user.may(request.method, "/" + "/".join(segments)):
            return plain("Forbidden\n", 403)
        return answer(Call(user.account, request, {**request.query, **more}, parts))

    def _rates(self, user: User | None) -> dict[str, str]:
        now = self._host.now()
        if user is None:
            limit = int(SWITCHES["rate_limit"])
            return rate_headers(limit, limit, now + timedelta(seconds=60))
        return user.budget.headers(int(user.account.settings["rate_limit"]), now)

    def headers(self) -> Mapping[str, str]:
        """An answer out of turn carries the rate headers too (13.3)."""
        return self._rates(None)

    def throttled(self, fault: Mapping[str, Any]) -> Response:
        """429 with 7003; with a `message` the gateway's plain-text form. `retry_after` moves the reset time only."""
        response = plain(str(fault["message"]) + "\n", 429) if fault.get("message") else too_many(is_plain=False)
        until = self._reset(fault)
        response.headers.update(rate_headers(int(fault.get("limit", 1000)), int(fault.get("remaining", 0)), until))
        response.headers.update({str(name): str(value) for name, value in (fault.get("headers") or {}).items()})
        response.status = int(fault.get("code", 429))
        return response

    def _reset(self, fault: Mapping[str, Any]) -> datetime:
        if "reset" in fault:
            return datetime.fromtimestamp(float(fault["reset"]), self._host.now().tzinfo)
        return self._host.now() + timedelta(seconds=float(fault.get("retry_after", 60)))

    def expire_tokens(self) -> None:
        self._tokens.expire()

    def collections(self) -> Mapping[str, Collection]:
        shown: dict[str, Collection] = {"settings": self._accounts.settings}
        with self._host.store.lock:
            for account in self._accounts:
                account.sales.settle(account.now())
                account.settle_exports(lines_of)
                shown.update(account.visible())
        return shown

    def act(self, name: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """One of `actions` in the default account, or in another's as `action@name`."""
        verb, _, owner = name.partition("@")
        account = self._named(owner)
        if verb == "pull_catalogue":
            return self._chores.pull(account, str(wanted.get("url") or account.settings["catalogue_url"]))
        with self._host.store.lock:
            return ACTIONS[verb](account, wanted)

    def file(self, folder: str, name: str) -> Response | None:
        """A view of Open Data: `files/revenue_attribution.ndjson`, of another account `files@name/…`."""
        account = self._accounts.named(folder.partition("@")[2] or DEFAULT)
        if account is None:
            return None
        with self._host.store.lock:
            account.sales.settle(account.now())
            return file_named(account, name)

    def _named(self, owner: str) -> Account:
        account = self._accounts.named(owner or DEFAULT)
        if account is None:
            raise KeyError(f"account {owner or DEFAULT}")
        return account

    def describe(self, base: str) -> Mapping[str, Any]:
        """The default account's addresses and credentials; every account's under `accounts`."""
        every = {account.name: _addresses(base, account) for account in self._accounts}
        return {**every.get(DEFAULT, {}), "accounts": every}

    def load(self, dataset: Dataset | None, seed: int, drift: bool) -> None:
        """Starts over: settings, fields and segments as at onboarding; contacts only with `drift`."""
        with self._host.store.lock:
            for account in self._accounts:
                account.clear()
            self._accounts.settings.clear()
            self._start()
            self._begin(dataset, seed, is_neglected=drift)
            self._accounts.opened = self._welcome

    def _begin(self, dataset: Dataset | None, seed: int, *, is_neglected: bool) -> None:
        for account in self._accounts:
            onboard(account)
        main = self._accounts.named(DEFAULT)
        if dataset is not None and main is not None:
            begin(main, dataset.customers(), seed, is_neglected=is_neglected)

    def plant(self, list_name: str, seed: int) -> Mapping[str, int]:
        """A colleague's import into the default account: differences planted, by kind."""
        main = self._accounts.named(DEFAULT)
        if list_name != "import" or main is None:
            raise ValueError(f"Emarsys has the list 'import' to plant, not {list_name!r}")
        with self._host.store.lock:
            return import_old_file(main, seed)

    def planted(self) -> Mapping[str, Any]:
        return {account.name: list(account.collection("planted").values()) for account in self._accounts}


def _addresses(base: str, account: Account) -> dict[str, str]:
    own = account.settings
    root = base.removesuffix(_OWN_PREFIX)
    names = ("customer_id", "client_id", "client_secret", "merchant_id", "sales_token", "wsse_user", "wsse_secret")
    return {
        "url": f"{base}/api/v3",
        "url_v2": f"{base}/api/v2",
        "url_internal": f"{root}{INTERNAL}/{own['customer_id']}",
        "url_neighbours": f"{base}/api",
        "token_url": f"{base}/oauth2/token",
        "sales_url": f"{base}/hapi/merchant/{own['merchant_id']}/sales-data/api",
        **{name: str(own[name]) for name in names},
    }
