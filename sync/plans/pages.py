"""The planned records as they are stored: a compressed page a page of the source, read back one at a time."""

import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from sync import packing
from sync.models import SyncPlan, SyncPlanPage
from sync.plans.actions import Action, mark
from sync.plans.register import Register


class Planned(NamedTuple):
    action: Action
    content: bytes
    key: str


def packed(records: Sequence[Planned]) -> bytes:
    """One line a record; a key holds no line break, as nothing that is stored does."""
    lines = [f"{one.action} {one.content.hex()} {one.key.encode('unicode_escape').decode()}" for one in records]
    return packing.packed("\n".join(lines).encode())


def unpacked(page: bytes | memoryview) -> Iterator[Planned]:
    for line in zlib.decompress(bytes(page)).decode().splitlines():
        action, content, key = line.split(" ", 2)
        yield Planned(Action(action), bytes.fromhex(content), key.encode("latin-1").decode("unicode_escape"))


def stored(plan: SyncPlan) -> Iterator[SyncPlanPage]:
    return SyncPlanPage.objects.filter(plan=plan).order_by("number").iterator(chunk_size=20)


def register(plan: SyncPlan) -> Register:
    """Every planned record; of one that was met twice, the later."""
    found = Register()
    for page in stored(plan):
        for one in unpacked(page.records):
            found.put(one.key, mark(one.action, one.content))
    return found


def digest(plan: SyncPlan) -> str:
    """Over the whole difference, in the order it was read. What merely stays is no part of it."""
    whole = sha256(plan.mapping_version.encode())
    for page in stored(plan):
        for one in unpacked(page.records):
            if one.action is not Action.KEEP:
                whole.update(f"{one.action} {one.key}\0".encode("utf-8", "surrogatepass") + one.content)
    return whole.hexdigest()
