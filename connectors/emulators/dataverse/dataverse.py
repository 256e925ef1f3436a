"""The emulated Dataverse: which organisations there are, who may come in, and what the control API shows."""

from collections.abc import Mapping
from dataclasses import replace
from threading import Event
from typing import Any

from connectors.emulators.dataset import Dataset
from connectors.emulators.dataverse.errors import DataverseError
from connectors.emulators.dataverse.limits import Limits, injected
from connectors.emulators.dataverse.loading import rows_of
from connectors.emulators.dataverse.merging import merge
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.replies import failed
from connectors.emulators.dataverse.schema import Table
from connectors.emulators.dataverse.standard_tables import ACCOUNT, CONTACT
from connectors.emulators.dataverse.web_api import Call, WebApi, below_root
from connectors.emulators.dataverse.webhooks import Webhooks
from connectors.emulators.dataverse.writing import Writing
from connectors.emulators.entra import APPLICATIONS, SECRET, TENANT, Entra
from connectors.emulators.store import Collection
from connectors.emulators.system import Host, Request, Response

DEFAULT = "contoso"
_OTHERS = ("fabrikam",)
_PREFIX = "/dataverse"
_BARE = "/api/data"
# The last application is known to Entra only: it has no application user (1.1).
_USERS = APPLICATIONS[:-1]
_SHOWN = {
    "contacts": "contacts", "accounts": "accounts", "consents": "msdynmkt_contactpointconsent4s", "leads": "leads",
    "incidents": "incidents", "purposes": "msdynmkt_purposes", "topics": "msdynmkt_topics",
}  # fmt: skip


class Dataverse:
    """Implements `System`."""

    name = "dataverse"
    # The second one is for clients that keep only the host of the address they are given (8.1).
    prefixes = (_PREFIX, _BARE)

    def __init__(self, host: Host) -> None:
        self._host = host
        self._store = host.store
        self._known = host.store.collection("organisations")
        self._known.accept = self._accepted
        self._stop = Event()
        self._entra = Entra(host.shared.collection("entra"), host.now, host.settings)
        self._hooks = host.store.collection("webhooks")
        self._jobs = host.store.collection("systemjobs")
        self._webhooks = Webhooks(self._hooks, self._jobs, self._setting)
        self._limits: dict[str, Limits] = {}
        self._apis: dict[str, WebApi] = {}
        self._organisations: dict[str, Organisation] = {}
        for name in {DEFAULT: 0, **dict.fromkeys(_OTHERS), **dict.fromkeys(self._known)}:
            self._open(name)

    def _open(self, name: str) -> Organisation:
        organisation = Organisation(name, self._store, self._host.now, self._host.settings)
        organisation.publish = lambda events: self._webhooks.publish(organisation, events)
        self._organisations[name] = organisation
        self._apis[name] = WebApi(organisation)
        self._limits[name] = Limits(self._host.now, organisation.setting)
        return organisation

    def _accepted(self, name: str, record: dict[str, Any]) -> dict[str, Any]:
        """A new organisation, empty; its name is the first part of its addresses. ValueError for no name."""
        if not name.isidentifier() or name == "api":
            raise ValueError("the name of an organisation is one word")
        if name not in self._organisations:
            organisation = self._open(name)
            organisation.load(rows_of(None, organisation.stamp()), _USERS)
        return record

    def _setting(self, name: str, default: str) -> str:
        return self._host.settings.get(f"dataverse.{name}", default)

    def handle(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except DataverseError as error:
            return failed(error)

    def _answer(self, request: Request) -> Response:
        name, reached = self._addressed(request)
        root = request.base.removesuffix(request.prefix)
        application = self._entra.caller(reached, self.name, self._names(name, root))
        if application is None:
            challenge = self._entra.challenge(root)
            raise DataverseError(401, "", "The caller is not authenticated.", WWW_Authenticate=challenge)
        if application not in _USERS:
            raise DataverseError(403, "0x80072560", "The user is not a member of the organization.")
        below = below_root(reached)
        if below is None:
            raise DataverseError(404, "0x80060888", "The Web API lives below /api/data/v9.2/.")
        with self._limits[name].counted(application) as remaining:
            answer = self._refusals_too(name, Call(below, application))
            answer.headers.update(remaining)
            return answer

    @staticmethod
    def _names(name: str, root: str) -> tuple[str, ...]:
        """The audiences that are an organisation besides the address it was reached under (1.1)."""
        own = f"https://{name}.crm.dynamics.com"
        return (own, root + _PREFIX) if name == DEFAULT else (own,)

    def _refusals_too(self, name: str, call: Call) -> Response:
        """The call's answer, a refusal being one: it costs time like any other."""
        # Only a call that takes a while can meet another one (3.4).
        self._stop.wait(float(self._organisations[name].setting("request_seconds", "0")))
        try:
            return self._apis[name].handle(call)
        except DataverseError as error:
            return failed(error, call.preferences.wants("Microsoft.PowerApps.CDS.ErrorDetails"))

    def _addressed(self, request: Request) -> tuple[str, Request]:
        """The organisation, and the request as seen from its own address: `/dataverse/fabrikam/api/data/…`."""
        if request.prefix == _BARE:
            root = request.base.removesuffix(_BARE)
            return DEFAULT, replace(request, path=_BARE + request.path, target=_BARE + request.target, base=root)
        first = request.path.strip("/").partition("/")[0]
        if first in self._organisations:
            cut = len(first) + 1
            return first, replace(
                request, path=request.path[cut:] or "/", target=request.target[cut:] or "/",
                base=f"{request.base}/{first}",
            )  # fmt: skip
        return DEFAULT, request

    def throttled(self, fault: Mapping[str, Any]) -> Response:
        """The 429 of one of the three limits (3.4): options `limit`, `retry_after`."""
        return failed(injected(fault))

    def expire_tokens(self) -> None:
        self._entra.revoke(self.name)

    def collections(self) -> Mapping[str, Collection]:
        """The default organisation's tables by short name; another's with its name in front, `fabrikam.contacts`."""
        shown: dict[str, Collection] = {}
        for name, organisation in self._organisations.items():
            prefix = "" if name == DEFAULT else f"{name}."
            sets = {table.set_name: table.name for table in organisation.tables().values()}
            names = {**_SHOWN, **{found: found for found in sets if found not in _SHOWN.values()}}
            shown.update({prefix + short: organisation.rows(sets[found]).records for short, found in names.items()})
        return {**shown, "organisations": self._known, "webhooks": self._hooks, "systemjobs": self._jobs}

    def describe(self, base: str) -> Mapping[str, Any]:
        root = base.removesuffix(_PREFIX)
        return {
            "organisations": {
                name: base if name == DEFAULT else f"{base}/{name}" for name in self._organisations
            },
            "data": f"{base}/api/data/v9.2",
            "token_url": f"{root}/entra/{TENANT}/oauth2/v2.0/token",
            "tenant": TENANT,
            "scope": f"{base}/.default",
            "clients": [{"client_id": application, "client_secret": SECRET} for application in _USERS],
        }  # fmt: skip

    def load(self, dataset: Dataset | None, seed: int, drift: bool) -> None:
        """The default organisation gets the dataset, every other one starts empty."""
        for name, organisation in self._organisations.items():
            organisation.load(rows_of(dataset if name == DEFAULT else None, organisation.stamp()), _USERS)
            self._limits[name].clear()
        self._hooks.clear()
        self._jobs.clear()

    def merge(self, from_id: str, into_id: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The Merge action on two contacts or two accounts, by row id or customer number. KeyError: unknown id."""
        organisation = self._organisations[str(options.get("organisation", DEFAULT))]
        table, loser = _named(organisation, from_id)
        same, winner = _named(organisation, into_id)
        if table.name != same.name:
            raise ValueError(f"{from_id} is a row of {table.set_name}, {into_id} one of {same.set_name}")
        try:
            merge(organisation, _writing(organisation), table, winner, loser, {})
        except DataverseError as error:
            raise ValueError(error.message) from error
        return {"from": loser, "into": winner, "table": table.set_name}

    def archive(self, row_id: str) -> Mapping[str, Any]:
        """Deactivates a contact or an account. KeyError: unknown id."""
        organisation = self._organisations[DEFAULT]
        table, found = _named(organisation, row_id)
        with organisation.lock:
            row = organisation.found(table, found)
            return dict(_writing(organisation).set_state(table, row, {"statecode": 1}))


def _writing(organisation: Organisation) -> Writing:
    return Writing(organisation, organisation.user_id(APPLICATIONS[0]))


def _named(organisation: Organisation, name: str) -> tuple[Table, str]:
    """The table and id of a contact or an account, named by its id or its customer number (3.5)."""
    for table, number in ((CONTACT, "msdyn_contactpersonid"), (ACCOUNT, "accountnumber")):
        rows = organisation.rows(table.name)
        if rows.get(name.lower()) is not None:
            return table, name.lower()
        for row in rows.walk():
            if row.get(number) == name:
                return table, row[table.id_column]
    raise KeyError(name)
