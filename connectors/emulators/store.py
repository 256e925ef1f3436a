"""Where emulated systems keep their records: in memory, with an append-only journal on disk.

A journal is a row of frames, each a four-byte length and a msgpack value `[operation, payload]`. It is
handed to the operating system with every change and never synced: it survives `kill -9`, not a power cut.
A frame cut short by a kill ends the journal when it is read again. Compaction writes the present records
to a second file and renames it over the first, so there is always exactly one complete journal.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

import msgspec

Record = dict[str, Any]
Stretch = list[tuple[str, Record]]
Ids = list[str]

_PUT, _PATCH, _DELETE, _CLEAR = "p", "u", "d", "c"
_LENGTH = struct.Struct("<I")
_COMPACT_ABOVE = 64 * 1024 * 1024
_FRAME_RECORDS = 5_000
_encoder = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder().decode


class Journal:
    """The file behind one collection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._size = 0
        self._compact_at = _COMPACT_ABOVE

    def read(self) -> Iterator[tuple[str, Any]]:
        """All whole frames; what follows the last whole one is cut off."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        at = 0
        while at + _LENGTH.size <= len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            end = at + _LENGTH.size + length
            if end > len(content):
                break
            operation, payload = _decode(memoryview(content)[at + _LENGTH.size : end])
            yield operation, payload
            at = end
        if at < len(content):
            os.truncate(self.path, at)
        self._size = at

    def append(self, operation: str, payload: Any) -> None:
        frame = _encoder.encode((operation, payload))
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
        self._file.write(_LENGTH.pack(len(frame)) + frame)
        self._size += len(frame) + _LENGTH.size

    @property
    def is_large(self) -> bool:
        return self._size > self._compact_at

    def rewrite(self, records: Mapping[str, Record]) -> None:
        """Replaces the journal by the records as they are now."""
        self.close()
        fresh = self.path.with_suffix(".new")
        items = iter(records.items())
        with fresh.open("wb") as file:
            while part := dict(islice(items, _FRAME_RECORDS)):
                frame = _encoder.encode((_PUT, part))
                file.write(_LENGTH.pack(len(frame)))
                file.write(frame)
            self._size = file.tell()
        os.replace(fresh, self.path)
        self._compact_at = max(_COMPACT_ABOVE, 3 * self._size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Collection:
    """Records by id, in the order they were first put; every change is journalled at once.

    A record handed out is the stored one: change it only through `put` and `patch`. `accept` and `edited`
    are for the system that owns the collection: `accept(id, record)` completes or refuses (ValueError) a
    record that somebody puts through the control API, `edited(id, before, after)` hears of such an edit
    afterwards (`None` for "not there"), so that indexes stay true.
    """

    def __init__(self, journal: Journal | None, lock: RLock) -> None:
        self.lock = lock
        self.accept: Callable[[str, Record], Record] | None = None
        self.edited: Callable[[str, Record | None, Record | None], None] | None = None
        # Counts the calls that changed anything: what is derived from the records is stale when it moved.
        self.changes = 0
        self._records: dict[str, Record] = {}
        self._sorted: list[str] | None = None
        self._journal = journal
        if journal is not None:
            self._replay(journal)

    def _replay(self, journal: Journal) -> None:
        count = 0
        for operation, payload in journal.read():
            self._apply(operation, payload)
            count += 1
        if count * _FRAME_RECORDS > 4 * len(self._records) + 20 * _FRAME_RECORDS:
            journal.rewrite(self._records)

    def _apply(self, operation: str, payload: Any) -> None:
        records = self._records
        if operation == _PUT:
            records.update(payload)
        elif operation == _PATCH:
            for key, changes in payload.items():
                records[key] = {**records.get(key, {}), **changes}
        elif operation == _DELETE:
            for key in payload:
                records.pop(key, None)
        else:
            records.clear()

    def _change(self, operation: str, payload: Any) -> None:
        before = len(self._records)
        self._apply(operation, payload)
        self.changes += 1
        if len(self._records) != before:  # no call both adds and removes
            self._sorted = None
        journal = self._journal
        if journal is None:
            return
        journal.append(operation, payload)
        if journal.is_large:
            journal.rewrite(self._records)

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def put(self, key: str, record: Record) -> None:
        self.put_many({key: record})

    def put_many(self, records: Mapping[str, Record]) -> None:
        """Whole records, new or replaced, in one journal frame."""
        with self.lock:
            self._change(_PUT, records)

    def patch(self, key: str, changes: Mapping[str, Any]) -> Record:
        """Merges changes into one record, which need not exist; returns the record as it is now."""
        self.patch_many({key: changes})
        return self._records[key]

    def patch_many(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        with self.lock:
            self._change(_PATCH, changes)

    def delete(self, key: str) -> bool:
        return self.delete_many([key]) == 1

    def delete_many(self, keys: Iterable[str]) -> int:
        with self.lock:
            present = [key for key in keys if key in self._records]
            if present:
                self._change(_DELETE, present)
            return len(present)

    def clear(self) -> None:
        with self.lock:
            self._change(_CLEAR, None)
            if self._journal is not None:
                self._journal.rewrite({})

    def edit(self, key: str, record: Record | None) -> Record | None:
        """A change made behind the system's back (control API); `None` deletes. ValueError when refused."""
        with self.lock:
            before = self.get(key)
            if record is None:
                self.delete(key)
            else:
                record = self.accept(key, record) if self.accept else record
                self.put(key, record)
            if self.edited:
                self.edited(key, before, record)
            return record

    def list(self, offset: int = 0, limit: int = 100) -> Stretch:
        """A stretch of ids with their records, in insertion order."""
        with self.lock:
            return list(islice(self._records.items(), offset, offset + limit))

    def sorted_ids(self) -> Ids:
        """All ids in code-point order; sorted once, kept until ids come or go. Do not change the list."""
        with self.lock:
            if self._sorted is None:
                self._sorted = sorted(self._records)
            return self._sorted

    def items(self) -> Iterable[tuple[str, Record]]:
        """Live view in insertion order: hold `lock` while walking it."""
        return self._records.items()

    def values(self) -> Iterable[Record]:
        return self._records.values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def __len__(self) -> int:
        return len(self._records)


class Store:
    """Named collections of one system, below one folder; `None` keeps everything in memory only."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.lock = RLock()
        self._collections: dict[str, Collection] = {}
        self._journals: list[Journal] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def collection(self, name: str) -> Collection:
        """The collection of that name, read from its journal on first use."""
        with self.lock:
            if name not in self._collections:
                self._collections[name] = Collection(self._journal(name), self.lock)
            return self._collections[name]

    def _journal(self, name: str) -> Journal | None:
        if self.folder is None:
            return None
        journal = Journal(self.folder / f"{name}.journal")
        self._journals.append(journal)
        return journal

    def close(self) -> None:
        for journal in self._journals:
            journal.close()
