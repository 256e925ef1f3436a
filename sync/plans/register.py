"""A plan's records in memory: 32 bytes each at most half full, so that a million of them fit anywhere."""

from array import array
from collections.abc import Iterator
from hashlib import blake2b

ROOM = 1 << 12


def short(key: str) -> int:
    """Eight bytes of a digest stand for a key; never 0, which marks an empty place."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1


class Register:
    """Key → mark; the later one stands. An open-addressed table in two arrays."""

    def __init__(self, room: int = ROOM) -> None:
        self._keys, self._marks = array("Q", bytes(8 * room)), array("Q", bytes(8 * room))
        self._mask, self._used = room - 1, 0

    def __len__(self) -> int:
        return self._used

    def get(self, key: str) -> int | None:
        place = self._place(short(key))
        return self._marks[place] if self._keys[place] else None

    def __contains__(self, key: str) -> bool:
        return bool(self._keys[self._place(short(key))])

    def put(self, key: str, mark: int) -> None:
        self._put(short(key), mark)

    def _put(self, wanted: int, mark: int) -> None:
        place = self._place(wanted)
        if not self._keys[place]:
            if 2 * self._used > self._mask:
                self._grow()
                place = self._place(wanted)
            self._keys[place] = wanted
            self._used += 1
        self._marks[place] = mark

    def _place(self, wanted: int) -> int:
        place = wanted & self._mask
        while (found := self._keys[place]) and found != wanted:
            place = (place + 1) & self._mask
        return place

    def _items(self) -> Iterator[tuple[int, int]]:
        return ((key, mark) for key, mark in zip(self._keys, self._marks, strict=True) if key)

    def _grow(self) -> None:
        larger = Register(2 * (self._mask + 1))
        for key, mark in self._items():
            larger._put(key, mark)
        self._keys, self._marks, self._mask = larger._keys, larger._marks, larger._mask
