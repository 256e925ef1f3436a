"""Values of an order → Order and OrderStatus. Pure; knows no name of the site."""

from decimal import Decimal

from connectors.base import Excluded, Fault, Mapped
from connectors.errors import RecordError
from connectors.prima import node
from connectors.prima.mapping import EntityMapping, Values
from connectors.prima.money import ZERO, balanced, line_money
from connectors.prima.node import Node
from connectors.prima.rules import SiteRules
from connectors.records import ORDER_STATUSES, Order, OrderLine, OrderStatus

STATUSES = {"part_despatched": "part_shipped", "despatched": "shipped"} | {name: name for name in ORDER_STATUSES}
"""The contract's words (7.4) and the console's."""


def status(word: str, field: str = "status") -> str:
    """Raises RecordError for a word that the site's table gives and nobody knows: never guessed."""
    if word not in STATUSES:
        raise RecordError("unmapped_value", field, "The site's table gives no status that the console knows.", word)
    return STATUSES[word]


class Orders:
    """The streams `order` and `order_status`. A change to a line sends the whole order again (contract 7.4)."""

    def __init__(self, mapping: EntityMapping, rules: SiteRules) -> None:
        self._mapping, self._rules = mapping, rules

    def key(self, row: bytes) -> str:
        _, found = node.read(row)
        return self._mapping.key(found, ("number",))

    def customer(self, row: bytes) -> str:
        _, found = node.read(row)
        return str(self._mapping.field(found, "customer") or "") or _missing("customer")

    def moment(self, found: Node) -> str:
        """When the order changed, or was placed; it sorts as text."""
        moment = self._mapping.field(found, "changed_at") or self._mapping.field(found, "placed_at")
        return moment.isoformat() if moment else ""

    def map(self, row: bytes) -> Mapped:
        _, found = node.read(row)
        values = self._mapping.values(found)
        key = self._mapping.key(found, ("number",))
        record = self._order(values, key)
        rule = self._rules.excludes_order(record.account, bool(values.get("wholesale")))
        faults = (*values.faults, *unbalanced(values, record.lines, record.charges or ZERO, key))
        return Mapped(Excluded(key, rule, record) if rule else record, faults)

    def map_status(self, row: bytes) -> Mapped:
        _, found = node.read(row)
        values = self._mapping.values(found)
        account = self.customer(row)
        record = OrderStatus(
            key=account,
            account=account,
            last_order=values.text("number"),
            last_status=status(values.text("status")),
            last_placed_at=values.get("placed_at"),
        )
        rule = self._rules.excludes_order(account, bool(values.get("wholesale")))
        return Mapped(Excluded(account, rule, record) if rule else record)

    def _order(self, values: Values, key: str) -> Order:
        lines = tuple(self._line(line) for line in values.children.get("lines", ()))
        charges = sum((part.get("amount") for part in values.children.get("charges", ())), ZERO)
        header = status(values.text("status"))
        cancelled = [line for line in lines if line.status == "cancelled" or line.cancelled]
        return Order(
            key=key,
            number=values.text("number"),
            customer=values.text("customer"),
            account=values.text("customer"),
            placed_at=values.get("placed_at"),
            changed_at=values.get("changed_at"),
            status=header,
            partly_cancelled=bool(cancelled) and header != "cancelled",
            currency=values.text("currency"),
            goods=values.get("goods"),
            discount=values.get("discount"),
            charges=charges,
            tax=values.get("tax"),
            total=values.get("total"),
            campaign=values.text("campaign"),
            channel=values.text("channel"),
            lines=lines,
        )

    def _line(self, line: Values) -> OrderLine:
        price, amount = line_money(line, self._rules.said)
        word = line.text("status")
        return OrderLine(
            line=line.text("line"),
            sku=line.text("sku"),
            name=line.text("name"),
            quantity=line.get("quantity") or ZERO,
            shipped=line.get("shipped"),
            cancelled=line.get("cancelled"),
            unit_price=price,
            discount=line.get("discount"),
            amount=amount,
            status=status(word, "lines.status") if word else "",
            charge=self._rules.is_service(line.text("product") or line.text("sku")),
            campaign=line.text("campaign"),
        )


def unbalanced(values: Values, lines: tuple[OrderLine, ...], charges: Decimal, key: str) -> tuple[Fault, ...]:
    amounts = sum((line.amount or ZERO for line in lines), charges)
    return unbalanced_fault(values, amounts, key)


def unbalanced_fault(values: Values, amounts: Decimal, key: str) -> tuple[Fault, ...]:
    """Reported, never corrected (contract 7.4)."""
    total = values.get("total")
    if total is None or balanced(total, amounts, values.get("tax"), values.get("prices_include_tax")):
        return ()
    return (
        Fault("unbalanced", "total", f"Lines and charges make {amounts}, the total says {total}.", str(total), key),
    )


def _missing(field: str) -> str:
    raise RecordError("missing_value", field, f"{field} is empty; the record cannot be identified without it.")
