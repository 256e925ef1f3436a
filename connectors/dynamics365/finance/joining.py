"""Headers with their lines: a merge join of two ordered reads, in constant memory."""

from collections.abc import Hashable, Iterable, Iterator
from itertools import groupby
from typing import Generic, NamedTuple, Protocol, TypeVar

from connectors.dynamics365 import odata
from connectors.dynamics365.ahead import ahead


class Key(Hashable, Protocol):
    """What headers and lines are matched by, for equality alone."""

    @property
    def stretch(self) -> tuple[str, ...]:
        """What both reads are surely ordered by, whatever order the server gives to document numbers."""
        ...


K = TypeVar("K", bound=Key)
Made = TypeVar("Made", bound=Key, covariant=True)


class Part(NamedTuple, Generic[K]):
    """A header, or all lines of one document."""

    key: K
    raw: list[bytes]


Waiting = tuple[dict[K, Part[K]], dict[K, Part[K]]]
"""Headers and lines whose match has not come."""


class Document(NamedTuple, Generic[K]):
    key: K
    headers: list[bytes]
    lines: list[bytes]
    whole: bool
    """Everything before and with this document has been given out: a page may end here."""


class KeyOf(Protocol[Made]):
    def __call__(self, row: bytes, /) -> Made: ...


def parts(pages: Iterator[odata.ODataPage], key_of: "KeyOf[K]", totals: list[int | None]) -> Iterator[Part[K]]:
    """The rows of an ordered read by document, the next page being fetched meanwhile; notes the pages' counts."""

    def rows() -> Iterator[tuple[K, bytes]]:
        for page in ahead(pages):
            totals.append(page.count)
            for row in page.rows:
                yield key_of(row), row

    for key, group in groupby(rows(), lambda pair: pair[0]):
        yield Part(key, [row for _, row in group])


def joined(headers: Iterable[Part[K]], lines: Iterable[Part[K]]) -> Iterator[Document[K]]:
    """Each header with its lines; headers without lines and lines without a header on their own.

    Both come in one order that the server chose (its collation, not ours), so keys are compared for equality
    alone: parts wait until their match comes, and what waited before a match has none.
    """
    sides = (iter(headers), iter(lines))
    heads = [next(side, None) for side in sides]
    waiting: Waiting[K] = ({}, {})
    stretch: tuple[str, ...] | None = None
    while any(heads):
        here = min(part.key.stretch for part in heads if part)
        if here != stretch:
            yield from _alone(waiting)
            stretch = here
        for mine in (0, 1):
            part = heads[mine]
            if part is None or part.key.stretch != here:
                continue
            heads[mine] = next(sides[mine], None)
            match = waiting[1 - mine].get(part.key)
            if match is None:
                waiting[mine][part.key] = part
                other = heads[1 - mine]
                if not waiting[1 - mine] and (other is None or other.key.stretch != here):
                    yield from _alone(waiting)  # nothing is left that it could wait for
                continue
            yield from _alone(waiting, until=part.key, of=1 - mine)
            header, body = (part, match) if mine == 0 else (match, part)
            yield Document(part.key, header.raw, body.raw, not any(waiting))
    yield from _alone(waiting)


def _alone(waiting: Waiting[K], until: K | None = None, of: int = 0) -> Iterator[Document[K]]:
    """Gives out what waited in vain: everything, or on side `of` only what came before the key `until`."""
    for side in (0, 1):
        for key in list(waiting[side]):
            part = waiting[side].pop(key)
            if key == until and side == of:
                break
            raw: tuple[list[bytes], list[bytes]] = (part.raw, []) if side == 0 else ([], part.raw)
            yield Document(key, *raw, until is None and not any(waiting))
