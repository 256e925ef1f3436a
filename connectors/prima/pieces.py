"""One element → the rows of a stream that gives a record's parts out one by one."""

import copy
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

from connectors.prima import paths
from connectors.prima.elements import Canonical, below
from connectors.prima.node import Node, Piece, of_element, row_of
from connectors.prima.sales import Planned
from connectors.prima.site import CHANNELS, Entity

Row = bytes


def whole(canonical: Canonical) -> Callable[[Any], list[Row]]:
    return lambda element: [canonical(element)]


def channels(canonical: Canonical, given: Iterable[str]) -> Callable[[Any], list[Row]]:
    """A row for each channel that the site has a flag for."""
    parts = [Piece(channel) for channel in CHANNELS if channel in set(given)]

    def expand(element: Any) -> list[Row]:
        body = canonical(element)
        return [row_of(body, part) for part in parts]

    return expand


def documents(
    canonical: Canonical, entity: Entity, plan: Callable[[Node], Iterable[Planned]]
) -> Callable[[Any], list[Row]]:
    """The rows that `plan` makes of a document: each keeps the header and the one child it stands for."""
    steps = {name: paths.compiled(part.record).steps for name, part in entity.children.items()}

    def expand(element: Any) -> list[Row]:
        planned = list(plan(of_element(element)))
        body = canonical(element)
        if not any(one.part for one in planned):
            return [row_of(body, one.piece) for one in planned]
        header = _header(element, steps.values())
        return [row_of(canonical(_alone(header, element, steps, one)), one.piece) for one in planned]

    return expand


def _header(element: Any, parts: Iterable[Sequence[str]]) -> Any:
    header = copy.deepcopy(element)
    for steps in parts:
        for child in below(header, steps):
            child.getparent().remove(child)
    return header


def _alone(header: Any, element: Any, steps: dict[str, tuple[str, ...]], planned: Planned) -> Any:
    alone = copy.deepcopy(header)
    if planned.part:
        child = below(element, steps[planned.part])[planned.child]
        parent = alone
        for step in steps[planned.part][:-1]:
            parent = below(parent, (step,))[0]
        parent.append(copy.deepcopy(child))
    return alone


def asked(key: str, wanted: Set[str]) -> str:
    """What asked for this row: its own key, or its document's; nothing where neither was asked for."""
    document = key.rpartition("|")[0]
    return key if key in wanted else document if document in wanted else ""
