"""ONCE: the target keeps everything it is sent, so each line goes out exactly once. Sales.

The ledger row is committed as `sending` before the request, and its state after the answer. A row that is
still `sending` when nobody works on it any more is unknown: it is never sent again by itself.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from connectors.base import Encoded, Excluded, Gone, Known, Outcome
from connectors.errors import RecordError
from connectors.records import Sale
from sync import storage
from sync.catalogue import Bucket, LedgerState, LinkState
from sync.delivery import exclusions, overtaken, parents
from sync.delivery.changed import MONEY, difference
from sync.delivery.page import Candidate, PageResult, Work, candidates, fault_findings
from sync.delivery.requests import Request, batches, call, committed, counted, write_outcomes
from sync.issues import Finding
from sync.models import CrossReference, Flow, LedgerEntry
from sync.storage.fitting import Fits

COLUMNS = (
    "flow_id",
    "source_id",
    "document",
    "line",
    "company",
    "customer",
    "sku",
    "name",
    "quantity",
    "unit_price",
    "amount",
    "document_total",
    "currency",
    "day",
    "sequence",
    "credit",
    "charge",
    "state",
    "rule",
    "original",
    "raw_digest",
    "delivery_id",
    "run_id",
    "updated_at",
)
LINES = storage.table(
    LedgerEntry,
    COLUMNS,
    conflict=("flow_id", "source_id"),
    update=tuple(column for column in COLUMNS if column not in ("flow_id", "source_id", "original")),
)
_DAY = COLUMNS.index("day")
_FITS = Fits(LINES)
_DIGITS = re.compile(r"\d+")


class Due(NamedTuple):
    """A line that goes out now."""

    candidate: Candidate
    record: Sale
    payload: Encoded
    target_id: str = ""
    changes: bool = False


def deliver_once(work: Work) -> PageResult:
    result = PageResult(read=len(work.fresh) + work.unchanged, unchanged=work.unchanged)
    found = candidates(work, result)
    past = _past(work, [candidate.key for candidate in found])
    due, rows = _sort(work, found, past, result)
    due = list(work.gate(work, due, result))
    requests = _send(work, due, past)
    counted(result, requests)
    seen = len(result.findings)
    rows += _outcome_rows(work, due, requests, result)
    result.overtaken = partial(overtaken.lines, work, requests, result.findings[seen:])
    result.days = {written[_DAY] for written in rows} | {sale.sold_at.date() for _, sale, *_ in due}
    unsent = [one.key for request in requests for one in request.results if one.outcome is Outcome.RETRYABLE]
    result.write = partial(_write, work.route.flow, requests, rows, unsent, result.totals)
    return result


def _write(
    flow: Flow,
    requests: Sequence[Request],
    rows: Sequence[tuple[Any, ...]],
    unsent: Sequence[str],
    totals: Mapping[tuple[str, str], Decimal],
) -> None:
    write_outcomes(requests)
    for (company, document), total in totals.items():  # corrected in the ERP; Emarsys is told lines only
        LedgerEntry.objects.filter(flow=flow, company=company, document=document).update(document_total=total)
    for request in requests:
        if request.outcome in (LedgerState.ACCEPTED, LedgerState.UNKNOWN):
            LedgerEntry.objects.filter(delivery=request.delivery).update(state=request.outcome)
    storage.upsert(LINES, rows)
    if unsent:  # the target certainly did nothing with them: they are as if they had not been read
        LedgerEntry.objects.filter(flow=flow, source_id__in=unsent, state=LedgerState.SENDING).delete()


def known_lines(digests: Sequence[bytes]) -> set[bytes]:
    """Digests of lines that the ledger shows as accepted with just this content."""
    return storage.known(LedgerEntry, "raw_digest", digests, "state = 'accepted'")


def _past(work: Work, keys: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    columns = ["source_id", "state", "document_total", *MONEY]
    rows = storage.fetch(LedgerEntry, columns, "source_id", keys, "flow_id = %s", [work.route.flow.pk])
    return {row[0]: row[1:] for row in rows}


def _sort(
    work: Work, found: Sequence[Candidate], past: dict[str, tuple[Any, ...]], result: PageResult
) -> tuple[list[Due], list[tuple[Any, ...]]]:
    """Decides each line's fate: what goes out now, and the ledger rows of everything else."""
    confirmed = _confirmed(work, found)
    kept_out = exclusions.rules(parents.of(work), _customers(found) - confirmed) if work.route.stream.after else {}
    due: list[Due] = []
    rows: list[tuple[Any, ...]] = []
    for candidate in found:
        before = past.get(candidate.key)
        record = candidate.record
        if _unfit(work, candidate, result):
            continue
        if before and before[0] in (LedgerState.UNKNOWN, LedgerState.SENDING):
            result.put(Bucket.UNKNOWN, candidate.key)
        elif before and before[0] == LedgerState.ACCEPTED:
            rows += _sent_before(work, candidate, before[1:], result)
        elif isinstance(record, Excluded) and isinstance(record.record, Sale):
            result.put(Bucket.EXCLUDED, candidate.key)
            rows.append(row(work, candidate, record.record, LedgerState.EXCLUDED, rule=record.rule))
        elif not isinstance(record, Sale):
            result.put(Bucket.EXCLUDED, candidate.key)
        elif record.customer in kept_out:
            result.put(Bucket.EXCLUDED, candidate.key)
            rows.append(row(work, candidate, record, LedgerState.EXCLUDED, rule=kept_out[record.customer]))
        elif record.customer not in confirmed:
            result.put(Bucket.HELD, candidate.key)
            rows.append(row(work, candidate, record, LedgerState.HELD))
        else:
            due += _encode(work, candidate, record, result, rows)
    return due, rows


def _unfit(work: Work, candidate: Candidate, result: PageResult) -> bool:
    """A line that the ledger cannot hold is neither sent nor kept; its exception says why."""
    record = candidate.record
    sale = record.record if isinstance(record, Excluded) else record
    if not isinstance(sale, Sale):
        return False
    column, why = _FITS.fault(row(work, candidate, sale, LedgerState.HELD))
    if why:
        result.put(Bucket.REJECTED, candidate.key)
        result.findings.append(Finding("does_not_fit", candidate.key, column, f"{column}: {why}"))
    return bool(why)


def _encode(work: Work, candidate: Candidate, sale: Sale, result: PageResult, rows: list[tuple[Any, ...]]) -> list[Due]:
    try:
        payload, faults = work.route.inlet.encode(sale, Known())
    except RecordError as error:
        result.put(Bucket.REJECTED, candidate.key)
        result.findings.append(Finding(error.kind, candidate.key, error.field, error.message, error.value))
        rows.append(row(work, candidate, sale, LedgerState.REJECTED))
        return []
    candidate.faults += faults
    return [Due(candidate, sale, payload)]


def _confirmed(work: Work, found: Sequence[Candidate]) -> set[str]:
    """Keys of the parents that the target has confirmed; without a parent stream everything is."""
    customers = _customers(found)
    if not work.route.stream.after:
        return customers
    parent = parents.of(work)
    if parent is None:
        return set()
    rows = storage.fetch(
        CrossReference,
        ["source_id"],
        "source_id",
        sorted(customers),
        f"{storage.BY_KEY} AND state = %s AND target_id <> ''",
        [parent.pk, LinkState.ACTIVE.value],
    )
    return {key for (key,) in rows}


def _customers(found: Sequence[Candidate]) -> set[str]:
    return {one.record.customer for one in found if isinstance(one.record, Sale)}


def _sent_before(work: Work, candidate: Candidate, before: Sequence[Any], result: PageResult) -> list[tuple[Any, ...]]:
    """A line that Emarsys has: only a change of what it was told is a problem, and it cannot be sent again."""
    sale = candidate.record.record if isinstance(candidate.record, Excluded) else candidate.record
    if isinstance(sale, Gone) or not isinstance(sale, Sale):
        result.put(Bucket.REJECTED, candidate.key)
        return []
    stored_total, *sent = before
    finding = difference(sale, sent)
    if finding is None:
        result.unchanged += 1
        _settle(candidate, sale, result)
        if sale.document_total != stored_total:
            result.totals[sale.company, sale.document] = sale.document_total
        return []
    result.put(Bucket.REJECTED, candidate.key)
    result.findings.append(finding)
    return []


def _send(work: Work, due: Sequence[Due], past: Mapping[str, Sequence[Any]]) -> list[Request]:
    """Ledger rows and deliveries in one commit, then the requests."""
    inlet = work.route.inlet
    by_key = {candidate.key: (candidate, sale) for candidate, sale, *_ in due}
    planned = list(batches([payload for _, _, payload, *_ in due], inlet.batch, inlet.max_bytes))

    def noted(work: Work, requests: Sequence[Request]) -> None:
        rows = [
            row(work, *by_key[one.key], LedgerState.SENDING, delivery_id=request.delivery.pk)
            for request in requests
            for one in request.batch
        ]
        storage.insert(LINES, [line for line in rows if line[1] not in past])
        storage.upsert(LINES, [line for line in rows if line[1] in past])

    requests = committed(work, planned, noted)
    call(work, requests)
    return requests


STATES = {
    Outcome.ACCEPTED: (LedgerState.ACCEPTED, Bucket.ACCEPTED),
    Outcome.REJECTED: (LedgerState.REJECTED, Bucket.REJECTED),
    Outcome.UNKNOWN: (LedgerState.UNKNOWN, Bucket.UNKNOWN),
}


def _outcome_rows(
    work: Work,
    due: Sequence[Due],
    requests: Sequence[Request],
    result: PageResult,
) -> list[tuple[Any, ...]]:
    by_key = {candidate.key: (candidate, sale) for candidate, sale, *_ in due}
    rows = []
    for request in requests:
        whole = request.outcome
        for one in request.results:
            if one.outcome not in STATES:
                continue
            state, bucket = STATES[one.outcome]
            candidate, sale = by_key[one.key]
            result.put(bucket, one.key)
            if whole != state:  # a request that went through as a whole is settled by one statement
                rows.append(row(work, candidate, sale, state, delivery_id=request.delivery.pk))
            if one.outcome is Outcome.ACCEPTED:
                _settle(candidate, sale, result)
            elif one.outcome is Outcome.REJECTED:
                message = f"{one.message} (code {one.code})" if one.code else one.message
                result.findings.append(
                    Finding("refused_by_target", one.key, one.field, message, delivery_id=request.delivery.pk)
                )
    return rows


def _settle(candidate: Candidate, sale: Sale, result: PageResult) -> None:
    """The line went through; so did its document, but for the doubts that the mapping had."""
    findings = fault_findings(candidate)
    for finding in findings:
        finding.money, finding.currency = sale.document_total, sale.currency
    result.findings += findings
    result.settled += [candidate.key, candidate.key.rsplit("|", 1)[0]]


def row(
    work: Work,
    candidate: Candidate,
    sale: Sale,
    state: LedgerState,
    *,
    rule: str = "",
    delivery_id: int | None = None,
) -> tuple[Any, ...]:
    """A ledger row in the order of COLUMNS. Its digest counts only while its state is accepted."""
    digits = _DIGITS.findall(sale.document)
    return (
        work.route.flow.pk,
        sale.key,
        sale.document,
        sale.line,
        sale.company,
        sale.customer,
        sale.sku,
        sale.name[:200],
        sale.quantity,
        sale.unit_price,
        sale.amount,
        sale.document_total,
        sale.currency,
        sale.sold_at.date(),
        int(digits[-1][-18:]) if digits else 0,
        sale.credit,
        sale.charge,
        state.value,
        rule,
        "",
        candidate.digest,
        delivery_id,
        work.lease.run.whole_id,
        work.now,
    )
