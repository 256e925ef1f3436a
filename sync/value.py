"""Value at risk: what an exception of a contact is worth."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from django.db.models import Max, Sum

from sync.issues import Finding
from sync.models import Flow, LedgerEntry

CHUNK = 500


def at_risk(flow: Flow, found: list[Finding]) -> None:
    """Value at risk of a contact: its net revenue of the twelve months before the ledger's last day."""
    last = LedgerEntry.objects.filter(flow__source=flow.source).aggregate(day=Max("day"))["day"]
    if last is None:
        return
    keys = sorted({finding.source_id for finding in found if finding.source_id})
    money: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for start in range(0, len(keys), CHUNK):
        part = keys[start : start + CHUNK]
        sums = (
            LedgerEntry.objects.filter(flow__source=flow.source, customer__in=part, day__gt=last - timedelta(days=365))
            .values("customer", "currency")
            .annotate(total=Sum("amount"))
        )
        for row in sums:
            money[row["customer"]].append((row["currency"], Decimal(str(row["total"])).quantize(Decimal("0.01"))))
    for finding in found:
        if len(money[finding.source_id]) == 1:  # never added across currencies
            finding.currency, finding.money = money[finding.source_id][0]
