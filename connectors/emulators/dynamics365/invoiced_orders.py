"""The sales orders behind posted invoices, worked out from them: the demo company keeps no orders of its own."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from connectors.emulators.store import Collection, Record

_MARK = "orders"  # in the meta collection: whether orders are derived, and when each was created


class InvoicedOrders:
    """A `Source` of order headers, and of the lines of each as a group; empty unless told to derive."""

    def __init__(self, meta: Collection, invoices: Collection, lines: Collection) -> None:
        self._meta = meta
        self._invoices = invoices
        self._lines = lines
        self._created: dict[str, str] | None = None

    def derive(self, moments: str | None) -> None:
        """From now on every invoice of an order of the same number is that order; None ends it.

        `moments` has a line for each order: document id, a space, when it was created.
        """
        self._meta.put(_MARK, {"moments": moments} if moments is not None else {})
        self._created = None

    @property
    def is_on(self) -> bool:
        return "moments" in (self._meta.get(_MARK) or {})

    def _moment(self, key: str) -> str | None:
        """Kept as one text, which costs little until somebody asks for orders."""
        if self._created is None:
            lines = (self._meta.get(_MARK) or {}).get("moments", "").splitlines()
            self._created = dict(line.rsplit(" ", 1) for line in lines)
        return self._created.get(key)

    def stamp(self) -> Hashable:
        return self.is_on, self._invoices.changes, self._lines.changes

    @property
    def is_awake(self) -> bool:
        return self._created is not None or not self.is_on

    def ids(self) -> Iterator[str]:
        if self.is_on:
            for key, invoice in self._invoices.items():
                if invoice.get("SalesOrderNumber") and invoice["SalesOrderNumber"] == invoice.get("InvoiceNumber"):
                    yield key

    def __len__(self) -> int:
        return sum(1 for _ in self.ids())

    def _invoice(self, key: str) -> Record | None:
        invoice = self._invoices.get(key) if self.is_on else None
        if invoice is None or not invoice.get("SalesOrderNumber"):
            return None
        return invoice if invoice["SalesOrderNumber"] == invoice.get("InvoiceNumber") else None

    def get(self, key: str) -> Mapping[str, Any] | None:
        invoice = self._invoice(key)
        if invoice is None:
            return None
        account = invoice.get("InvoiceCustomerAccountNumber", "")
        day = invoice.get("InvoiceDate", "")
        return {
            "OrderingCustomerAccountNumber": account,
            "InvoiceCustomerAccountNumber": account,
            "CurrencyCode": invoice.get("CurrencyCode", ""),
            "SalesOrderStatus": "Invoiced",
            "SalesOrderProcessingStatus": "Invoiced",
            "OrderCreationDateTime": self._moment(key) or day,
            "RequestedShippingDate": day,
            "ConfirmedShippingDate": day,
            "OrderTotalAmount": invoice.get("TotalInvoiceAmount", 0),
            "OrderTotalTaxAmount": invoice.get("TotalTaxAmount", 0),
            "OrderTotalDiscountAmount": invoice.get("TotalDiscountAmount", 0),
            "TotalDiscountAmount": invoice.get("TotalDiscountAmount", 0),
            "OrderTotalChargesAmount": invoice.get("TotalChargeAmount", 0),
            "AreTotalsCalculated": "Yes",
        }

    def group(self, key: str) -> Record | None:
        """The order's lines in the form of `order_lines`: the invoice's own short lines."""
        if self._invoice(key) is None:
            return None
        group = self._lines.get(key)
        return {**group, "status": "Invoiced"} if group else None
