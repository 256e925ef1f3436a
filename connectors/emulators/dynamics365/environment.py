"""The emulated Dynamics 365: Entra ID in front, Finance & Operations behind it."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from connectors.emulators.dataset import Dataset
from connectors.emulators.dynamics365 import inventory_visibility
from connectors.emulators.dynamics365.atomic import all_or_nothing
from connectors.emulators.dynamics365.data import Data
from connectors.emulators.dynamics365.events import EventPump
from connectors.emulators.dynamics365.inventory_visibility import InventoryVisibility
from connectors.emulators.dynamics365.loader import load
from connectors.emulators.dynamics365.loading import COMPANY
from connectors.emulators.dynamics365.packages import Packages
from connectors.emulators.dynamics365.replies import ODataError, failed
from connectors.emulators.dynamics365.tenant import Tenant
from connectors.emulators.dynamics365.throttling import Throttle, refusal
from connectors.emulators.entra import APPLICATIONS, SECRET, Entra
from connectors.emulators.store import Collection
from connectors.emulators.system import Host, Request, Response

# The names an environment has besides its address here; a token for them is good too.
_ENVIRONMENT = "https://contoso.operations.dynamics.com"


class Settings(Mapping[str, str]):
    """The switches named `dynamics365.…`, without that prefix."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings

    def __getitem__(self, name: str) -> str:
        return self._settings[f"dynamics365.{name}"]

    def __iter__(self) -> Any:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)


class Dynamics365:
    """Implements `System`."""

    name = "dynamics365"
    prefixes = ("/dynamics365", "/entra", inventory_visibility.TOKENS, inventory_visibility.QUERIES)

    def __init__(self, host: Host) -> None:
        store = host.store
        settings = Settings(host.settings)
        self._meta = store.collection("meta")
        self.tenant = Tenant(store, self._meta, host.now, settings)
        self.customers, self.invoices = self.tenant.customers, self.tenant.invoices
        self._settings = settings
        self._throttle = Throttle(settings, host.now)
        self._users: dict[str, str] = {}
        self._map_clients()
        self._entra = Entra(host.shared.collection("entra"), host.now, host.settings)
        self.events = EventPump(store, self._meta, host.now, settings)
        self.tenant.listen(self.events.heard)
        self._data = Data(
            self.tenant.tables(), settings, lambda: all_or_nothing(store, self.tenant.written(), self.events)
        )
        self._visibility = InventoryVisibility(self._entra, self.tenant.on_hand, settings)
        self.packages = Packages(store, self._data.tables, host.now, settings)

    def _map_clients(self) -> None:
        """The allow list: which company an application's user has as default. One application is not on it (1.1)."""
        company = (self._meta.get("company") or {"id": COMPANY})["id"]
        self._users.update({APPLICATIONS[0]: company, APPLICATIONS[1]: "dat", APPLICATIONS[2]: ""})

    def handle(self, request: Request) -> Response:
        if request.prefix == "/entra":
            return self._entra.handle(request)
        if request.prefix in (inventory_visibility.TOKENS, inventory_visibility.QUERIES):
            return self._visibility.handle(request)
        if blob := self.packages.blob(request):
            return blob
        started = time.perf_counter()
        answer = self._answer(request)
        answer.headers.setdefault("server-timing", f"dur={(time.perf_counter() - started) * 1000:.1f}")
        if "arraffinity" not in request.headers.get("cookie", "").lower():
            answer.headers.setdefault("Set-Cookie", f"ARRAffinity={uuid.uuid4().hex};Path=/;HttpOnly")
        return answer

    def _answer(self, request: Request) -> Response:
        caller = self._entra.caller(request, self.name, (_ENVIRONMENT,))
        company = self._users.get(caller or "", "")
        if not company:
            return self._denied(request, is_known=caller is not None)
        if refused := self._throttle.check(request):
            return refused
        try:
            handler = self.packages if self.packages.handles(request.path) else None
            return handler.handle(request) if handler else self._data.handle(request, company)
        except ODataError as error:
            return failed(error)

    def _denied(self, request: Request, is_known: bool) -> Response:
        """What an application with a good token but without a user gets is not documented: `unmapped_status`."""
        status = int(self._settings.get("unmapped_status", "401")) if is_known else 401
        headers = {"WWW-Authenticate": self._entra.challenge(request.base.removesuffix("/dynamics365"))}
        body = b'{"Message":"Authorization has been denied for this request."}'
        return Response(status, body, headers if status == 401 else {})

    def throttled(self, fault: Mapping[str, Any]) -> Response:
        return refusal(fault)

    def expire_tokens(self) -> None:
        self._entra.revoke(self.name)

    def collections(self) -> Mapping[str, Collection]:
        own = {"endpoints": self.events.endpoints, "event_errors": self.events.errors}
        return {**self.tenant.collections(), **own, "data_projects": self.packages.projects}

    def sizes(self) -> Mapping[str, int]:
        return self.tenant.sizes()

    actions = ("endpoints", "resend")

    def act(self, name: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """`endpoints` activates events for a receiver, `resend` repeats what the error log holds (5)."""
        return self.events.add(wanted) if name == "endpoints" else self.events.resend(wanted)

    def close(self) -> None:
        self.events.close()

    def describe(self, base: str) -> Mapping[str, Any]:
        return {
            "environment": base,
            "data": f"{base}/data",
            "scope": f"{base}/.default",
            "inventory_visibility": inventory_visibility.described(base.removesuffix("/dynamics365")),
            **self._entra.describe(base.removesuffix("/dynamics365")),
            "clients": [
                {"client_id": client_id, "client_secret": SECRET, "default_company": company}
                for client_id, company in self._users.items()
            ],
        }

    def load(self, dataset: Dataset | None, seed: int, drift: bool) -> None:
        """F&O is the source of truth: `seed` and `drift` change nothing here."""
        self.events.clear()
        self.packages.clear()
        self._meta.put("company", {"id": load(self.tenant, dataset)})
        self._map_clients()

    def merge(self, from_id: str, into_id: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """F&O keeps no trace of a merge: the losing account goes, its invoices keep the old account number.

        With `move_invoices` they are booked over to the winner of the same company. KeyError: unknown id.
        """
        records = self.customers.records
        with records.lock:
            for customer_id in (from_id, into_id):
                if customer_id not in records:
                    raise KeyError(customer_id)
            moved = self._move_invoices(from_id, into_id) if options.get("move_invoices") else 0
            records.edit(from_id, None)
        return {"from": from_id, "into": into_id, "moved_invoices": moved}

    def _move_invoices(self, from_id: str, into_id: str) -> int:
        (company, _, account), (_, _, winner) = from_id.partition("|"), into_id.partition("|")
        changes = {
            key: {"InvoiceCustomerAccountNumber": winner}
            for key, row in self.invoices.records.items()
            if row["InvoiceCustomerAccountNumber"] == account and row["dataAreaId"] == company
        }
        self.invoices.records.patch_many(changes)
        return len(changes)

    def archive(self, customer_id: str) -> Mapping[str, Any]:
        """F&O has no archived flag (4.1); an account nobody may trade with any more is on hold for all."""
        record = self.customers.records.get(customer_id)
        if record is None:
            raise KeyError(customer_id)
        self.customers.records.edit(customer_id, {**record, "OnHoldStatus": "All"})
        return {"id": customer_id, "OnHoldStatus": "All"}
