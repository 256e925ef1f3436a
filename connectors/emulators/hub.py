"""All emulated systems of one process: which there are, what they hold, and what goes wrong between them."""

import gc
import importlib
import pkgutil
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, RLock
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

import connectors.emulators as package
from connectors.emulators.datasets import open_dataset
from connectors.emulators.faults import Faults, strike
from connectors.emulators.request_log import RequestLog
from connectors.emulators.store import Store
from connectors.emulators.system import Host, Request, Response, System
from connectors.emulators.wire import Delivery, Received


class Loaded(msgspec.Struct):
    """What the state on disk was made from; written when loading has ended, so half a load is no state."""

    dataset: str | None
    seed: int
    drift: bool
    systems: list[str]


@dataclass
class Clock:
    """The time the systems live in: the machine's, moved by an offset."""

    offset_seconds: float = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)


def factories() -> dict[str, Callable[[Host], System]]:
    """Every package below `connectors.emulators` that exports `system`, by package name."""
    found = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if module.ispkg:
            exports = importlib.import_module(f"{package.__name__}.{module.name}")
            factory = getattr(exports, "system", None)
            if callable(factory):
                found[module.name] = factory
    return found


@dataclass
class Hub:
    """Answers every request that is not for the control API."""

    state: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.faults = Faults()
        self.log = RequestLog()
        self.stopping = Event()
        self.is_loaded = False
        self.addresses: dict[str, str] = {}  # where else the process listens, and the certificate it shows there
        self.lock = RLock()
        self.loaded = Loaded(None, 1, True, [])
        self.systems: dict[str, System] = {}
        shared = Store(self.state / "shared" if self.state else None)
        self._stores: list[Store] = [shared]
        for name, factory in factories().items():
            store = Store(self.state / name if self.state else None)
            self._stores.append(store)
            system = factory(Host(store, self.clock.now, self.settings, shared))
            self.systems[system.name] = system
        prefixes = [(prefix.rstrip("/"), system) for system in self.systems.values() for prefix in system.prefixes]
        # The longest first: `/emarsys/api` before `/emarsys`.
        self._prefixes = sorted(prefixes, key=lambda pair: -len(pair[0]))

    def start(self, dataset: str | None, seed: int, drift: bool, fresh: bool) -> None:
        """Keeps the state on disk when there is a whole one of these systems, else loads the dataset."""
        kept = None if fresh else self._kept()
        if kept is not None and set(self.systems) <= set(kept.systems):
            self.loaded = kept
        else:
            self.load(dataset, seed, drift)
        self.is_loaded = True
        gc.freeze()  # half a million lines that never go: the collector need not look at them again

    def _kept(self) -> Loaded | None:
        path = self.state / "loaded.json" if self.state else None
        if path is None or not path.exists():
            return None
        return msgspec.json.decode(path.read_bytes(), type=Loaded)

    def load(self, dataset: str | None, seed: int, drift: bool) -> None:
        """Every system starts over. DatasetError before anything is touched when the dataset is no good."""
        with self.lock:
            opened = open_dataset(dataset, seed)
            path = self.state / "loaded.json" if self.state else None
            if path is not None:
                path.unlink(missing_ok=True)
            for system in self.systems.values():
                system.load(opened, seed, drift)
            self.loaded = Loaded(opened.source if opened else None, seed, drift, list(self.systems))
            if path is not None:
                path.write_bytes(msgspec.json.encode(self.loaded))

    def close(self) -> None:
        self.stopping.set()
        for system in self.systems.values():
            if hasattr(system, "close"):
                system.close()
        for store in self._stores:
            store.close()

    def bases(self, root: str) -> Iterator[tuple[str, System, str]]:
        """(name, system, its base address) below a root such as `http://127.0.0.1:8900`."""
        for name, system in self.systems.items():
            yield name, system, root + system.prefixes[0].rstrip("/")

    def answer(self, received: Received) -> Delivery:
        path, _, query = received.target.partition("?")
        if "://" in path:  # a proxy's absolute form
            path = urlsplit(path).path
        for prefix, system in self._prefixes:
            if path == prefix or path.startswith(prefix + "/"):
                return self._route(received, system, prefix, path[len(prefix) :] or "/", query)
        self.log.add("", received.method, received.target, 404, sent=len(received.body))
        return Delivery(Response(404, b'{"error":"no emulated system lives under this path"}'))

    def _route(self, received: Received, system: System, prefix: str, below: str, query: str) -> Delivery:
        request = Request(
            method="GET" if received.method == "HEAD" else received.method,
            path=unquote(below),
            target=f"{below}?{query}" if query else below,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=received.headers,
            body=received.body,
            base=f"{received.scheme}://{received.headers.get('host', '127.0.0.1')}{prefix}",
            prefix=prefix,
        )
        target = received.target + (system.label(request) if hasattr(system, "label") else "")
        fault = self.faults.take(system.name, received.method, target)

        def act(passed_on: Mapping[str, Any] | None) -> Response:
            try:
                return system.handle(replace(request, fault=passed_on) if passed_on else request)
            except Exception:
                traceback.print_exc()
                return Response(500, b'{"error":"the emulator failed; its standard error says where"}')

        if fault is None:
            delivery = Delivery(act(None))
        else:
            delivery = strike(fault, act, system.throttled, system.expire_tokens, self.stopping)
        answer = delivery.answer
        if fault and answer is not None and hasattr(system, "headers"):
            answer.headers = {**system.headers(), **answer.headers}
        status, size, records = (answer.status, len(answer.body), answer.records) if answer else (0, 0, 0)
        struck = f"{fault.id} {fault.kind}" if fault else ""
        self.log.add(system.name, received.method, target, status, size, records, len(received.body), struck)
        return delivery
