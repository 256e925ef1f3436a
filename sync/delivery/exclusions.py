"""Customers that a named rule keeps out of the target, and what belongs to them: kept out by the same rule.

The customer's link says so (state excluded, and the rule). A contact that is already there keeps its link's target
id, so that nobody takes it for an orphan and the customer finds it again once the rule lets it through.
"""

from collections.abc import Iterable, Sequence

from connectors.base import Excluded
from sync import clock, storage
from sync.catalogue import LinkState
from sync.delivery.page import Candidate, Work
from sync.models import CrossReference, Flow
from sync.models.link import OF_CUSTOMER

LINKS = storage.table(
    CrossReference,
    ["flow_id", "source_id", "target_id", "state", "target_key", "rule", "raw_digest", "sent_digest",
     "first_synced_at", "last_synced_at"],
    conflict=("flow_id", "source_id"),
    condition="NOT (state = 'superseded')",
    update=("state", "rule", "raw_digest", "sent_digest", "last_synced_at"),
)  # fmt: skip
_EXCLUDED = f"{storage.BY_KEY} AND state = '{LinkState.EXCLUDED.value}'"


def rules(parent: Flow | None, customers: Iterable[str]) -> dict[str, str]:
    """Customer → the rule that keeps it out, as it is written at what belongs to it; absent where none does."""
    wanted = sorted(set(customers))
    if parent is None or not wanted:
        return {}
    rows = storage.fetch(CrossReference, ["source_id", "rule"], "source_id", wanted, _EXCLUDED, [parent.pk])
    return {key: f"{OF_CUSTOMER}{rule or 'excluded'}"[:40] for key, rule in rows}


def write(work: Work, found: Sequence[Candidate]) -> None:
    """Within the page's transaction: these customers are excluded from now on; what is known already is not
    written again."""
    said = {one.key: one.record.rule[:40] for one in found if isinstance(one.record, Excluded)}
    if not said:
        return
    flow, now = work.route.flow.pk, clock.now()
    known = storage.fetch(CrossReference, ["source_id", "rule"], "source_id", sorted(said), _EXCLUDED, [flow])
    for key, rule in known:
        if said[key] == rule:
            del said[key]
    state = LinkState.EXCLUDED.value
    storage.upsert(LINKS, [(flow, key, "", state, "", rule, None, None, now, now) for key, rule in said.items()])
