"""Does a read still hold what the mapping file says that it always holds? Pure.

Missing and empty mean the same (contract 4.2), and a site describes itself nowhere: a path that was renamed would read
as empty for everybody. What every reply has the mapping file says (`in_every_reply`). What is required may be missing
from a record, which then waits for a person; where none of several records has it, the path is gone. So is any other
path that none of many records has, on a site that writes what is empty; one that leaves that out says nothing by it.
The columns of the flow's field mapping are such paths.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from connectors.errors import RecordError
from connectors.prima import paths
from connectors.prima.mapping import EntityMapping
from connectors.prima.node import ROW, Node, read
from connectors.prima.paths import Path
from connectors.prima.site import Entity, Field, Site
from connectors.prima.values import given

SEVERAL, MANY, LOOKED_AT = 10, 100, 1_000
"""Records none of which has what it needs, or what the mapping reads: from so many on it is not the records' fault."""
NO_MORE = frozenset({"merged", "archived", "deleted"})
"""A record in such a state may be a few attributes only (contract 7.2)."""
_PART = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`told` is the path as the mapping file has it; one of `ways` is enough. So many records `show` that none is
    there, of any site or of one that writes what is empty."""

    name: str
    told: str
    ways: tuple[Path, ...]
    show: int
    of_any: bool


@dataclass
class _Level:
    """The records themselves, or one kind of their parts: what none of those seen so far has held."""

    path: Path | None
    wanted: list[Wanted]
    seen: int = 0
    writes_empty: bool = False

    def see(self, record: Node) -> None:
        for node in [record] if self.path is None else self.path.nodes(record):
            self.seen += 1
            self.writes_empty = self.writes_empty or not all(map(given, node.attributes.values()))
            self.wanted = [one for one in self.wanted if not any(_holds(way, node) for way in one.ways)]


class Presence:
    """What one read has not seen yet of an entity. `own` are the columns of a field mapping."""

    def __init__(self, site: Site, entity: Entity, own: Sequence[str] = ()) -> None:
        row = entity.record == ROW
        self._mapping = EntityMapping(site, entity)
        self._looked_at = 0
        extra = [Wanted("field mapping", one, (paths.compiled(one, row=row),), MANY, False) for one in own]
        self._levels = [_Level(None, [*_wanted("", entity.fields, row), *extra])]
        self._levels += [
            _Level(paths.compiled(part.record), list(_wanted(f"{name}.", part.fields, row)))
            for name, part in entity.children.items()
        ]

    @property
    def over(self) -> bool:
        """Everything was seen, or enough records: no other need be looked at."""
        return self._looked_at >= LOOKED_AT or not any(level.wanted for level in self._levels)

    def see(self, record: Node) -> None:
        self._looked_at += 1
        if not self._is_no_more(record):
            for level in self._levels:
                level.see(record)

    def watching(self, rows: Iterable[bytes]) -> Iterator[bytes]:
        """The rows of a file, each looked at as long as there is something to learn."""
        for row in rows:
            if not self.over:
                with suppress(RecordError):  # what is wrong with the row its mapping says
                    self.see(read(row)[1])
            yield row

    def missing(self) -> list[Wanted]:
        return [
            one
            for level in self._levels
            for one in level.wanted
            if level.seen >= one.show and (one.of_any or level.writes_empty)
        ]

    def _is_no_more(self, record: Node) -> bool:
        try:
            return bool(self._mapping.field(record, "merged_to")) or self._mapping.field(record, "status") in NO_MORE
        except RecordError:  # a status that no table knows
            return False


def _wanted(prefix: str, specs: Mapping[str, Field], row: bool) -> Iterator[Wanted]:
    for name, spec in specs.items():
        always = spec.in_every_reply
        if always is False or spec.on_missing is not None:
            continue
        show = 1 if always else SEVERAL if spec.required else MANY
        for told in _told(spec, apart=bool(always)):
            ways = tuple(paths.compiled(one, row=row) for one in told)
            yield Wanted(f"{prefix}{name}", " or ".join(map(str, told)), ways, show, bool(always or spec.required))


def _told(spec: Field, apart: bool) -> Sequence[Sequence[str | int]]:
    """Paths of which one is enough; the parts of a template each on its own, where it needs them all."""
    if spec.template is not None:
        parts = [f"@{name}" for name in _PART.findall(spec.template)]
        return [[part] for part in parts] if apart else [parts] if parts else []
    given = [spec.path] if spec.path is not None else spec.first_of or []
    return [given] if given else []


def _holds(way: Path, node: Node) -> bool:
    return next(way.values(node), None) is not None
