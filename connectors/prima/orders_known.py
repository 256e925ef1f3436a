"""What despatches need to know of their orders: whose they are, and whether they are complete."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from connectors.errors import RecordError
from connectors.prima import node
from connectors.prima.events import CANCELLED, Events
from connectors.prima.node import Node, Piece, of_element, row_of

Row = bytes
LookUp = Callable[[set[str]], Iterable[Row]]


class KnownOrders:
    """Orders seen in this read; others are looked up, those of a page together."""

    def __init__(self, events: Events, look_up: LookUp) -> None:
        self._events, self._look_up = events, look_up
        self._known: dict[str, tuple[str, str]] = {}

    def seen_by(self, expand: Callable[[Any], list[Row]]) -> Callable[[Any], list[Row]]:
        def seen(element: Any) -> list[Row]:
            self.see(of_element(element))
            return expand(element)

        return seen

    def see(self, order: Node) -> None:
        number, customer = self._events.order_of(order)
        if number and customer:
            self._known[number] = (customer, self._events.status_of(order))

    def join(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of despatches with their orders' customer and status; one whose order nobody knows waits."""
        numbers = {number for row in rows if (number := self._number(row))}
        if missing := numbers - self._known.keys():
            for order in self._look_up(missing):
                self.see(node.read(order)[1])
        return [self._joined(row) for row in rows]

    def _joined(self, row: Row) -> Row:
        customer, status = self._known.get(self._number(row), ("", ""))
        return row_of(row, Piece("despatch", customer=customer, status=status)) if customer else row

    def _number(self, row: Row) -> str:
        """The order that a despatch's row names."""
        try:
            piece, found = node.read(row)
        except RecordError:
            return ""
        return "" if piece.part == CANCELLED else self._events.order_number(found)
