"""The control API: what a test, a rehearsal or a curious person does behind the systems' backs.

JSON under `/_control/`, for this machine only. DESIGN section 10 lists the calls; other programs depend on them.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from connectors.emulators.dataset import DatasetError
from connectors.emulators.faults import FaultError
from connectors.emulators.hub import Hub
from connectors.emulators.store import Collection
from connectors.emulators.system import Response, System
from connectors.emulators.wire import Received

_LOOPBACK = frozenset(("127.0.0.1", "::1", "::ffff:127.0.0.1"))
_OWN_NAMES = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))
_encode = msgspec.json.Encoder().encode


class RefusedError(Exception):
    """(status, words) for a call that cannot be done."""


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, _encode(value), headers or {})


class Control:
    """Answers one control call after the other; everything it changes goes through the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def answer(self, received: Received) -> Response:
        try:
            _only_from_here(received)
            if not self._hub.is_loaded:
                raise RefusedError(503, "the emulators are still loading")
            path, _, query = received.target.partition("?")
            parts = [unquote(part) for part in path.split("/")[2:] if part]
            return self._call(received, parts, dict(parse_qsl(query, keep_blank_values=True)))
        except RefusedError as error:
            return _json({"error": error.args[1]}, error.args[0])
        except (DatasetError, FaultError, ValueError) as error:
            return _json({"error": str(error)}, 400)

    def _call(self, received: Received, parts: list[str], query: Mapping[str, str]) -> Response:
        method, first = received.method, parts[0] if parts else "systems"
        if first in self._hub.systems:
            return self._system_call(method, self._hub.systems[first], parts[1:], query, received)
        calls = {
            ("POST", "reset"): self._reset,
            ("POST", "clock"): self._set_clock,
            ("POST", "plant"): self._plant,
            ("POST", "settings"): self._set,
        }
        if call := calls.get((method, first)):
            return call(_object(received))
        if first == "faults":
            return self._faults(method, parts[1:], received)
        if method == "GET" and first in ("systems", "requests", "planted", "clock", "settings"):
            return self._show(first, query, received)
        if method == "DELETE" and first == "requests":
            self._hub.log.clear()
            return Response(204)
        raise RefusedError(404, f"no such control call: {method} /{'/'.join(['_control', *parts])}")

    def _show(self, what: str, query: Mapping[str, str], received: Received) -> Response:
        hub = self._hub
        if what == "requests":
            limit = int(query.get("limit") or 100_000)
            return _json(hub.log.shown(query.get("system", ""), query.get("since", ""), limit))
        if what == "planted":
            return _json({name: system.planted() for name, system in hub.systems.items() if hasattr(system, "planted")})
        if what == "clock":
            return _json({"now": hub.clock.now(), "offset_seconds": hub.clock.offset_seconds})
        if what == "settings":
            return _json(hub.settings)
        root = f"{received.scheme}://{received.headers.get('host', '127.0.0.1')}"
        return _json({name: self._described(system, base) for name, system, base in hub.bases(root)})

    def _described(self, system: System, base: str) -> dict[str, Any]:
        sizes = _sizes(system)
        described = {"base": base, **self._hub.addresses, **system.describe(base)}
        return {**described, "collections": sizes}

    def _reset(self, wanted: Mapping[str, Any]) -> Response:
        unknown = sorted(set(wanted) - {"dataset", "seed", "drift"})
        if unknown:
            raise RefusedError(400, f"reset does not know {', '.join(unknown)}")
        loaded = self._hub.loaded
        seed, drift = wanted.get("seed", loaded.seed), wanted.get("drift", loaded.drift)
        if not isinstance(seed, int) or not isinstance(drift, bool):
            raise RefusedError(400, "seed is a whole number, drift true or false")
        dataset = wanted.get("dataset", loaded.dataset)
        if dataset is not None and not isinstance(dataset, str):
            raise RefusedError(400, "dataset is a name, a folder or null")
        self._hub.load(dataset, seed, drift)
        sizes = {name: _sizes(system) for name, system in self._hub.systems.items()}
        return _json({"dataset": dataset, "seed": seed, "drift": drift, "systems": sizes})

    def _set_clock(self, wanted: Mapping[str, Any]) -> Response:
        offset = wanted.get("offset_seconds")
        if not isinstance(offset, int | float):
            raise RefusedError(400, "offset_seconds is a number")
        self._hub.clock.offset_seconds = offset
        return _json({"now": self._hub.clock.now(), "offset_seconds": offset})

    def _set(self, wanted: Mapping[str, Any]) -> Response:
        """Switches for what the contracts leave open; null puts one back to its default."""
        for name, value in wanted.items():
            if value is None:
                self._hub.settings.pop(name, None)
            else:
                self._hub.settings[name] = str(value)
        return _json(self._hub.settings)

    def _plant(self, wanted: Mapping[str, Any]) -> Response:
        name, seed = str(wanted.get("list", "import")), int(wanted.get("seed", self._hub.loaded.seed))
        planting = {key: system for key, system in self._hub.systems.items() if hasattr(system, "plant")}
        return _json({key: system.plant(name, seed) for key, system in planting.items()})

    def _faults(self, method: str, rest: list[str], received: Received) -> Response:
        faults = self._hub.faults
        if method == "POST":
            wanted = _object(received)
            system = str(wanted.get("system") or "")
            if system and system not in self._hub.systems:
                raise RefusedError(400, f"unknown system {system!r}; there are {', '.join(self._hub.systems)}")
            return _json({"id": faults.add(wanted).id}, 201)
        if method == "GET":
            return _json(faults.shown())
        if method != "DELETE":
            raise RefusedError(405, "faults: POST, GET or DELETE")
        if not rest:
            faults.clear()
        elif not faults.remove(rest[0]):
            raise RefusedError(404, f"no fault {rest[0]}")
        return Response(204)

    def _system_call(
        self, method: str, system: System, rest: list[str], query: Mapping[str, str], received: Received
    ) -> Response:
        if method == "POST" and rest in (["merge"], ["archive"]):
            return self._person(system, rest[0], _object(received))
        if method == "POST" and len(rest) == 1 and rest[0].partition("@")[0] in getattr(system, "actions", ()):
            return self._act(system, rest[0], _object(received))
        if method == "GET" and len(rest) == 2 and rest[0].partition("@")[0] == "files" and hasattr(system, "file"):
            return self._file(system, rest[0], rest[1])
        collections = system.collections()
        if not rest or rest[0] not in collections:
            raise RefusedError(404, f"{system.name} has {', '.join(collections)}")
        collection = collections[rest[0]]
        if len(rest) == 1:
            if method != "GET":
                raise RefusedError(405, "a collection can be read; put one record at a time")
            return _listed(collection, query)
        return self._record(method, collection, "/".join(rest[1:]), received)

    def _person(self, system: System, verb: str, wanted: Mapping[str, Any]) -> Response:
        if not hasattr(system, verb):
            raise RefusedError(400, f"{system.name} cannot {verb}")
        try:
            if verb == "merge":
                rest = {name: value for name, value in wanted.items() if name not in ("from", "into")}
                merge = getattr(system, verb)
                return _json(merge(str(wanted["from"]), str(wanted["into"]), rest))
            return _json(getattr(system, verb)(str(wanted["id"])))
        except KeyError as error:
            raise RefusedError(404, f"{verb}: {error.args[0]} is missing or unknown") from None

    def _act(self, system: Any, action: str, wanted: Mapping[str, Any]) -> Response:
        try:
            return _json(system.act(action, wanted))
        except KeyError as error:
            raise RefusedError(404, f"{action}: {error.args[0]} is missing or unknown") from None

    def _file(self, system: Any, folder: str, name: str) -> Response:
        found: Response | None = system.file(folder, name)
        if found is None:
            raise RefusedError(404, f"{system.name} offers no file {name}")
        return found

    def _record(self, method: str, collection: Collection, key: str, received: Received) -> Response:
        present = collection.get(key)
        if method == "PUT":
            return _json(collection.edit(key, dict(_object(received))), 201 if present is None else 200)
        if present is None:
            raise RefusedError(404, f"no record {key}")
        if method == "GET":
            return _json(present)
        if method == "PATCH":
            return _json(collection.edit(key, {**present, **_object(received)}))
        if method != "DELETE":
            raise RefusedError(405, "a record: GET, PUT, PATCH or DELETE")
        collection.edit(key, None)
        return Response(204)


def _sizes(system: System) -> Mapping[str, int]:
    if hasattr(system, "sizes"):
        sizes: Mapping[str, int] = system.sizes()
        return sizes
    return {name: len(collection) for name, collection in system.collections().items()}


def _listed(collection: Collection, query: Mapping[str, str]) -> Response:
    """The records as stored, oldest first; `ids=1` puts each beside its id. All of them without a limit."""
    offset, limit = int(query.get("offset") or 0), int(query.get("limit") or len(collection))
    found = collection.list(offset, limit)
    shown: list[Any] = [record for _, record in found]
    if query.get("ids"):
        shown = [{"id": key, "record": record} for key, record in found]
    return _json(shown, headers={"X-Total-Count": str(len(collection))})


def _object(received: Received) -> Mapping[str, Any]:
    try:
        value = msgspec.json.decode(received.body or b"{}")
    except msgspec.DecodeError as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return value


def _only_from_here(received: Received) -> None:
    """A page in a browser can reach loopback under a name of its own; the Host header gives it away."""
    host = received.headers.get("host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if received.client not in _LOOPBACK or name.lower() not in _OWN_NAMES:
        raise RefusedError(403, "the control API answers this machine only, under localhost or 127.0.0.1")
