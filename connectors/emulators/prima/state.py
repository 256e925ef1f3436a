"""What one environment holds. Nothing of it is in memory before somebody asks for it."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from connectors.emulators.dataset import Dataset
from connectors.emulators.datasets import open_dataset
from connectors.emulators.prima.dialect import STAMP
from connectors.emulators.prima.loading import everything
from connectors.emulators.prima.vocabulary import COLLECTIONS, PARTS
from connectors.emulators.store import Collection
from connectors.emulators.system import Host

Record = dict[str, Any]
_KEYS = {"customers": "Customer", "orders": "OrderNumber", "credits": "CreditNumber", "despatches": "DespatchNumber"}
_MANY = 10_000
_EXTRA = ("writes", "drops")  # answers by UniqueId; the files written so far


class State:
    """The collections of one environment.

    `meta` remembers what they are to be made from; the first call that needs a record makes or reads them,
    so that a process whose clients never ask Prima neither loads nor holds anything.
    """

    def __init__(self, host: Host, environment: str) -> None:
        self._host = host
        self._store = host.store
        self._name = environment
        self.meta = host.store.collection(f"{environment}.meta")
        self._opened: dict[str, Collection] | None = None

    @property
    def is_awake(self) -> bool:
        return self._opened is not None

    def remember(self, dataset: Dataset | None, seed: int) -> None:
        """Starts over with this data, when it is next asked for."""
        with self._store.lock:
            if self._opened is not None:
                for collection in self._opened.values():
                    collection.clear()
            self._opened = None
            self.meta.put("source", {"dataset": dataset.source if dataset else None, "seed": seed, "loaded": False})

    def __getitem__(self, name: str) -> Collection:
        return self.collections()[name]

    def collections(self) -> Mapping[str, Collection]:
        """Awake from now on. DatasetError when the dataset can no longer be read."""
        with self._store.lock:
            if self._opened is None:
                with _undisturbed():
                    self._opened = self._wake()
                if sum(map(len, self._opened.values())) > _MANY:
                    gc.freeze()  # they stay: the collector need not look at them again
            return self._opened

    def _wake(self) -> dict[str, Collection]:
        names = (*COLLECTIONS, *_EXTRA)
        opened = {name: self._store.collection(f"{self._name}.{name}") for name in names}
        source = self.meta.get("source") or {"dataset": None, "seed": 1, "loaded": True}
        if not source["loaded"]:
            self._load(opened, source)
            self.meta.put("source", {**source, "loaded": True})
        for name in COLLECTIONS:
            self._watch(name, opened[name])
        return opened

    def _load(self, opened: Mapping[str, Collection], source: Record) -> None:
        for collection in opened.values():
            collection.clear()
        dataset = open_dataset(source["dataset"], source["seed"])
        if dataset is None:
            return
        separator = self._host.settings.get("prima.sku_separator", "-")
        for name, records in everything(dataset, separator, self.now()).items():
            for some in _portions(records):
                opened[name].put_many(some)

    def now(self) -> str:
        return self._host.now().astimezone(UTC).strftime(STAMP)

    def moment(self) -> datetime:
        return self._host.now()

    def _watch(self, name: str, collection: Collection) -> None:
        """An edit from outside moves `LastChanged`, unless it sets it; unknown names are refused."""
        part, key_name = PARTS[name], _KEYS.get(name, "")
        known = {*part.attributes, *(child.stored for child in part.children)}

        def accepted(key: str, record: Record) -> Record:
            if unknown := sorted(set(record) - known):
                raise ValueError(f"{part.element} has no attribute {', '.join(unknown)}")
            before = collection.get(key) or {}
            identity = {key_name: key} if key_name else {}
            moved = record.get("LastChanged", "") == before.get("LastChanged", "")
            return {**identity, **record, **({"LastChanged": self.now()} if moved else {})}

        collection.accept = accepted

    def change(self, name: str, key: str, changes: Mapping[str, Any]) -> Record:
        """A change of Prima's own making, at this moment."""
        return self[name].patch(key, {**changes, "LastChanged": self.now()})


def _portions(records: Mapping[str, Record], size: int = 5_000) -> Iterator[dict[str, Record]]:
    items = list(records.items())
    for at in range(0, len(items), size):
        yield dict(items[at : at + size])


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Half a million new records, none of them garbage: the collector would look for it again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
