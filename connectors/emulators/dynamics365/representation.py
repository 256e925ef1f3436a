"""How rows look on the wire: selected columns, annotations, expanded lines, the page around them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import msgspec

from connectors.emulators.dynamics365.bounds import LAST
from connectors.emulators.dynamics365.entity_sets.catalogue import ENTITY_SETS
from connectors.emulators.dynamics365.query import Options
from connectors.emulators.dynamics365.replies import encode
from connectors.emulators.dynamics365.schema import ETAG, NAMESPACE, EntitySet, Link
from connectors.emulators.dynamics365.tables import Row, Table
from connectors.emulators.system import Request


def detail_of(request: Request) -> str:
    """How much of itself the client wants the answer to explain: none, minimal or full (2.2)."""
    asked = re.search(r"odata\.metadata=(none|full)", request.headers.get("accept", ""))
    return asked[1] if asked else "minimal"


class Representation:
    """Shows rows of one entity set to one request; `base` is the set's name among ours.

    `tables` are where expanded rows come from.
    """

    def __init__(
        self, request: Request, entity: EntitySet, base: str, options: Options, tables: Mapping[str, Table]
    ) -> None:
        self._request = request
        self._entity = entity
        self._base = base
        self._options = options
        self._tables = tables
        self.detail = detail_of(request)

    def rows(self, walk: Iterator[Row], limit: int) -> list[Any]:
        """The next `limit` rows in a form that encodes as JSON."""
        select, expand = self._options.select, self._options.expand
        names = select if self.detail == "none" else (ETAG, *select)
        if not select and (self.detail == "none" or self._is_narrowed):
            names = (*names, *self._entity.properties)
        elif not select:
            names = ()
        if self.detail == "full" or expand:
            return [self._slowly(row, names) for row in islice(walk, limit)]
        return selected(walk, names, limit)

    @property
    def _is_narrowed(self) -> bool:
        """The tenant shows fewer properties than the rows have."""
        return len(self._entity.properties) < len(ENTITY_SETS.get(self._base, self._entity).properties)

    def _slowly(self, row: Row, names: Sequence[str]) -> dict[str, Any]:
        shown = {name: row[name] for name in names} if names else dict(row)
        for name, select in self._options.expand:
            found = self._entity.navigation[name]
            rows = [self._reduced(other, select) for other in self._linked(row, found)]
            shown[name] = rows if found.many else next(iter(rows), None)
        return self._annotated(shown) if self.detail == "full" else shown

    def _reduced(self, row: Row, select: tuple[str, ...]) -> dict[str, Any]:
        names = (ETAG, *select) if select else tuple(row)
        return {name: row[name] for name in names if name in row and (name != ETAG or self.detail != "none")}

    def _linked(self, row: Row, found: Link) -> Iterator[Row]:
        """The rows of the other set, along its index that begins with the linking properties."""
        width = len(found.theirs)
        index = next(i for i in self._tables[found.target].indexes() if i.columns[:width] == found.theirs)
        values = (str(row[name]).lower() if name == "dataAreaId" else row[name] for name in found.ours)
        prefix = tuple(values)
        return index.rows(index.position(prefix), index.position((*prefix, LAST)))

    def _annotated(self, shown: dict[str, Any]) -> dict[str, Any]:
        """`odata.metadata=full` says of each row what it is and where (2.2)."""
        entity = self._entity
        annotations = {"@odata.type": f"#{NAMESPACE}.{entity.type}"}
        if all(name in shown for name in entity.key):
            key = key_text(entity, shown)
            annotations["@odata.id"] = f"{self._request.base}/data/{entity.name}({key})"
            annotations["@odata.editLink"] = f"{entity.name}({key})"
            links = {f"{name}@odata.navigationLink": f"{entity.name}({key})/{name}" for name in entity.navigation}
            annotations.update(links)
        return {**annotations, **shown}

    @property
    def _context(self) -> str:
        expanded = (f"{name}({','.join(select)})" for name, select in self._options.expand)
        columns = f"({','.join((*self._options.select, *expanded))})"
        return f"{self._request.base}/data/$metadata#{self._entity.name}{columns if len(columns) > 2 else ''}"

    def one(self, row: Row) -> bytes:
        """One row at top level, its context ending in `/$entity` (2.2)."""
        [shown] = self.rows(iter([row]), 1)
        body = encode(shown)
        return (
            body
            if self.detail == "none"
            else encode({"@odata.context": f"{self._context}/$entity"})[:-1] + b"," + body[1:]
        )

    def page(self, rows: list[Any], count: int | None, link: str) -> bytes:
        """Count and link belong to every level of detail, the context only to those that explain."""
        parts = [] if self.detail == "none" else [b'"@odata.context":' + encode(self._context)]
        if count is not None:
            parts.append(b'"@odata.count":%d' % count)
        parts.append(b'"value":' + encode(rows))
        if link:
            parts.append(b'"@odata.nextLink":' + encode(link))
        return b"{%b}" % b",".join(parts)


@lru_cache(maxsize=64)
def _shape(names: tuple[str, ...]) -> tuple[type[msgspec.Struct], Callable[[Row], tuple[Any, ...]]]:
    """A struct type with these properties, which encodes in half the time of a dict, and what fills it."""
    fields = [(f"p{at}", Any) for at in range(len(names))]
    renamed = {f"p{at}": name for at, name in enumerate(names)}
    values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
    return msgspec.defstruct("Selected", fields, rename=renamed, gc=False), values


def selected(rows: Iterator[Row], names: Sequence[str], limit: int) -> list[Any]:
    """The next `limit` rows reduced to these names; no names take all there is."""
    if not names:
        return list(islice(rows, limit))
    shape, values = _shape(tuple(dict.fromkeys(names)))
    return [shape(*values(row)) for row in islice(rows, limit)]


def key_text(entity: EntitySet, row: Row) -> str:
    """The key as it stands in an address."""
    return ",".join(
        f"{name}='{_quoted(row[name])}'" if entity.properties[name].is_quoted else f"{name}={row[name]}"
        for name in entity.key
    )


def _quoted(value: Any) -> str:
    return quote(str(value).replace("'", "''"), safe="'")
