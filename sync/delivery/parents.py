"""Records that belong to a customer go out only once that customer's contact is confirmed in both systems."""

from collections.abc import Mapping, Sequence

import msgspec

from connectors.base import Effect
from connectors.records import Record
from sync import storage
from sync.catalogue import LinkState
from sync.delivery.page import Work
from sync.models import CrossReference, Flow

_CONFIRMED = f"{storage.BY_KEY} AND state = '{LinkState.ACTIVE.value}' AND target_id <> ''"
_MERGED = f"{storage.BY_KEY} AND state = '{LinkState.SUPERSEDED.value}' AND superseded_by_id IS NOT NULL ORDER BY id"
_REACHABLE = f"{storage.BY_KEY} AND state IN ('active', 'excluded') AND target_id <> ''"
"""Consent reaches a contact that is there, whatever rule keeps its customer out: an opt-out is never withheld."""
LONGEST_CHAIN = 20
"""Merges that are followed; a ring ends there, too."""


def owner(record: Record) -> str:
    """The key of the customer the record belongs to."""
    return str(getattr(record, "customer", record.key))


def of(work: Work) -> Flow | None:
    """The flow of the customers whose records these are; None the other way round."""
    flow, entity = work.route.flow, work.route.inlet.after or work.route.stream.after
    return Flow.objects.filter(source=flow.source, target=flow.target, entity=entity).first()


def confirmed(work: Work, records: Sequence[Record]) -> Mapping[str, Record]:
    """By record key: the records whose customer is linked, with the customer's key as the target knows it.

    From the ERP the customer is named by its source id. The other way it is named by the key that was written
    into the platform's contact; the link tells whose that is.
    """
    flow = work.route.flow
    where = _REACHABLE if work.route.inlet.entity == "consent" else _CONFIRMED
    parent = of(work)
    if parent is not None:
        linked = _known(parent, "source_id", "source_id", records, where)
        there = {record.key: record for record in records if owner(record) in linked}
        if work.route.inlet.effect is not Effect.KEYED:
            return there
        return there | _of_survivors(parent, [record for record in records if record.key not in there])
    parent = Flow.objects.filter(source=flow.target, target=flow.source, entity=work.route.inlet.after).first()
    if parent is None:
        return {}
    linked = _known(parent, "target_key", "source_id", records, where)
    return {
        record.key: msgspec.structs.replace(record, customer=linked[owner(record)])
        for record in records
        if owner(record) in linked
    }


def _of_survivors(parent: Flow, records: Sequence[Record]) -> dict[str, Record]:
    """Events of customers that were merged reach the one that is left."""
    ends = _survivors(parent, {owner(record) for record in records})
    return {
        record.key: msgspec.structs.replace(record, customer=end.source_id, account=end.target_key)
        for record in records
        if hasattr(record, "customer") and (end := ends.get(owner(record)))
    }


def _survivors(parent: Flow, merged: set[str]) -> dict[str, CrossReference]:
    """Customer → the confirmed link at the end of its merges; absent where they end nowhere."""
    rows = storage.fetch(
        CrossReference, ["source_id", "superseded_by_id"], "source_id", sorted(merged), _MERGED, [parent.pk]
    )
    at = dict(rows)
    ends: dict[str, CrossReference] = {}
    for _ in range(LONGEST_CHAIN):
        links = CrossReference.objects.in_bulk(set(at.values())) if at else {}
        ends |= {key: link for key, pk in at.items() if (link := links.get(pk)) and _is_confirmed(link)}
        at = {
            key: links[pk].superseded_by_id
            for key, pk in at.items()
            if key not in ends and pk in links and links[pk].superseded_by_id
        }
    return ends


def _is_confirmed(link: CrossReference) -> bool:
    return link.state == LinkState.ACTIVE and bool(link.target_id)


def _known(parent: Flow, column: str, gives: str, records: Sequence[Record], where: str) -> dict[str, str]:
    wanted = sorted({owner(record) for record in records})
    return dict(storage.fetch(CrossReference, [column, gives], column, wanted, where, [parent.pk]))
