"""Values of despatches and cancelled orders → OrderEvent. Pure; knows no name of the site."""

from connectors.base import Excluded, Mapped
from connectors.errors import RecordError
from connectors.prima import node
from connectors.prima.mapping import EntityMapping, Values
from connectors.prima.node import Node, Piece
from connectors.prima.orders import status
from connectors.prima.rules import SiteRules
from connectors.records import OrderEvent

DESPATCH, CANCELLED = "despatch", "cancelled"


class Events:
    """One event per despatch, not per version of it (contract 7.6), and one per cancelled order.

    A despatch says neither whose it is nor whether the order is complete: both are the order's, and stand in
    the row's piece as the read found them.
    """

    def __init__(self, despatch: EntityMapping | None, order: EntityMapping, rules: SiteRules) -> None:
        self._despatch, self._order, self._rules = despatch, order, rules

    def key(self, row: bytes) -> str:
        piece, found = node.read(row)
        if piece.part == CANCELLED:
            return f"{self._order.key(found, ('number',))}|{CANCELLED}"
        return self.despatch_key(found)

    def despatch_key(self, found: Node) -> str:
        """The despatch's number; where the site has none, order and consignment."""
        mapping = self._needed()
        number = str(mapping.field(found, "number") or "")
        return number or mapping.key(found, ("order", "consignment"))

    def map(self, row: bytes) -> Mapped:
        piece, found = node.read(row)
        if piece.part == CANCELLED:
            return self._cancelled(found, self.key(row))
        values = self._needed().values(found)
        return self._dispatched(values, piece, self.despatch_key(found))

    def is_cancelled(self, found: Node) -> bool:
        """False also where the status cannot be read: the order itself says so."""
        return self.status_of(found) == "cancelled"

    def status_of(self, found: Node) -> str:
        try:
            return status(str(self._order.field(found, "status") or ""))
        except RecordError:
            return ""

    def order_of(self, found: Node) -> tuple[str, str]:
        """(number, customer) of an order, empty where it has none."""
        try:
            return str(self._order.field(found, "number") or ""), str(self._order.field(found, "customer") or "")
        except RecordError:
            return "", ""

    def order_number(self, found: Node) -> str:
        """The order that a despatch names."""
        try:
            return str(self._needed().field(found, "order") or "")
        except RecordError:
            return ""

    def _dispatched(self, values: Values, piece: Piece, key: str) -> Mapped:
        customer = values.text("customer") or piece.customer
        order = values.text("order")
        if not customer:
            raise RecordError("order_not_known", "order", "The despatch's order is not known yet; it waits.", order)
        word = values.text("status") or piece.status
        carrier, service = values.text("carrier"), values.text("service")
        consignment = values.text("consignment")
        url = values.text("tracking_url") or self._rules.tracking_url(carrier, service, consignment)
        record = OrderEvent(
            key=key,
            event="part_dispatched" if word and status(word) == "part_shipped" else "dispatched",
            customer=customer,
            account=customer,
            order=order,
            happened_at=values.get("despatched_at"),
            tracking_number=consignment,
            tracking_url=url,
            values={name: text for name, text in (("order", order), ("carrier", carrier), ("service", service),
                                                  ("despatch", values.text("number"))) if text},
        )  # fmt: skip
        rule = self._rules.excludes_order(customer, False)
        return Mapped(Excluded(key, rule, record) if rule else record, values.faults)

    def _cancelled(self, found: Node, key: str) -> Mapped:
        values = self._order.values(found)
        customer = values.text("customer")
        record = OrderEvent(
            key=key,
            event="cancelled",
            customer=customer,
            account=customer,
            order=values.text("number"),
            happened_at=values.get("changed_at") or values.get("placed_at"),
            values={"order": values.text("number")},
        )
        rule = self._rules.excludes_order(customer, bool(values.get("wholesale")))
        return Mapped(Excluded(key, rule, record) if rule else record)

    def _needed(self) -> EntityMapping:
        if self._despatch is None:
            raise RecordError("malformed_row", "part", "The mapping file describes no despatches.")
        return self._despatch
