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
from connectors.emulators.dynamics365.query import Options
from connectors.emulators.dynamics365.replies import encode
from connectors.emulators.dynamics365.schema import ETAG, NAMESPACE, EntitySet
from connectors.emulators.dynamics365.tables import Row, Table
from connectors.emulators.system import Request


def detail_of(request: Request) -> str:
    """How much of itself the client wants the answer to explain: none, minimal or full (2.2)."""
    asked = re.search(r"odata\.metadata=(none|full)", request.headers.get("accept", ""))
    return asked[1] if asked else "minimal"


class Representation:
    """Shows rows of one entity set to one request; `tables` are where expanded rows come from."""

    def __init__(self, request: Request, entity: EntitySet, options: Options, tables: Mapping[str, Table]) -> None:
        self._request = request
        self._entity = entity
        self._options = options
        self._tables = tables
        self.detail = detail_of(request)

    def rows(self, walk: Iterator[Row], limit: int) -> list[Any]:
        """The next `limit` rows in a form that encodes as JSON."""
        select, expand = self._options.select, self._options.expand
        names = select if self.detail == "none" else (ETAG, *select)
        if self.detail == "none" and not select:
            names = tuple(self._entity.properties)
        elif not select:
            names = ()
        if self.detail == "full" or expand:
            return [self._slowly(row, names) for row in islice(walk, limit)]
        return selected(walk, names, limit)

    def _slowly(self, row: Row, names: Sequence[str]) -> dict[str, Any]:
        shown = {name: row[name] for name in names} if names else dict(row)
        for name in self._options.expand:
            shown[name] = [dict(line) for line in self._lines(row, self._entity.navigation[name])]
        return self._annotated(shown) if self.detail == "full" else shown

    def _lines(self, row: Row, target: str) -> Iterator[Row]:
        index = self._tables[target].indexes()[0]
        prefix = (str(row["dataAreaId"]).lower(), row["InvoiceNumber"])
        return index.rows(index.position(prefix), index.position((*prefix, LAST)))

    def _annotated(self, shown: dict[str, Any]) -> dict[str, Any]:
        """`odata.metadata=full` says of each row what it is and where (2.2)."""
        entity = self._entity
        annotations = {"@odata.type": f"#{NAMESPACE}.{entity.type}"}
        if all(name in shown for name in entity.key):
            bare = ("date", "int")
            key = ",".join(
                f"{name}={shown[name]}" if entity.properties[name].kind in bare else f"{name}='{_quoted(shown[name])}'"
                for name in entity.key
            )
            annotations["@odata.id"] = f"{self._request.base}/data/{entity.name}({key})"
            annotations["@odata.editLink"] = f"{entity.name}({key})"
            links = {f"{name}@odata.navigationLink": f"{entity.name}({key})/{name}" for name in entity.navigation}
            annotations.update(links)
        return {**annotations, **shown}

    @property
    def _context(self) -> str:
        columns = f"({','.join((*self._options.select, *(f'{name}()' for name in self._options.expand)))})"
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


def _quoted(value: Any) -> str:
    return quote(str(value).replace("'", "''"), safe="'")
