"""Consent that is not passed on: unknown is neither yes nor no, and a bare yes lifts no opt-out.

What both systems say is compared where it matters: an opt-in without evidence against an opt-out is a conflict
that a person decides (PRODUCT F4). Opt-outs always go through.
"""

from collections.abc import Mapping, Sequence

from connectors.records import Consent, Record
from sync.delivery.page import Work
from sync.issues import Finding

KIND = "consent_conflict"
LOOK_UPS = 1_000
"""Records asked for at once: a connector divides them as its system wants, and may search once for all."""


def withheld(work: Work, records: Sequence[Record]) -> Mapping[str, Finding | None]:
    """By record key: the consents that are kept back, each with its conflict if there is one."""
    consents = [record for record in records if isinstance(record, Consent)]
    kept: dict[str, Finding | None] = {record.key: None for record in consents if record.given not in ("yes", "no")}
    bare = [record for record in consents if record.given == "yes" and not record.evidence.strip()]
    return kept | _conflicts(work, bare)


def _conflicts(work: Work, bare: Sequence[Consent]) -> dict[str, Finding | None]:
    if not bare or not work.route.inlet.readable:
        return {record.key: None for record in bare}
    sink, inlet = work.route.sink, work.route.inlet
    found: dict[str, Finding | None] = {}
    for start in range(0, len(bare), LOOK_UPS):
        batch = bare[start : start + LOOK_UPS]
        there = sink.find(inlet.entity, batch)
        for record in batch:
            opted_out = any(seen.fields.get("given") == "no" for seen in there.get(record.key, ()))
            found[record.key] = _conflict(work, record) if opted_out else None
    return found


def _conflict(work: Work, record: Consent) -> Finding:
    flow = work.route.flow
    return Finding(
        KIND,
        record.key,
        record.channel,
        f"{flow.source} says opted in, without evidence; {flow.target} says opted out. The opt-out stays until "
        "somebody decides.",
        "yes",
        "no",
    )
