"""UPSERT: sending twice does no harm. Contacts, so far."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from connectors.base import Encoded, Excluded, Gone, Known, Outcome, Result
from connectors.errors import RecordError
from connectors.records import Customer, Record
from sync import clock, pending, storage
from sync.catalogue import Bucket, LinkState
from sync.delivery.adoption import Match
from sync.delivery.page import Candidate, PageResult, Work, candidates, fault_findings
from sync.delivery.requests import Request, batches, committed, start, wait, write_outcomes
from sync.digests import email_bytes, email_key
from sync.issues import Finding
from sync.models import CrossReference
from sync.runs import LeaseLostError

LINKS = storage.table(
    CrossReference,
    [
        "flow_id",
        "source_id",
        "target_id",
        "state",
        "target_key",
        "raw_digest",
        "sent_digest",
        "email_digest",
        "first_synced_at",
        "last_synced_at",
    ],
    conflict=("flow_id", "source_id"),
    condition="NOT (state = 'superseded')",
    update=(
        "target_id",
        "state",
        "target_key",
        "raw_digest",
        "sent_digest",
        "email_digest",
        "last_synced_at",
    ),
)


@dataclass(slots=True)
class Linked:
    """A candidate with its link (if any), its normal payload, and the payload that is sent now."""

    candidate: Candidate
    record: Record
    target_id: str
    target_key: str
    sent_digest: bytes
    payload: Encoded


def begin_upsert(work: Work) -> Callable[[], PageResult]:
    """Compares, commits the intent and starts the requests; what it gives waits for their answers."""
    result = PageResult(read=len(work.fresh) + work.unchanged, unchanged=work.unchanged)
    found = candidates(work, result)
    links = _links(work, [candidate.key for candidate in found])
    linked, untouched = _encode(work, found, links, result)
    requests = committed(work, list(batches([one.payload for one in linked], *_limits(work))))
    work.before_sending([one.candidate.key for one in linked])
    return partial(_answered, work, result, linked, untouched, links, requests, start(work, requests))


def _answered(
    work: Work,
    result: PageResult,
    linked: Sequence[Linked],
    untouched: Sequence[Linked],
    links: Mapping[str, tuple[str, str, bytes | None]],
    requests: Sequence[Request],
    started: Sequence[Future[None]],
) -> PageResult:
    _wait(work, requests, started)
    result.requests = sum(request.calls for request in requests)
    result.interrupted = next((request.error for request in requests if request.error), None)
    rows = _link_rows(work, linked, untouched, requests, result)
    fresh = [row for row in rows if row[1] not in links]
    result.write = partial(_write, requests, fresh, [row for row in rows if row[1] in links])
    return result


def _wait(work: Work, requests: Sequence[Request], started: Sequence[Future[None]]) -> None:
    """A worker that lost its lease may have put an older value over a newer one: its records are sent again."""
    try:
        wait(work, started)
    except LeaseLostError:
        pending.note(work.route.flow, [one.key for sent in requests if sent.calls for one in sent.batch], "lost_lease")
        raise


def _write(
    requests: Sequence[Request], fresh: Sequence[tuple[object, ...]], known: Sequence[tuple[object, ...]]
) -> None:
    write_outcomes(requests)
    storage.insert(LINKS, fresh)
    storage.upsert(LINKS, known)


def _limits(work: Work) -> tuple[int, int]:
    return work.route.inlet.batch, work.route.inlet.max_bytes


def known_links(digests: Sequence[bytes]) -> set[bytes]:
    """Digests of rows that are linked with just this content: nothing of them is decoded."""
    return storage.known(CrossReference, "raw_digest", digests)


def _links(work: Work, keys: Sequence[str]) -> dict[str, tuple[str, str, bytes | None]]:
    """source id → (target id, state, sent digest)."""
    rows = storage.fetch(
        CrossReference,
        ["source_id", "target_id", "state", "sent_digest"],
        "source_id",
        keys,
        f"{storage.BY_KEY} AND state <> 'superseded'",
        [work.route.flow.pk],
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _encode(
    work: Work,
    found: Sequence[Candidate],
    links: dict[str, tuple[str, str, bytes | None]],
    result: PageResult,
) -> tuple[list[Linked], list[Linked]]:
    """What must be sent, and what differs only in ways the target never sees."""
    records = [one.record for one in found if not isinstance(one.record, Gone | Excluded)]
    strangers = [record for record in records if not links.get(record.key, ("", "", None))[0]]
    matches = work.adoption.match(strangers)
    changed: list[Linked] = []
    untouched: list[Linked] = []
    for candidate in found:
        record = candidate.record
        if isinstance(record, Gone | Excluded):
            result.put(Bucket.EXCLUDED, candidate.key)
            continue
        target_id, state, sent = links.get(candidate.key, ("", "", None))
        match = matches.get(candidate.key, Match(target_id))
        if match.ambiguous or match.contested_by:
            _dispute(candidate, match, result)
            continue
        linked = _linked(work, candidate, record, match, result)
        if linked is None:
            continue
        same = state == LinkState.ACTIVE and sent == linked.sent_digest and not work.forced and not match.adopt
        (untouched if same else changed).append(linked)
    return changed, untouched


def _linked(work: Work, candidate: Candidate, record: Record, match: Match, result: PageResult) -> Linked | None:
    inlet = work.route.inlet
    try:
        payload, faults = inlet.encode(record, Known(match.target_id))
        digest = work.digest(payload.body)
        if match.adopt:
            payload, faults = inlet.encode(record, Known(match.target_id, adopt=True))
    except RecordError as error:
        result.put(Bucket.REJECTED, candidate.key)
        result.findings.append(Finding(error.kind, candidate.key, error.field, error.message, error.value))
        return None
    candidate.faults.extend(faults)
    return Linked(candidate, record, match.target_id, inlet.identify(record), digest, payload)


def _dispute(candidate: Candidate, match: Match, result: PageResult) -> None:
    result.put(Bucket.REJECTED, candidate.key)
    if match.ambiguous:
        finding = Finding(
            "duplicate_in_target",
            candidate.key,
            "contact",
            f"Emarsys holds {len(match.ambiguous)} contacts that could be this customer; none was chosen.",
            target_value=", ".join(match.ambiguous),
        )
    else:
        finding = Finding(
            "contested_link",
            candidate.key,
            "contact",
            f"{f'Contact {match.target_id}' if match.target_id else 'The contact'} already belongs to "
            f"customer {match.contested_by}.",
            target_value=match.target_id,
        )
    result.findings.append(finding)


def _link_rows(
    work: Work,
    linked: Sequence[Linked],
    untouched: Sequence[Linked],
    requests: Sequence[Request],
    result: PageResult,
) -> list[tuple[object, ...]]:
    outcomes = {one.key: (one, request) for request in requests for one in request.results}
    now, key = clock.now(), email_key()
    rows = []
    for one in untouched:
        result.unchanged += 1
        result.settled.append(one.candidate.key)
        result.findings += fault_findings(one.candidate)
        rows.append(_row(work, one, one.target_id, True, now, key))
    for one in linked:
        answer, request = outcomes[one.candidate.key]
        if answer.outcome is Outcome.ACCEPTED:
            result.put(Bucket.ACCEPTED, one.candidate.key)
            result.settled.append(one.candidate.key)
            if one.candidate.faults:
                result.findings += fault_findings(one.candidate)
            rows.append(_row(work, one, answer.target_id or one.target_id, True, now, key))
        elif answer.outcome is Outcome.REJECTED:
            result.put(Bucket.REJECTED, one.candidate.key)
            result.findings.append(_refusal(one, answer, request))
            rows.append(_row(work, one, one.target_id, False, now, key))
    return rows


def _refusal(one: Linked, answer: Result, request: Request) -> Finding:
    kind = "duplicate_in_target" if answer.code == "2010" else "refused_by_target"
    return Finding(
        kind,
        one.candidate.key,
        answer.field or "contact",
        f"{answer.message} (code {answer.code})" if answer.code else answer.message,
        delivery_id=request.delivery.pk,
        details={"code": answer.code, "answer": answer.message},
    )


def _row(work: Work, one: Linked, target_id: str, accepted: bool, now: object, key: bytes) -> tuple[object, ...]:
    """Digests are kept only while the record is accepted and its contact is known: else it is sent again."""
    known = accepted and bool(target_id)
    email = one.record.email if isinstance(one.record, Customer) else ""
    return (
        work.route.flow.pk,
        one.candidate.key,
        target_id,
        LinkState.ACTIVE.value if accepted else LinkState.REJECTED.value,
        one.target_key,
        one.candidate.digest if known else None,
        one.sent_digest if known else None,
        email_bytes(email, key) if email else None,
        now,
        now,
    )
