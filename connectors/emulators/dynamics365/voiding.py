"""What is left of sales orders and lines that somebody deletes (dynamics365.md 4.5)."""

from typing import Any

from connectors.emulators.dynamics365.invoiced_orders import InvoicedOrders
from connectors.emulators.dynamics365.order_lines import OrderLines
from connectors.emulators.dynamics365.overlay import OverlayTable
from connectors.emulators.dynamics365.schema import ETAG, EntitySet
from connectors.emulators.dynamics365.tables import Row
from connectors.emulators.store import Collection


class Orders(OverlayTable):
    """`SalesOrderHeadersV2`: a deleted order moves to the voided ones, with its lines."""

    def __init__(
        self, entity: EntitySet, records: Collection, invoiced: InvoicedOrders, lines: OrderLines, voided: OverlayTable
    ) -> None:
        super().__init__(entity, records, invoiced)
        self._lines = lines
        self._voided = voided

    def edit(self, key: str, record: dict[str, Any] | None) -> dict[str, Any] | None:
        before = self.get(key)
        after = super().edit(key, record)
        if before is not None and record is None:
            self._voided.edit(key, kept(self._voided.entity, before))
            for line in self._lines.of(key):
                self._lines.edit(self._lines.place(line), None)
        return after


class VoidedLines:
    """Listens to the order lines: one that goes is voided."""

    def __init__(self, voided: OverlayTable) -> None:
        self._voided = voided

    def __call__(self, key: str, before: Row | None, after: Row | None) -> None:
        if before is not None and after is None:
            self._voided.edit(f"{before['dataAreaId']}|{before['InventoryLotId']}", kept(self._voided.entity, before))


def kept(entity: EntitySet, row: Row) -> dict[str, Any]:
    return {name: row[name] for name in entity.properties if name in row and name != ETAG}
