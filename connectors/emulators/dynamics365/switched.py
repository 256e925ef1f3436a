"""What rows look like under switches for what the contract leaves open (dynamics365.md 4.3, 4.6)."""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from connectors.emulators.dynamics365.tables import Row

_TOTALS = ("OrderTotalAmount", "OrderTotalTaxAmount", "OrderTotalDiscountAmount", "OrderTotalChargesAmount",
           "TotalDiscountAmount")  # fmt: skip
_QUANTITIES = ("ReturnSalesQuantity", "ReturnedSalesQuantity")
_AS_SALES = {"None": "None", "Created": "Backorder", "Open": "Backorder", "Closed": "Invoiced", "Canceled": "Canceled"}


class Switched:
    """Each method shows a stored row as the switches want it."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings

    def order(self, row: Row) -> Row:
        """`totals_not_calculated` = n: one order in n has no totals yet, they are zero (4.3)."""
        share = int(self._settings.get("totals_not_calculated", "0"))
        if not share or crc32(str(row.get("SalesOrderNumber")).encode()) % share:
            return row
        return {**row, **dict.fromkeys(_TOTALS, 0), "AreTotalsCalculated": "No"}

    def return_line(self, row: Row) -> Row:
        """`return_quantities` = `positive`: the sign of returned quantities is not certain (4.6)."""
        if self._settings.get("return_quantities") != "positive":
            return row
        return {**row, **{name: _positive(row.get(name)) for name in _QUANTITIES}}

    def return_order(self, row: Row) -> Row:
        """`return_statuses` = `sales`: some clients report SalesStatus here (4.6)."""
        if self._settings.get("return_statuses") != "sales":
            return row
        status = row.get("ReturnOrderStatus")
        return {**row, "ReturnOrderStatus": _AS_SALES.get(str(status), status)}


def _positive(value: Any) -> Any:
    return abs(value) if isinstance(value, int | float) else value
