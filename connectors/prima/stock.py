"""Values of stock rows → StockLevel and Product. Pure; knows no name of the site."""

from decimal import Decimal

import msgspec

from connectors.base import Fault, Mapped
from connectors.errors import RecordError
from connectors.prima import node
from connectors.prima.mapping import EntityMapping, Values
from connectors.prima.node import Node
from connectors.prima.rules import SiteRules
from connectors.records import Product, StockLevel

ZERO = Decimal(0)


class Stock:
    """The streams `stock` (article and warehouse) and `product` (article alone, over the sellable warehouses).

    What is unknown stays unknown: of *available to sell* only the free quantity is known (contract 7.7).
    """

    def __init__(self, mapping: EntityMapping, rules: SiteRules) -> None:
        self._mapping, self._rules = mapping, rules

    def key(self, row: bytes) -> str:
        _, found = node.read(row)
        return self._key(found)

    def map(self, row: bytes) -> Mapped:
        _, found = node.read(row)
        values = self._mapping.values(found)
        level, faults = self._level(values, self._key(found))
        return Mapped(level, (*values.faults, *faults))

    def product_key(self, row: bytes) -> str:
        return self.sku(_rows(row)[0])

    def map_product(self, row: bytes) -> Mapped:
        """`sellable` sums what is known of the sellable warehouses, None where nothing is."""
        rows = _rows(row)
        sku = self.sku(rows[0])
        levels = [self._level(self._mapping.values(one), sku)[0] for one in rows]
        known = [level.sellable for level in levels if level.sellable is not None]
        return Mapped(Product(key=sku, sku=sku, sellable=sum(known, ZERO) if known else None))

    def sku(self, found: Node) -> str:
        sku = str(self._mapping.field(found, "sku") or "")
        if not sku:
            raise RecordError("missing_value", "sku", "sku is empty; the record cannot be identified without it.")
        return sku

    def _key(self, found: Node) -> str:
        """The file's key; where it gives none, article and warehouse."""
        if self._mapping.has_key:
            return self._mapping.key(found, ())
        return f"{self.sku(found)}|{self._mapping.field(found, 'warehouse') or ''}"

    def _level(self, values: Values, key: str) -> tuple[StockLevel, tuple[Fault, ...]]:
        free, computed = values.get("free"), self._computed(values)
        available = free if free is not None else computed
        sellable = self._rules.is_sellable(values.text("warehouse"))
        level = StockLevel(
            key=key,
            sku=values.text("sku"),
            warehouse=values.text("warehouse"),
            physical=values.get("physical"),
            reserved=_sum(values.get("allocated"), values.get("reserved")),
            quarantined=values.get("quarantined"),
            available=available,
            on_order=values.get("on_order"),
            sellable=None if available is None else max(available, ZERO) if sellable else ZERO,
            expected_on=values.get("expected_on"),
        )
        return level, _discrepancy(free, computed, key)

    def _computed(self, values: Values) -> Decimal | None:
        """Physical − allocated − quarantined − reserved, where all of them are known."""
        parts = [values.get(name) for name in ("physical", "allocated", "reserved")]
        if self._rules.said.physical_includes_quarantine:
            parts.append(values.get("quarantined"))
        if any(part is None for part in parts):
            return None
        physical, *taken = (part for part in parts if part is not None)
        return physical - sum(taken, ZERO)


def _discrepancy(free: Decimal | None, computed: Decimal | None, key: str) -> tuple[Fault, ...]:
    """The reported quantity is used, and the difference told (contract 7.7)."""
    if free is None or computed is None or free == computed:
        return ()
    message = f"The site reports {free} free; its other quantities make {computed}. The reported one is used."
    return (Fault("free_discrepancy", "available", message, str(free), key),)


def _sum(*parts: Decimal | None) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, ZERO) if known else None


def _rows(row: bytes) -> list[Node]:
    """The rows of one article: elements in one, or objects in a list."""
    piece, found = node.read(row)
    rows = list(found.children) if piece.part == "product" else [found]
    if not rows:
        raise RecordError("malformed_row", "row", "The row holds no stock.")
    return rows


def together(bodies: list[bytes]) -> bytes:
    """The row of one article out of its rows."""
    if bodies and bodies[0][:1] == b"<":
        return node.row_of(b"<rows>" + b"".join(bodies) + b"</rows>", node.Piece("product"))
    whole = {"rows": [msgspec.Raw(body) for body in bodies]}
    return node.row_of(msgspec.json.encode(whole), node.Piece("product"))
