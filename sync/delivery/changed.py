"""What Emarsys was told about a line, against what the ERP says now: a change after sending is one of books."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from connectors.records import Sale
from sync.issues import Finding

MONEY = ("quantity", "unit_price", "amount", "currency", "customer", "sku", "day")
"""The columns of a ledger row that must not change once it was sent."""


def difference(sale: Sale, sent: Sequence[Any]) -> Finding | None:
    """The exception for a line whose ledger row holds the values `sent` (in the order of MONEY); None if equal."""
    now = (sale.quantity, sale.unit_price, sale.amount, sale.currency, sale.customer, sale.sku, sale.sold_at.date())
    fields = [
        {"field": name, "erp": str(new), "target": str(old), "same": old == new}
        for name, old, new in zip(MONEY, sent, now, strict=True)
    ]
    changed = [field for field in fields if not field["same"]]
    if not changed:
        return None
    return Finding(
        "document_changed",
        sale.key,
        str(changed[0]["field"]),
        f"Changed in the ERP after it was sent: {', '.join(str(field['field']) for field in changed)}.",
        str(changed[0]["erp"]),
        str(changed[0]["target"]),
        details={"fields": fields},
        money=(sale.amount - sent[MONEY.index("amount")]).quantize(Decimal("0.01")),
        currency=sale.currency,
    )
