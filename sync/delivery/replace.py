"""REPLACE: the target takes the whole file or nothing. A page adds its lines; the end of the run publishes."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from connectors.base import Encoded, Excluded, Gone, Known
from connectors.errors import RecordError
from connectors.records import Record
from sync import storage
from sync.catalogue import Bucket
from sync.delivery.page import Candidate, PageResult, Work, candidates, fault_findings
from sync.issues import Finding
from sync.models import FeedItem
from sync.storage.fitting import fitting_key, storable

ITEMS = storage.table(
    FeedItem,
    ["flow_id", "source_id", "item", "body", "run_id", "updated_at"],
    conflict=("flow_id", "source_id"),
    update=("item", "body", "run_id", "updated_at"),
)


class Line(NamedTuple):
    """An article whose line in the file would be another than `before` (empty: it has none yet)."""

    candidate: Candidate
    record: Record
    payload: Encoded
    target_id: str
    before: str
    changes: bool = False


def collect(work: Work) -> PageResult:
    """The page's lines. An article that cannot be written keeps the line it had: dropping it would take it out of
    the shop for a fault of data."""
    result = PageResult(read=len(work.fresh) + work.unchanged, unchanged=work.unchanged)
    found = candidates(work, result)
    before = _lines(work, [candidate.key for candidate in found] + result.buckets.get(Bucket.REJECTED, []))
    lines = {key: before[key] for key in result.buckets.get(Bucket.REJECTED, []) if key in before}
    gone: list[Candidate] = []
    changed: list[Line] = []
    for candidate in found:
        if isinstance(candidate.record, Gone | Excluded):
            result.put(Bucket.EXCLUDED, candidate.key)
            gone.append(candidate)
            continue
        try:
            payload, faults = work.route.inlet.encode(candidate.record, Known())
            _fit(payload.body)
        except RecordError as error:
            result.put(Bucket.REJECTED, candidate.key)
            result.findings.append(Finding(error.kind, candidate.key, error.field, error.message, error.value))
            if candidate.key in before:
                lines[candidate.key] = before[candidate.key]
            continue
        candidate.faults += faults
        line = (fitting_key(getattr(candidate.record, "sku", "")), payload.body.decode())
        if before.get(candidate.key) == line:
            lines[candidate.key] = line
            result.unchanged += 1
            _settle(candidate, result)
        else:
            there = before.get(candidate.key, ("", ""))[1]
            changed.append(Line(candidate, candidate.record, payload, candidate.key if there else "", there))
    for one in _leaving(work, changed, before, lines, result):
        lines[one.candidate.key] = (fitting_key(getattr(one.record, "sku", "")), one.payload.body.decode())
        result.put(Bucket.ACCEPTED, one.candidate.key)
        _settle(one.candidate, result)
    gone = [one for one in gone if one.key in before]
    going = [one.key for one in work.departing(work, gone, result)] if gone else []
    lines |= {one.key: before[one.key] for one in gone if one.key not in going}
    rows = [(work.route.flow.pk, key, *line, work.lease.run.pk, work.now) for key, line in lines.items()]
    result.write = partial(_write, work, rows, going)
    return result


def _leaving(
    work: Work,
    changed: Sequence[Line],
    before: Mapping[str, tuple[str, str]],
    lines: dict[str, tuple[str, str]],
    result: PageResult,
) -> Sequence[Line]:
    """The lines that may change; an article that is kept back keeps the line it had."""
    going = work.gate(work, changed, result)
    kept = {one.candidate.key for one in changed} - {one.candidate.key for one in going}
    lines.update({key: before[key] for key in kept if key in before})
    return going


def _settle(candidate: Candidate, result: PageResult) -> None:
    result.settled.append(candidate.key)
    result.findings += fault_findings(candidate)


def _write(work: Work, rows: Sequence[tuple[Any, ...]], gone: Sequence[str]) -> None:
    storage.upsert(ITEMS, rows)
    if gone:
        FeedItem.objects.filter(flow=work.route.flow, source_id__in=gone).delete()


def _fit(body: bytes) -> None:
    if not storable(body.decode()):
        raise RecordError("does_not_fit", "body", "Its line has characters that cannot be stored (NUL).")


def _lines(work: Work, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """source id → (item, line) as they stand in the feed now."""
    columns = ["source_id", "item", "body"]
    rows = storage.fetch(FeedItem, columns, "source_id", keys, "flow_id = %s", [work.route.flow.pk])
    return {key: (item, body) for key, item, body in rows}
