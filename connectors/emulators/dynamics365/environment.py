"""The emulated Dynamics 365: Entra ID in front, Finance & Operations behind it."""

from collections.abc import Mapping
from typing import Any, cast

from connectors.emulators.dataset import Dataset
from connectors.emulators.dynamics365.data import Data
from connectors.emulators.dynamics365.entra import TENANT, Client, Entra, same_host
from connectors.emulators.dynamics365.invoice_lines import InvoiceLines
from connectors.emulators.dynamics365.loading import COMPANY, customer_rows
from connectors.emulators.dynamics365.loading_invoices import invoices
from connectors.emulators.dynamics365.replies import ODataError, encode, failed
from connectors.emulators.dynamics365.schema import CUSTOMERS, INVOICES, LINES
from connectors.emulators.dynamics365.tables import RecordTable, Table
from connectors.emulators.store import Collection
from connectors.emulators.system import Host, Request, Response

_BUSY = "This request could not be processed at this time due to system experiencing high resource utilization."
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
    prefixes = ("/dynamics365", "/entra")

    def __init__(self, host: Host) -> None:
        store = host.store
        settings = Settings(host.settings)
        self._meta = store.collection("meta")
        self.customers = RecordTable(CUSTOMERS, store.collection("customers"), ("dataAreaId", "CustomerAccount"))
        self.invoices = RecordTable(INVOICES, store.collection("invoices"), ("dataAreaId", "InvoiceNumber"))
        self.lines = InvoiceLines(store.collection("invoice_lines"))
        self._clients: dict[str, Client] = {}
        self._map_clients()
        self._entra = Entra(self._meta, self._clients, host.now, settings)
        tables: dict[str, Table] = {
            CUSTOMERS.name: self.customers,
            INVOICES.name: self.invoices,
            LINES.name: self.lines,
        }
        self._data = Data(tables, settings)

    def _map_clients(self) -> None:
        """Three app registrations: one mapped to the first company, one to `dat`, one not mapped at all (1.1)."""
        company = (self._meta.get("company") or {"id": COMPANY})["id"]
        for client in (
            Client("integration-console", "emulator-secret", company),
            Client("integration-console-dat", "emulator-secret", "dat"),
            Client("not-mapped", "emulator-secret", ""),
        ):
            self._clients[client.id] = client

    def handle(self, request: Request) -> Response:
        if request.prefix == "/entra":
            return self._entra.handle(request)
        client = self._entra.client_of(request, lambda audience: self._is_ours(audience, request.base))
        if client is None or not client.company:
            root = request.base.removesuffix("/dynamics365")
            challenge = f'Bearer authorization_uri="{root}/entra/{TENANT}", error="invalid_token"'
            return Response(401, b'{"Message":"Authorization has been denied for this request."}',
                            {"WWW-Authenticate": challenge})  # fmt: skip
        try:
            return self._data.handle(request, client.company)
        except ODataError as error:
            return failed(error)

    @staticmethod
    def _is_ours(audience: str, base: str) -> bool:
        return audience == _ENVIRONMENT or same_host(audience, base)

    def throttled(self, fault: Mapping[str, Any]) -> Response:
        """429 with the text for resource-based limits (2.7); `retry_after` null leaves the header out."""
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if (seconds := fault.get("retry_after", 1)) is not None:
            headers["Retry-After"] = str(seconds)
        message = fault.get("message", _BUSY)
        return Response(int(fault.get("code", 429)), encode({"error": {"code": "", "message": message}}), headers)

    def expire_tokens(self) -> None:
        self._entra.revoke_all()

    def collections(self) -> Mapping[str, Collection]:
        customers, invoices = self.customers.records, self.invoices.records
        lines = cast("Collection", self.lines)
        names = {"customers": customers, "invoices": invoices, "invoice_lines": lines}
        return {**names, CUSTOMERS.name: customers, INVOICES.name: invoices, LINES.name: lines}

    def describe(self, base: str) -> Mapping[str, Any]:
        root = base.removesuffix("/dynamics365")
        return {
            "environment": base,
            "data": f"{base}/data",
            "token_url": f"{root}/entra/{TENANT}/oauth2/v2.0/token",
            "tenant": TENANT,
            "scope": f"{base}/.default",
            "clients": [
                {"client_id": client.id, "client_secret": client.secret, "default_company": client.company}
                for client in self._clients.values()
            ],
        }

    def load(self, dataset: Dataset | None, seed: int, drift: bool) -> None:
        """F&O is the source of truth: `seed` and `drift` change nothing here."""
        customers = list(customer_rows(dataset)) if dataset else []
        self._meta.put("company", {"id": customers[0]["dataAreaId"] if customers else COMPANY})
        self._map_clients()
        posted = list(invoices(dataset)) if dataset else []
        self.customers.load(customers)
        self.invoices.load(invoice.header for invoice in posted)
        self.lines.load(
            (invoice.id, invoice.header["InvoiceDate"], invoice.header["CurrencyCode"], invoice.lines)
            for invoice in posted
        )

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
            records.delete(from_id)
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
