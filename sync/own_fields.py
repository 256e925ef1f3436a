"""Who sees a value of a site's own fields: what their mapping says (personal or not) counts, not what their name is."""

from collections.abc import Mapping
from typing import Any

from sync import flows, masking
from sync.masking import Class
from sync.models import FieldMapping, Flow
from sync.models.field_mapping import DRAFT

_KEPT = "_classes_of_own_fields"


def classify(user: Any, flow_id: int | None, field: str) -> Class:
    """Of a field that a mapping of this flow names or named, by its newest version that does; else by the data map.
    Asked once a request: they are kept with the person."""
    found: Mapping[tuple[int | None, str], Class] | None = getattr(user, _KEPT, None)
    if found is None:
        found = _of_all_flows()
        setattr(user, _KEPT, found)
    return found.get((flow_id, field), masking.classify(field))


def shown(user: Any, team: str, flow_id: int | None, field: str, value: object) -> str:
    """The text this person may see for a value of this flow's field."""
    if masking.unmasked(user, team):
        return masking.shown(user, team, field, value)
    return masking.shown(user, team, field, value, classify(user, flow_id, field))


def _of_all_flows() -> Mapping[tuple[int | None, str], Class]:
    flow_ids = {(flow.source, flow.stream, flow.target): flow.pk for flow in Flow.objects.all()}
    versions = FieldMapping.objects.exclude(state=DRAFT).order_by("number")
    return {
        (flow_ids.get((version.source, version.stream, version.target)), one.name):
            Class.PERSONAL if one.personal else Class.INTERNAL
        for version in versions
        for one in flows.extra_fields(version)
    }  # fmt: skip
