"""All or nothing over several rows: what a failed changeset did is taken back (dynamics365.md 2.6)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from connectors.emulators.dynamics365.events import EventPump
from connectors.emulators.store import Collection, Record, Store


@contextmanager
def all_or_nothing(store: Store, written: Sequence[Collection], events: EventPump) -> Iterator[None]:
    """Nobody else writes meanwhile; an exception puts every record back as it was, its tag included.

    Events of the block leave when it ends well, and never otherwise.
    """
    with store.lock, events.kept_back():
        before = [dict(collection.items()) for collection in written]
        try:
            yield
        except BaseException:
            for collection, records in zip(written, before, strict=True):
                _restore(collection, records)
            raise


def _restore(collection: Collection, records: dict[str, Record]) -> None:
    new = [key for key in collection if key not in records]
    changed = {key: record for key, record in records.items() if collection.get(key) is not record}
    if new:
        collection.delete_many(new)
    if changed:
        collection.put_many(changed)
