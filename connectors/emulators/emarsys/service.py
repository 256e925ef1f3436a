"""The emulated Emarsys as the server sees it: hosts, authentication, rate headers, control (contract 1, 2, 13)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import uuid4

from connectors.emulators.dataset import Dataset
from connectors.emulators.emarsys import hapi
from connectors.emulators.emarsys.accounts import DEFAULT, SWITCHES, Account, Accounts
from connectors.emulators.emarsys.auth import Tokens, Wsse
from connectors.emulators.emarsys.call import Call, split_target
from connectors.emulators.emarsys.limits import rate_headers
from connectors.emulators.emarsys.neglect import begin
from connectors.emulators.emarsys.old_import import import_old_file
from connectors.emulators.emarsys.onboarding import create_segments
from connectors.emulators.emarsys.replies import ApiError, bare, plain, refusal
from connectors.emulators.emarsys.routes import router
from connectors.emulators.emarsys.segment_runs import Runs
from connectors.emulators.store import Collection
from connectors.emulators.system import Host, Request, Response

_API = {"v3": "/api/v3", "v2": "/api/v2"}
_TOO_MANY = "Too many requests for this account and resource within the last minute."


class EmarsysSystem:
    """Core API, token endpoint and sales upload below one prefix, for several accounts."""

    name = "emarsys"
    prefixes = ("/emarsys",)

    def __init__(self, host: Host) -> None:
        self._host = host
        self._start()

    def _start(self) -> None:
        self._accounts = Accounts(self._host)
        self._tokens = Tokens(self._accounts)
        self._wsse = Wsse(self._accounts)
        self._router = router(Runs())

    def handle(self, request: Request) -> Response:
        """Every reply carries the three rate headers (2.3)."""
        began = perf_counter()
        with self._host.store.lock:
            response, account = self._answer(request)
            shown = self._rates(account)
        response.headers.update(shown)
        response.headers["X-Emarsys-Request-Id"] = uuid4().hex
        response.headers["X-Suite-Response-Time"] = str(int((perf_counter() - began) * 1000))
        response.headers["Cache-Control"] = "max-age=0, no-cache, no-store, must-revalidate"
        return response

    def _answer(self, request: Request) -> tuple[Response, Account | None]:
        path = request.path
        if path == "/oauth2/token":
            return self._tokens.issue(request), None
        if path.rstrip("/") == "/healthcheck":
            return bare({"success": True}), None
        if path.startswith("/hapi/"):
            account = hapi.merchant_account(self._accounts, path)
            return hapi.upload(account, request), account
        version = path.split("/")[2] if path.startswith("/api/") else ""
        if version not in _API:
            return plain("Not found\n", 404), None
        return self._core(request, version)

    def _core(self, request: Request, version: str) -> tuple[Response, Account | None]:
        account = None
        try:
            account = self._caller(request, version)
            if not account.budget.spend(int(account.settings["rate_limit"]), account.now()):
                return _too_many(bool(account.settings["plain_429"])), account
            response = self._routed(account, request, version)
        except ApiError as error:
            response = refusal(error)
        if account is not None:
            response.headers["Content-Type"] = str(account.settings["content_type"])
        return response, account

    def _caller(self, request: Request, version: str) -> Account:
        if version == "v3":
            return self._tokens.account_of(request.headers.get("authorization", ""))
        return self._wsse.account_of(request.headers.get("x-wsse") or request.headers.get("wsse", ""))

    def _routed(self, account: Account, request: Request, version: str) -> Response:
        segments, more = split_target(request.target.removeprefix(_API[version]))
        answer, parts = self._router.find(request.method, segments)
        return answer(Call(account, request, {**request.query, **more}, parts))

    def _rates(self, account: Account | None) -> dict[str, str]:
        now = self._host.now()
        if account is None:
            limit = int(SWITCHES["rate_limit"])
            return rate_headers(limit, limit, now + timedelta(seconds=60))
        return account.budget.headers(int(account.settings["rate_limit"]), now)

    def throttled(self, fault: Mapping[str, Any]) -> Response:
        """429 with 7003; with a `message` the gateway's plain-text form. `retry_after` moves the reset time only."""
        response = plain(str(fault["message"]) + "\n", 429) if fault.get("message") else _too_many(is_plain=False)
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
        for account in self._accounts:
            shown.update(account.visible())
        return shown

    def describe(self, base: str) -> Mapping[str, Any]:
        """The default account's addresses and credentials; every account's under `accounts`."""
        every = {account.name: _addresses(base, account) for account in self._accounts}
        return {**every.get(DEFAULT, {}), "accounts": every}

    def load(self, dataset: Dataset | None, seed: int, drift: bool) -> None:
        """Starts over: settings, fields and segments as at onboarding; contacts only with `drift`."""
        with self._host.store.lock:
            for collection in self.collections().values():
                collection.clear()
            for account in self._accounts:
                account.sales.clear()
                for hidden in ("customers", "sources"):
                    account.collection(hidden).clear()
            self._start()
            self._begin(dataset, seed, is_neglected=drift)

    def _begin(self, dataset: Dataset | None, seed: int, *, is_neglected: bool) -> None:
        for account in self._accounts:
            create_segments(account)
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


def _too_many(is_plain: bool) -> Response:
    return plain(_TOO_MANY + "\n", 429) if is_plain else refusal(ApiError(429, 7003, _TOO_MANY))


def _addresses(base: str, account: Account) -> dict[str, str]:
    own = account.settings
    names = ("client_id", "client_secret", "merchant_id", "sales_token", "wsse_user", "wsse_secret")
    return {
        "url": f"{base}/api/v3",
        "url_v2": f"{base}/api/v2",
        "token_url": f"{base}/oauth2/token",
        "sales_url": f"{base}/hapi/merchant/{own['merchant_id']}/sales-data/api",
        **{name: str(own[name]) for name in names},
    }
