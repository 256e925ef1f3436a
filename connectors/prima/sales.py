"""Values of orders and credits → Sale. Pure; knows no name of the site.

A document is read whole and given out in pieces, one row each, whose keys never change:
`order|line`, `order|line cancelled n` (the nth unit cancelled before dispatch, negative), `order|line shipped n` (basis
despatched), `order|charge CODE`, `credit|line` (negative).
"""

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from connectors.base import Excluded, Fault, Mapped
from connectors.errors import RecordError
from connectors.prima import node
from connectors.prima.mapping import EntityMapping, Values
from connectors.prima.money import ZERO, line_money, pieces, share
from connectors.prima.node import Node, Piece
from connectors.prima.orders import status, unbalanced_fault
from connectors.prima.rules import SiteRules
from connectors.records import Sale

CONFIRMED_ORDER, DESPATCHED = "confirmed_order", "despatched"
BASES = (CONFIRMED_ORDER, DESPATCHED)
ONE = Decimal(1)


class Planned(NamedTuple):
    """A row to be made of a document: the piece, and which child of which part it keeps (none: the header)."""

    piece: Piece
    part: str = ""
    child: int = 0


class Sales:
    def __init__(self, order: EntityMapping, credit: EntityMapping | None, rules: SiteRules, basis: str) -> None:
        self._order, self._credit, self._rules, self._basis = order, credit, rules, basis
        self._makers: dict[str, Callable[[Values, Piece], Sale]] = {
            "line": self._line,
            "cancelled": self._cancelled,
            "shipped": self._shipped,
            "charge": self._charge,
            "charge cancelled": self._charge_back,
            "credit": self._credited,
            "credit total": self._credit_total,
        }

    def key(self, row: bytes) -> str:
        piece, found = node.read(row)
        if piece.part not in self._makers and piece.part not in ("order", "credit whole"):
            raise RecordError("malformed_row", "part", "The row stands for no part of a document.", piece.part[:40])
        document = self._mapping(piece).key(found, ("number",))
        return f"{document}|{_line_name(piece)}"

    def map(self, row: bytes) -> Mapped:
        key = self.key(row)
        piece, found = node.read(row)
        values = self._mapping(piece).values(found)
        if piece.part not in self._makers:
            raise RecordError("document_without_lines", "lines", "The document has no lines that can be read.")
        record = msgspec.structs.replace(self._makers[piece.part](values, piece), key=key)
        faults = (*values.faults, *_sum_fault(values, piece, record.document))
        rule = self._rule(values, piece, record)
        return Mapped(Excluded(key, rule, record) if rule else record, faults)

    def plan_order(self, found: Node) -> Iterator[Planned]:
        """The rows of an order, in its own order. A document that cannot be read is one row, which says why."""
        try:
            values = self._order.values(found)
            planned = [*self._planned_lines(values), *self._planned_charges(values)]
        except RecordError:
            planned = []
        yield from planned or [Planned(Piece("order"))]

    def plan_credit(self, found: Node) -> Iterator[Planned]:
        if self._credit is None:
            return
        try:
            lines = self._credit.values(found).children.get("lines", ())
            total = str(sum((line.get("amount") or ZERO for line in lines), ZERO)) if lines else ""
            planned = [Planned(Piece("credit", line.text("line"), sum=total), "lines", index)
                       for index, line in enumerate(lines)]  # fmt: skip
        except RecordError:
            yield Planned(Piece("credit whole"))
            return
        yield from planned or [Planned(Piece("credit total"))]

    def _planned_lines(self, values: Values) -> Iterator[Planned]:
        total = self._sum(values)
        for index, line in enumerate(values.children.get("lines", ())):
            name = line.text("line")
            if self._basis == CONFIRMED_ORDER:
                yield Planned(Piece("line", name, sum=total), "lines", index)
                gone = pieces(_cancelled(values, line))
                yield from (Planned(Piece("cancelled", name, n), "lines", index) for n in range(1, gone + 1))
            else:
                sent = pieces(line.get("shipped"))
                yield from (Planned(Piece("shipped", name, n), "lines", index) for n in range(1, sent + 1))

    def _planned_charges(self, values: Values) -> Iterator[Planned]:
        word = status(values.text("status"))
        seen: dict[str, int] = {}
        if self._basis == DESPATCHED and word not in ("shipped", "part_shipped", "invoiced"):
            return
        for index, charge in enumerate(values.children.get("charges", ())):
            code = charge.text("code")
            seen[code] = seen.get(code, 0) + 1
            yield Planned(Piece("charge", code, seen[code]), "charges", index)
            if word == "cancelled":
                yield Planned(Piece("charge cancelled", code, seen[code]), "charges", index)

    def _sum(self, values: Values) -> str:
        lines = (line_money(line, self._rules.said)[1] for line in values.children.get("lines", ()))
        charges = (charge.get("amount") for charge in values.children.get("charges", ()))
        return str(sum(lines, ZERO) + sum(charges, ZERO))

    def _mapping(self, piece: Piece) -> EntityMapping:
        if not piece.part.startswith("credit"):
            return self._order
        if self._credit is None:
            raise RecordError("malformed_row", "part", "The mapping file describes no credits.")
        return self._credit

    def _rule(self, values: Values, piece: Piece, record: Sale) -> str:
        if piece.part.startswith("credit") and values.text("type") == "cancellation":
            return "cancelled_before_dispatch"  # the order's own lines have it, or never counted
        return self._rules.excludes_order(record.account, bool(values.get("wholesale")))

    def _line(self, values: Values, piece: Piece) -> Sale:
        line = _child(values, "lines")
        price, amount = line_money(line, self._rules.said)
        quantity = line.get("quantity") or ZERO
        return self._sale(values, piece, line, quantity, price, amount)

    def _cancelled(self, values: Values, piece: Piece) -> Sale:
        line = _child(values, "lines")
        return self._part_of(values, piece, line, _cancelled(values, line) or ZERO, -1)

    def _shipped(self, values: Values, piece: Piece) -> Sale:
        line = _child(values, "lines")
        return self._part_of(values, piece, line, line.get("shipped") or ZERO, 1)

    def _part_of(self, values: Values, piece: Piece, line: Values, happened: Decimal, sign: int) -> Sale:
        price, amount = line_money(line, self._rules.said)
        quantity, worth = share(amount, line.get("quantity") or ZERO, max(piece.nth, 1), happened)
        return self._sale(values, piece, line, sign * quantity, price, sign * worth)

    def _charge(self, values: Values, piece: Piece, sign: int = 1) -> Sale:
        charge = _child(values, "charges")
        amount = charge.get("amount") or ZERO
        return Sale(**_header(values, "placed_at"), key="", line=_line_name(piece),
                    sku=charge.text("code"), quantity=sign * ONE, unit_price=amount, amount=sign * amount,
                    document_total=values.get("total"), order=values.text("number"), charge=True)  # fmt: skip

    def _charge_back(self, values: Values, piece: Piece) -> Sale:
        return self._charge(values, piece, -1)

    def _sale(
        self, values: Values, piece: Piece, line: Values, quantity: Decimal, price: Decimal, amount: Decimal
    ) -> Sale:
        return Sale(
            **_header(values, "placed_at"),
            key="",
            line=_line_name(piece),
            sku=line.text("sku"),
            name=line.text("name"),
            quantity=quantity,
            unit_price=price,
            amount=amount,
            document_total=values.get("total"),
            order=values.text("number"),
            charge=self._rules.is_service(line.text("product") or line.text("sku")),
            credit=quantity < 0 and piece.part == "line" and self._rules.said.negative_lines == "return",
        )

    def _credited(self, values: Values, piece: Piece) -> Sale:
        line = _child(values, "lines")
        quantity, amount = self._signed(line.get("quantity") or ZERO), self._signed(line.get("amount") or ZERO)
        return Sale(
            **_header(values, "credited_at"),
            key="",
            line=_line_name(piece),
            sku=line.text("sku"),
            name=line.text("name"),
            quantity=quantity,
            unit_price=(amount / quantity).quantize(Decimal("0.0001")) if quantity else ZERO,
            amount=amount,
            document_total=self._signed(values.get("total")),
            order=values.text("order"),
            charge=self._rules.is_service(line.text("product") or line.text("sku")),
            credit=True,
        )

    def _credit_total(self, values: Values, piece: Piece) -> Sale:
        """Money without goods: the document itself."""
        amount = self._signed(values.get("total"))
        return Sale(**_header(values, "credited_at"), key="", line="", sku="", quantity=ZERO,
                    unit_price=ZERO, amount=amount, document_total=amount, order=values.text("order"), charge=True,
                    credit=True)  # fmt: skip

    def _signed(self, value: Decimal) -> Decimal:
        """Credits are negative here, however the site exports them (contract 7.5)."""
        return value if self._rules.said.credit_sign == "negative" else -value


def _header(values: Values, moment: str) -> dict[str, Any]:
    account = values.text("customer")
    return {"document": values.text("number"), "company": "", "customer": account, "account": account,
            "currency": values.text("currency"), "sold_at": values.get(moment)}  # fmt: skip


def _cancelled(values: Values, line: Values) -> Decimal | None:
    """What was cancelled before dispatch: the site's own count, else what a cancelled line has not sent."""
    counted = line.get("cancelled")
    word = line.text("status") or values.text("status")
    if counted or (word and status(word) != "cancelled"):
        return counted
    return (line.get("quantity") or ZERO) - (line.get("shipped") or ZERO)


def _child(values: Values, part: str) -> Values:
    children = values.children.get(part, ())
    if len(children) != 1:
        raise RecordError("malformed_row", part, f"The row holds {len(children)} {part} where it stands for one.")
    return children[0]


def _line_name(piece: Piece) -> str:
    match piece.part:
        case "cancelled" | "shipped":
            return f"{piece.line} {piece.part} {piece.nth}"
        case "charge" | "charge cancelled":
            again = f" {piece.nth}" if piece.nth > 1 else ""
            return f"{piece.part} {piece.line}{again}"
    return piece.line


def _sum_fault(values: Values, piece: Piece, document: str) -> tuple[Fault, ...]:
    try:
        return unbalanced_fault(values, Decimal(piece.sum), document) if piece.sum else ()
    except InvalidOperation:
        return ()
