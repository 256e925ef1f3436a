"""The emulated Prima: several environments of a retailer's site, each behind an address of its own (fact 3)."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from connectors.emulators.dataset import Dataset
from connectors.emulators.prima.collecting import collect
from connectors.emulators.prima.drops import wanted_of
from connectors.emulators.prima.environment import Environment
from connectors.emulators.prima.loading import tombstone
from connectors.emulators.prima.vocabulary import COLLECTIONS
from connectors.emulators.store import Collection
from connectors.emulators.system import Host, Request, Response, SftpAccount

_ENVIRONMENTS = "wsalive,wsadevtest"
_REQUEST_TYPE = re.compile(rb"RequestType\s*=\s*(?:&quot;|&#34;|&apos;|&#39;|[\"'])\s*(\w{1,60})")


class Prima:
    """Implements `System`. The first environment is the one collections and ids mean when they name none."""

    name = "prima"
    prefixes = ("/prima",)
    actions = ("dialect", "drop", "collect")

    def __init__(self, host: Host) -> None:
        names = [name.strip() for name in host.settings.get("prima.environments", _ENVIRONMENTS).split(",")]
        self._passing = None if host.store.folder else TemporaryDirectory(prefix="prima-")
        files = host.store.folder / "files" if host.store.folder else Path(self._passing.name if self._passing else "")
        self.environments = {name: Environment(host, name, files / name) for name in names if name}

    def close(self) -> None:
        if self._passing is not None:
            self._passing.cleanup()

    @property
    def _first(self) -> Environment:
        return next(iter(self.environments.values()))

    def handle(self, request: Request) -> Response:
        _, _, rest = request.path.partition("/")
        name, _, rest = rest.partition("/")
        again, slash, below = rest.partition("/")
        if name not in self.environments or again != name:
            return Response(404, b"<html><body><h1>404 Not Found</h1></body></html>", {"Content-Type": "text/html"})
        return self.environments[name].handle(request, slash + below)

    def label(self, request: Request) -> str:
        """The request type: all calls share one address, so faults and the request log tell them apart by this."""
        found = _REQUEST_TYPE.search(request.body[:20_000])
        return f"#{found[1].decode()}" if found else ""

    def throttled(self, fault: Mapping[str, Any]) -> Response:
        return self._first.busy(fault, f"/prima/{self._first.name}/{self._first.name}")

    def expire_tokens(self) -> None:
        """Nobody signs in (fact 5)."""

    def sizes(self) -> Mapping[str, int]:
        """Of the environments that hold anything in memory; asking wakes none of them."""
        return {
            self._called(environment, name): len(environment.state[name])
            for environment in self.environments.values()
            if environment.state.is_awake
            for name in COLLECTIONS
        }

    def collections(self) -> Mapping[str, Collection]:
        """`orders` of the first environment, `wsadevtest.orders` of another."""
        return _Collections(self)

    def _called(self, environment: Environment, collection: str) -> str:
        return collection if environment is self._first else f"{environment.name}.{collection}"

    def collection(self, name: str) -> Collection:
        """KeyError when there is none of that name. Wakes the environment."""
        place, dot, collection = name.rpartition(".")
        environment = self.environments[place] if dot else self._first
        if collection not in (*COLLECTIONS, "writes", "drops"):
            raise KeyError(name)
        return environment.state[collection]

    def names(self) -> list[str]:
        return [self._called(environment, name) for environment in self.environments.values() for name in COLLECTIONS]

    def describe(self, base: str) -> Mapping[str, Any]:
        return {"environments": {name: self._environment(found, base) for name, found in self.environments.items()}}

    def _environment(self, found: Environment, base: str) -> Mapping[str, Any]:
        address = f"{base}/{found.name}/{found.name}"
        wsdl = f"{address}/wsdl?targetURI={found.switches['target_uri']}"
        said = {"service": address, "wsdl": wsdl, "awake": found.state.is_awake, "dialect": found.dialect().name}
        return {**said, "sftp_user": found.name, "folder": str(found.drops.folder)}

    def load(self, dataset: Dataset | None, seed: int, drift: bool) -> None:
        """Remembers what to load; an environment loads it when it is first asked. Prima is a source: no drift."""
        for environment in self.environments.values():
            environment.state.remember(dataset, seed)
            environment.drops.clear()
            environment.drops.prepare()

    def _customer(self, customer_id: str) -> tuple[Environment, str]:
        """`C-1`, or `wsadevtest|C-1`. KeyError: unknown id."""
        place, bar, rest = customer_id.partition("|")
        known = bar and place in self.environments
        environment, key = (self.environments[place], rest) if known else (self._first, customer_id)
        if key not in environment.state["customers"]:
            raise KeyError(customer_id)
        return environment, key

    def merge(self, from_id: str, into_id: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The loser becomes a tombstone (7.2); with `move_orders` its history moves too (10, question 5)."""
        environment, loser = self._customer(from_id)
        other, winner = self._customer(into_id)
        if other is not environment:
            raise KeyError(into_id)
        state = environment.state
        with state["customers"].lock:
            state["customers"].put(loser, tombstone(loser, winner, state.now()))
            moved = _moved(environment, loser, winner) if options.get("move_orders") else 0
        return {"from": loser, "into": winner, "moved_orders": moved}

    def archive(self, customer_id: str) -> Mapping[str, Any]:
        environment, key = self._customer(customer_id)
        environment.state.change("customers", key, {"Status": "Archived"})
        return {"id": key, "Status": "Archived"}

    def sftp_accounts(self) -> Mapping[str, SftpAccount]:
        """One user for each environment: test and live folders are never shared (9)."""
        return {
            name: SftpAccount(
                found.drops.prepare(), found.switches["sftp_password"], found.switches.number("sftp_breaks_after")
            )
            for name, found in self.environments.items()
        }

    def act(self, name: str, wanted: Mapping[str, Any]) -> Any:
        """`dialect`, `drop` and `collect`, in `environment` (the first one when none is named)."""
        action, _, place = name.partition("@")
        place = str(wanted.get("environment") or place)
        if place and place not in self.environments:
            raise KeyError(place)
        found = self.environments[place] if place else self._first
        if action == "dialect":
            return found.speak(wanted.get("dialect", "assumed"))
        if action == "drop":
            return found.drops.drop(wanted_of(wanted), found.dialect())
        separator, encoding = found.switches["separator"], found.switches["file_encoding"]
        return collect(found.drops.prepare(), found.state, found.dialect(), separator, encoding)

    def file(self, folder: str, name: str) -> Response | None:
        """`files/list` lists all files in and out; any other name is a file's content."""
        _, _, place = folder.partition("@")
        found = self.environments.get(place) if place else self._first
        if found is None:
            return None
        if name == "list":
            return Response(200, msgspec.json.encode(list(found.drops.files())))
        path = found.drops.find(name)
        return Response(200, path.read_bytes(), {"Content-Type": "text/csv"}) if path else None


class _Collections(Mapping[str, Collection]):
    """Wakes an environment only when one of its collections is opened."""

    def __init__(self, prima: Prima) -> None:
        self._prima = prima

    def __getitem__(self, name: str) -> Collection:
        return self._prima.collection(name)

    def __iter__(self) -> Any:
        return iter(self._prima.names())

    def __len__(self) -> int:
        return len(self._prima.names())


def _moved(environment: Environment, loser: str, winner: str) -> int:
    state = environment.state
    keys = [key for key, order in state["orders"].items() if order.get("Customer") == loser]
    for key in keys:
        state.change("orders", key, {"Customer": winner})
    return len(keys)
