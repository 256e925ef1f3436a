"""What can go wrong between two pages; the control API asks for it (dynamics365.md 7 rows 10 and 11, 8.7).

`duplicate_page`: the previous page of the set once more. `repeat_next_link`: a link to the same page. `partial`: a
page that ends after `rows` rows, with its link. `duplicate_rows`: the page begins with the last `rows` (1) of the page
before. `stale_next_link`: a link that is refused with `code` (400) when it is followed. `mutate_rows`: after the page
is answered its first `delete` (1) rows go away, or `insert` rows appear before it.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from connectors.emulators.dynamics365.replies import ODataError
from connectors.emulators.dynamics365.schema import ETAG
from connectors.emulators.dynamics365.tables import Row, Table
from connectors.emulators.dynamics365.writing import writable
from connectors.emulators.system import Request, Response

_STALE = "stale"
Fault = Mapping[str, Any]


class Pages:
    """The last page of each set, for the faults that show it again."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Response, list[Any]]] = {}

    def again(self, fault: Fault, name: str) -> Response | None:
        return self._last[name][0] if fault.get("kind") == "duplicate_page" and name in self._last else None

    def with_repeats(self, fault: Fault, name: str, rows: list[Any]) -> list[Any]:
        if fault.get("kind") != "duplicate_rows" or name not in self._last:
            return rows
        return [*self._last[name][1][-int(fault.get("rows", 1)) :], *rows]

    def keep(self, name: str, answer: Response, rows: list[Any]) -> None:
        self._last[name] = answer, rows[-100:]


def shortened(fault: Fault, limit: int) -> int:
    return min(limit, int(fault.get("rows", max(1, limit // 2)))) if fault.get("kind") == "partial" else limit


def link(fault: Fault, request: Request, true: str) -> str:
    if fault.get("kind") == "repeat_next_link":
        return f"{request.base}{request.target}"
    if fault.get("kind") == "stale_next_link" and true:
        return f"{true}&{_STALE}={int(fault.get('code', 400))}"
    return true


def refuse_stale(request: Request) -> None:
    """ODataError when the request follows a link that was given out stale."""
    if _STALE in request.query:
        raise ODataError(int(request.query[_STALE]), "The continuation token of the link is not valid any more.")


def mutate(fault: Fault, table: Table, walk: Iterator[Row]) -> None:
    """Changes the set behind a client that is about to ask for the next page by offset."""
    if fault.get("kind") != "mutate_rows":
        return
    target = writable(table)
    inserted = int(fault.get("insert", 0))
    for at, row in enumerate(list(islice(walk, inserted or int(fault.get("delete", 1))))):
        if not inserted:
            target.edit(target.id_of(row), None)
            continue
        place = target.id_of(row)
        head, _, _ = place.rpartition("|")
        values = {name: value for name, value in row.items() if name != ETAG and name not in table.entity.key}
        target.edit(f"{head}|!{at}" if head else f"!{at}", values)
