"""UPSERT: sending twice does no harm (contacts, consent, order status). KEYED: the same key counts once, and a
record that was accepted under its key is never sent again (order events)."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import msgspec

from connectors.base import Effect, Encoded, Excluded, Gone, Known, Outcome, Result
from connectors.errors import RecordError
from connectors.records import Customer, Record
from sync import clock, storage
from sync.catalogue import Bucket, LinkState
from sync.delivery import exclusions, keyed, overtaken, parents
from sync.delivery.adoption import NOBODY, Match, contested
from sync.delivery.consents import withheld
from sync.delivery.gone import Departed
from sync.delivery.links import LINKS
from sync.delivery.page import LONGEST_KEY, Candidate, PageResult, Work, candidates, fault_findings
from sync.delivery.parents import confirmed, owner
from sync.delivery.requests import Request, batches, committed, counted, start, wait, write_outcomes
from sync.digests import email_hasher
from sync.issues import Finding
from sync.models import CrossReference
from sync.storage import away
from sync.storage.fitting import fitting_key, storable


@dataclass
class Sorted:
    """A page by what is to be done: `changed` is sent, `untouched` differs only in ways the target never sees,
    `held` waits for its customer, `later` is left out for now (by a rule, or as nobody's whom the ERP knows),
    `kept_out` are customers that a rule excludes, `kept_back` is consent that is not passed on, `departed` is no more
    in the source. `former` are the keys of links that were closed by a merge."""

    changed: list["Linked"] = field(default_factory=list)
    untouched: list["Linked"] = field(default_factory=list)
    held: list[Candidate] = field(default_factory=list)
    later: list[Candidate] = field(default_factory=list)
    kept_out: list[Candidate] = field(default_factory=list)
    kept_back: list[tuple[Candidate, str, str]] = field(default_factory=list)
    former: set[str] = field(default_factory=set)
    departed: Departed = field(default_factory=Departed)


class Linked(msgspec.Struct, gc=False):
    """A candidate with its link (if any), its normal payload, and the payload that is sent now."""

    candidate: Candidate
    record: Record
    target_id: str
    target_key: str
    sent_digest: bytes
    payload: Encoded
    changes: bool = False


def begin_upsert(work: Work) -> Callable[[], PageResult]:
    """Compares, commits the intent and starts the requests; what it gives waits for their answers."""
    result = PageResult(read=len(work.fresh) + work.unchanged, unchanged=work.unchanged)
    found = candidates(work, result)
    links, former = _links(work, [candidate.key for candidate in found])
    page = _sort(work, found, links, result)
    page.former = former
    page.changed = list(work.gate(work, keyed.repeatable(work, page.changed, result), result))
    page.departed.settle(work, result)
    work.before_sending([one.candidate.key for one in page.changed])
    requests = committed(work, list(batches([one.payload for one in page.changed], *_limits(work))), keyed.intended)
    return partial(_answered, work, result, page, links, requests, start(work, requests))


def _answered(
    work: Work,
    result: PageResult,
    page: Sorted,
    links: Mapping[str, tuple[str, str, bytes | None]],
    requests: Sequence[Request],
    started: Sequence[Future[None]],
) -> PageResult:
    wait(started)
    counted(result, requests)
    rows = _link_rows(work, page, requests, result)
    fresh = [row for row in rows if row[1] not in links]
    result.write = partial(_write, work, page, requests, fresh, [row for row in rows if row[1] in links])
    # The newest value counts: an older one that arrived late may have replaced it.
    result.overtaken = lambda: [one.key for sent in requests if sent.calls for one in sent.batch]
    if work.route.inlet.effect is Effect.KEYED:
        result.overtaken = partial(overtaken.events, work, requests, [one.candidate for one in page.changed], rows)
    return result


def _write(
    work: Work,
    page: Sorted,
    requests: Sequence[Request],
    fresh: Sequence[tuple[object, ...]],
    known: Sequence[tuple[object, ...]],
) -> None:
    write_outcomes(requests)
    keyed.answered(work, requests)
    page.departed.write(work)
    exclusions.write(work, page.kept_out)
    back = [row[1] for row in fresh if row[1] in page.former]
    if back:  # a merge undone: done again it is news, whatever the closed link remembers
        closed = CrossReference.objects.filter(flow=work.route.flow, source_id__in=back)
        closed.filter(state=LinkState.SUPERSEDED).update(raw_digest=None)
    storage.insert(LINKS, fresh)
    storage.upsert(LINKS, known)


def _limits(work: Work) -> tuple[int, int]:
    return work.route.inlet.batch, work.route.inlet.max_bytes


def known_links(digests: Sequence[bytes]) -> set[bytes]:
    """Digests of rows that are linked with just this content: nothing of them is decoded."""
    return storage.known(CrossReference, "raw_digest", digests)


def _links(work: Work, keys: Sequence[str]) -> tuple[dict[str, tuple[str, str, bytes | None]], set[str]]:
    """source id → (target id, state, sent digest) of live links, and the keys of those closed by a merge."""
    rows = storage.fetch(
        CrossReference,
        ["source_id", "target_id", "state", "sent_digest"],
        "source_id",
        keys,
        storage.BY_KEY,
        [work.route.flow.pk],
    )
    live = {row[0]: (row[1], row[2], row[3]) for row in rows if row[2] != LinkState.SUPERSEDED}
    return live, {row[0] for row in rows if row[2] == LinkState.SUPERSEDED}


def _sort(
    work: Work,
    found: Sequence[Candidate],
    links: dict[str, tuple[str, str, bytes | None]],
    result: PageResult,
) -> Sorted:
    after = work.route.inlet.after
    records = [record for one in found if not isinstance(record := one.record, _NO_RECORD)]
    owned = confirmed(work, records) if after else {}
    apart = [owner(record) for record in records if record.key not in owned] if after else []
    excluded = exclusions.rules(parents.of(work), apart) if apart and _from_erp(work) else {}
    kept_back = withheld(work, list(owned.values())) if work.route.inlet.entity == "consent" else {}
    strangers = [record for record in records if not links.get(record.key, _NEW)[0]] if links else records
    matches = {} if after else work.adoption.match(strangers)
    page = Sorted(departed=Departed(told_elsewhere=bool(after)))
    for candidate in found:
        target_id, state, sent = links.get(candidate.key, _NEW)
        if isinstance(candidate.record, Gone):
            page.departed.note(candidate, target_id, state, result)
        elif isinstance(candidate.record, Excluded):
            result.put(Bucket.EXCLUDED, candidate.key)
            if not after:  # what belongs to it is excluded, too
                page.kept_out.append(candidate)
            elif state in (LinkState.HELD, LinkState.EXCLUDED) and _from_erp(work):  # its own rule: not its customer's
                page.later.append(candidate)
        elif after and candidate.key not in owned:
            _hold(work, candidate, state, excluded, page, result)
        elif candidate.key in kept_back:
            _keep_back(candidate, kept_back[candidate.key], result)
            if sent is not None:  # the target may say something else by now: the next opt-out is sent again
                page.kept_back.append((candidate, target_id, state))
        else:
            record = owned.get(candidate.key, candidate.record)
            match = matches.get(candidate.key) or (Match(target_id) if target_id else NOBODY)
            _decide(work, candidate, record, match, (state, sent), page, result)
    return page


def _hold(
    work: Work, candidate: Candidate, state: str, excluded: Mapping[str, str], page: Sorted, result: PageResult
) -> None:
    """From the ERP the record waits for its customer, and is excluded with it; a contact that is no customer of the
    ERP's is none of it, but its opt-out follows if it becomes one. What was told once is told, whatever became of its
    customer."""
    if work.route.inlet.effect is Effect.KEYED and state == LinkState.ACTIVE:
        result.unchanged += 1
        result.settled.append(candidate.key)
    elif _owner_of(candidate) in excluded:
        result.put(Bucket.EXCLUDED, candidate.key)
        if state != LinkState.EXCLUDED:
            page.later.append(candidate)
    elif work.route.stream.after or _from_erp(work):
        result.put(Bucket.HELD, candidate.key)
        page.held.append(candidate)
    else:
        result.put(Bucket.EXCLUDED, candidate.key)
        if getattr(candidate.record, "given", "") == "no" and state != LinkState.EXCLUDED:
            page.later.append(candidate)


def _keep_back(candidate: Candidate, conflict: Finding | None, result: PageResult) -> None:
    result.put(Bucket.EXCLUDED, candidate.key)
    result.settled.append(candidate.key)  # a conflict of before is over unless it is here again
    if conflict:
        result.findings.append(conflict)


def _from_erp(work: Work) -> bool:
    return "customer" in work.route.source.streams


def _decide(
    work: Work,
    candidate: Candidate,
    record: Record,
    match: Match,
    before: tuple[str, bytes | None],
    page: Sorted,
    result: PageResult,
) -> None:
    if match.ambiguous or match.contested_by:
        _dispute(candidate, match, result)
        return
    linked = _linked(work, candidate, record, match, result)
    if linked is None:
        return
    state, sent = before
    same = state == LinkState.ACTIVE and sent == linked.sent_digest and not work.forced and not match.adopt
    if work.route.inlet.effect is Effect.KEYED:  # told once; what changed since would be a second message
        same = state == LinkState.ACTIVE
    # A retry sends what the target has already: only other values are a change then.
    linked.changes = bool(linked.target_id) and sent != linked.sent_digest and not (work.forced and sent is None)
    (page.untouched if same else page.changed).append(linked)


_NOT_KNOWN = Known()
_NO_RECORD = (Gone, Excluded)
_NEW = ("", "", None)
"""What a record without a link is known by: contact, state, digest."""


def _linked(work: Work, candidate: Candidate, record: Record, match: Match, result: PageResult) -> Linked | None:
    inlet = work.route.inlet
    try:
        target_key = work.adoption.keys.get(record.key)
        if target_key is None:
            target_key = inlet.identify(record)
        if len(target_key) > LONGEST_KEY or not storable(target_key):
            said = f"Its key in the target has {len(target_key):,} characters."
            raise RecordError("does_not_fit", "account", said, target_key[:100])
        payload, faults = inlet.encode(record, Known(match.target_id) if match.target_id else _NOT_KNOWN)
        digest = work.payload_digest(payload.body)
        if match.adopt:
            payload, faults = inlet.encode(record, Known(match.target_id, adopt=True))
    except RecordError as error:
        result.put(Bucket.REJECTED, candidate.key)
        result.findings.append(Finding(error.kind, candidate.key, error.field, error.message, error.value))
        return None
    if faults:
        candidate.faults += faults
    return Linked(candidate, record, match.target_id, target_key, digest, payload)


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
        finding = contested(candidate.key, match.target_id, match.contested_by)
    result.findings.append(finding)


def _link_rows(
    work: Work,
    page: Sorted,
    requests: Sequence[Request],
    result: PageResult,
) -> list[tuple[object, ...]]:
    outcomes = {one.key: (one, request) for request in requests for one in request.results}
    now, accepted, taken = away.outlasted(clock.now), Outcome.ACCEPTED, list[str]()
    row = _row_maker(work, now)
    rows = [_waiting_row(work, one, LinkState.HELD, now) for one in page.held]
    rows += [_waiting_row(work, one, LinkState.EXCLUDED, now) for one in page.later]
    rows += [_forgotten_row(work, *one, now) for one in page.kept_back]
    for one in page.untouched:
        result.unchanged += 1
        result.settled.append(one.candidate.key)
        result.findings += fault_findings(one.candidate)
        rows.append(row(one, one.target_id, True))
    for one in page.changed:
        candidate = one.candidate
        answer, request = outcomes[candidate.key]
        if answer.outcome is accepted:
            taken.append(candidate.key)
            if candidate.faults:
                result.findings += fault_findings(candidate)
            rows.append(row(one, answer.target_id or one.target_id or _own_id(work, one), True))
        elif answer.outcome is Outcome.REJECTED:
            result.put(Bucket.REJECTED, candidate.key)
            result.findings.append(_refusal(one, answer, request))
            rows.append(row(one, one.target_id, False))
    if taken:
        result.buckets.setdefault(Bucket.ACCEPTED, []).extend(taken)
        result.settled += taken
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


def _own_id(work: Work, one: Linked) -> str:
    """What the target keeps under our own key (an event) has no other id."""
    return fitting_key(one.candidate.key, 60) if work.route.inlet.after else ""


def _waiting_row(work: Work, candidate: Candidate, state: LinkState, now: object) -> tuple[object, ...]:
    """A link that waits: its target key names the customer it waits for."""
    return (work.route.flow.pk, candidate.key, "", state.value, _owner_of(candidate), None, None, None, now, now)


def _owner_of(candidate: Candidate) -> str:
    record = candidate.record
    return "" if isinstance(record, Gone | Excluded) else owner(record)


def _forgotten_row(work: Work, candidate: Candidate, target_id: str, state: str, now: object) -> tuple[object, ...]:
    """A link without its digests: what was sent before says nothing any more."""
    record = candidate.record
    key = "" if isinstance(record, Gone | Excluded) else work.route.inlet.identify(record)
    return (work.route.flow.pk, candidate.key, target_id, state, key, None, None, None, now, now)


def _row_maker(work: Work, now: object) -> Callable[[Linked, str, bool], tuple[object, ...]]:
    """Makes the rows of links. Digests are kept only while the record is accepted and its contact is known: else it
    is sent again."""
    flow, hashed = work.route.flow.pk, email_hasher()
    active, rejected = LinkState.ACTIVE.value, LinkState.REJECTED.value

    def row(one: Linked, target_id: str, accepted: bool) -> tuple[object, ...]:
        candidate, record = one.candidate, one.record
        known = accepted and bool(target_id)
        email = record.email if isinstance(record, Customer) else ""
        return (
            flow,
            candidate.key,
            fitting_key(target_id, 60),
            active if accepted else rejected,
            one.target_key,
            candidate.digest if known else None,
            one.sent_digest if known else None,
            hashed(email) if email else None,
            now,
            now,
        )

    return row
