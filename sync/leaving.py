"""A worker that is told to end: the processes of its pool end their slices after the page they are at, so that no
answer is lost and others go on at once."""

import mmap

_told = mmap.mmap(-1, 1)
"""Shared with the processes that are forked from this one. Without a lock, which could die with one of them."""


def tell() -> None:
    _told[0] = 1


def told() -> bool:
    return bool(_told[0])
