"""OBSERVE: what a system tells is kept in our own tables; told twice it stands there once."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from connectors.base import Excluded, Gone
from connectors.records import Record
from sync import storage
from sync.catalogue import Bucket
from sync.delivery.page import PageResult, Work, candidates, fault_findings
from sync.issues import Finding
from sync.models import AttributionLink, EmarsysPurchase
from sync.storage.fitting import Fits
from sync.storage.tables import Table

LINKS = ("order", "campaign", "treatment", "channel", "contact", "amount", "reason", "ordered_at", "treated_at")
PURCHASES = ("order", "sku", "contact", "quantity", "amount", "purchased_on", "channel")


def _table(model: Any, fields: Sequence[str]) -> Table:
    columns = ["order_number" if name == "order" else name for name in fields]  # `order` is a word of SQL's
    return storage.table(
        model,
        ["flow_id", "source_id", *columns, "updated_at"],
        conflict=("flow_id", "source_id"),
        update=(*columns, "updated_at"),
    )


KEPT: Mapping[str, tuple[Sequence[str], Table]] = {
    "attribution": (LINKS, _table(AttributionLink, LINKS)),
    "purchase": (PURCHASES, _table(EmarsysPurchase, PURCHASES)),
}
"""Entity → the record's fields that are kept, and where."""


def observe(work: Work) -> PageResult:
    result = PageResult(read=len(work.fresh) + work.unchanged, unchanged=work.unchanged)
    fields, table = KEPT[work.route.inlet.entity]
    fits, rows = Fits(table), []
    for candidate in candidates(work, result):
        if isinstance(candidate.record, Gone | Excluded):
            result.put(Bucket.EXCLUDED, candidate.key)
            continue
        row = _row(work, candidate.record, fields)
        column, why = fits.fault(row)
        if why:
            result.put(Bucket.REJECTED, candidate.key)
            result.findings.append(Finding("does_not_fit", candidate.key, column, f"{column}: {why}"))
            continue
        rows.append(row)
        result.put(Bucket.ACCEPTED, candidate.key)
        result.settled.append(candidate.key)
        result.findings += fault_findings(candidate)
    work.gate(work, (), result)
    result.write = partial(storage.upsert, table, rows)
    return result


def _row(work: Work, record: Record, fields: Sequence[str]) -> tuple[Any, ...]:
    return (work.route.flow.pk, record.key, *(getattr(record, name) for name in fields), work.now)


def nothing_known(digests: Sequence[bytes]) -> set[bytes]:
    """Files come again by whole windows: each row is written as it stands."""
    return set()
