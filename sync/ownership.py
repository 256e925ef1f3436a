"""Fields of the target that marketing owns: compared, never written, so that sending again changes nothing there."""

from collections.abc import Container

from django.db.models import Q

from connectors.extra import ERP
from sync import flows
from sync.models import FieldMapping, Flow, SyncIssue
from sync.models.field_mapping import ACTIVE

KIND = "field_drift"
WHY_NO_RETRY = "Marketing owns this field and the console never writes it: a retry would change nothing."
REMEDY = (
    "Correct the value in Emarsys, or in the ERP if that one is wrong: the next comparison closes this. Waive it if "
    "the difference is wanted. To let the ERP decide, make it the owner in the flow's field mapping."
)


def of_marketing() -> set[tuple[int, str]]:
    """(flow, field as the exceptions name it) of every mapping in force."""
    named = {(flow.source, flow.stream, flow.target): flow.pk for flow in Flow.objects.all()}
    return {
        (named[where], one.name)
        for mapping in FieldMapping.objects.filter(state=ACTIVE)
        if (where := (mapping.source, mapping.stream, mapping.target)) in named
        for one in flows.extra_fields(mapping)
        if one.owner != ERP
    }


def is_marketings(issue: SyncIssue, fields: Container[tuple[int, str]] | None = None) -> bool:
    """`fields` are those of marketing, for whoever asks about many."""
    if issue.kind != KIND:
        return False
    return (issue.flow_id, issue.field) in (of_marketing() if fields is None else fields)


def theirs() -> Q:
    """Which exceptions are about such a field; for a query."""
    among = Q(pk__in=[])
    for flow_id, name in of_marketing():
        among |= Q(flow_id=flow_id, field=name)
    return Q(kind=KIND) & among
