"""Links that wait for a customer: told as one exception a customer, and released when its contact is confirmed."""

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Count, Q, QuerySet

from sync import issues, pending
from sync.catalogue import LinkState
from sync.issues import Finding
from sync.models import CrossReference, Flow


def after_run(flow: Flow, run_id: int) -> None:
    """One exception per missing customer, however many records wait for it."""
    waiting = (
        CrossReference.objects.filter(flow=flow, state=LinkState.HELD).values("target_key").annotate(n=Count("id"))
    )
    findings = [
        Finding(
            "held_for_parent",
            source_id=group["target_key"],
            field=flow.entity,
            message=f"{_number(group['n'], flow.entity)} for the contact of customer {group['target_key']}.",
            records=group["n"],
            blocked_by=group["target_key"],
        )
        for group in waiting
    ]
    if not findings and not flow.issues.filter(kind="held_for_parent", field=flow.entity).exists():
        return
    issues.raise_all(flow, run_id, findings)
    still = [finding.source_id for finding in findings]
    kept = flow.issues.filter(kind="held_for_parent", source_id__in=still).values_list("pk", flat=True)
    proof = "The contact is confirmed; what waited for it was released."
    issues.resolve_where(flow, proof, keep=kept, kind="held_for_parent", field=flow.entity)


def _number(count: int, entity: str) -> str:
    noun = entity.replace("_", " ")
    return f"1 {noun} waits" if count == 1 else f"{count:,} records ({noun}) wait"


def release(customers_flow: Flow) -> None:
    """After a run of the customers: what waited for them is looked at again, and so is what was excluded with a
    customer that no rule keeps out any more."""
    links = CrossReference.objects.filter(flow=customers_flow)
    confirmed = links.filter(state=LinkState.ACTIVE).exclude(target_id="")
    excluded = links.filter(state=LinkState.EXCLUDED)
    merged = links.filter(state=LinkState.SUPERSEDED, superseded_by__isnull=False)
    source, target = customers_flow.source, customers_flow.target
    among = Flow.objects.filter(Q(source=source, target=target) | Q(source=target, target=source))
    flows = list(among.exclude(pk=customers_flow.pk))
    beside = [flow for flow in flows if flow.source == source]
    back = [flow for flow in flows if flow.source != source]
    there = Q(target_key__in=confirmed.values("source_id"))
    decided = Q(target_key__in=merged.values("source_id")) | Q(target_key__in=excluded.values("source_id"))
    held, let_in = Q(there | decided, state=LinkState.HELD), Q(there, state=LinkState.EXCLUDED)
    unsent = CrossReference.objects.filter(target_id="")  # the index goes by target_id
    _ask(beside, unsent.filter(held | let_in))
    _ask(back, unsent.filter(state=LinkState.EXCLUDED, target_key__in=confirmed.values("target_key")))


def waiting(flow: Flow, state: LinkState) -> QuerySet[CrossReference]:
    return CrossReference.objects.filter(flow=flow, target_id="", state=state)  # the index goes by target_id


def _ask(flows: Sequence[Flow], links: QuerySet[CrossReference]) -> None:
    """One look for all of them: it is made after every run, and mostly in vain."""
    keys: dict[int, list[str]] = defaultdict(list)
    if flows:
        for flow_id, key in links.filter(flow__in=flows).values_list("flow_id", "source_id"):
            keys[flow_id].append(key)
    for flow in flows:
        if flow.pk in keys:
            pending.ask(flow, keys[flow.pk], "released")
