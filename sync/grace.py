"""What a target accepted a moment ago it may not show yet: before a comparison names a difference of such a record, it
looks at it again, until the grace time since it was sent is over."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from sync import clock
from sync.catalogue import LinkState
from sync.comparison import compare
from sync.flows import Route
from sync.issues import Finding
from sync.models import CrossReference, Flow
from sync.reconcile import drifted

LATE = ("missing_in_target", "not_linked", "field_drift")
"""What a write looks like that does not show yet: nobody, somebody without our number, or the values of before."""
CHUNK = 500
FIRST_PAUSE = 0.5
"""Seconds before it is looked again; twice as long before each further time."""


def outwaited(route: Route, found: Sequence[Finding], told: Callable[[], None]) -> list[Finding]:
    """The findings that are left once the target has had time to show what it took. `told` is called before each
    wait; it may raise to end it. Nothing that was sent earlier is waited for."""
    ends = _grace_ends(route.flow, {finding.source_id for finding in found if finding.kind in LATE})
    if not ends:
        return list(found)
    early, late = list[Finding](), defaultdict[str, list[Finding]](list)
    for one in found:
        (late[one.source_id] if one.kind in LATE and one.source_id in ends else early).append(one)
    last, pause = max(ends.values()), FIRST_PAUSE
    while late and (left := (last - clock.now()).total_seconds()) > 0:
        told()
        time.sleep(min(pause, left))
        late, pause = defaultdict(list, _looked_at(route, late)), 2 * pause
    return early + [finding for findings in late.values() for finding in findings]


def _grace_ends(flow: Flow, keys: set[str]) -> dict[str, datetime]:
    """Of the records that were accepted a moment ago: when the target has had its time."""
    grace, wanted = timedelta(seconds=settings.SYNC["GRACE_SECONDS"]), sorted(keys)
    links = CrossReference.objects.filter(flow=flow, state=LinkState.ACTIVE, last_synced_at__gt=clock.now() - grace)
    if not grace or not links.exists():
        return {}
    parts = (wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK))
    sent = (links.filter(source_id__in=part).values_list("source_id", "last_synced_at") for part in parts)
    return {key: at + grace for part in sent for key, at in part if at}


def _looked_at(route: Route, late: Mapping[str, list[Finding]]) -> dict[str, list[Finding]]:
    """The records that still differ, as they show now."""
    observed = route.sink.look(route.flow.entity, list(late))
    still: dict[str, list[Finding]] = {}
    for key, findings in late.items():
        shown = observed.get(key)
        expected = {one["field"]: one["erp"] for one in findings[0].details["fields"]}
        left = list(drifted(key, shown.target_id, compare(expected, shown.fields, route.extra))) if shown else findings
        if left:
            still[key] = left
    return still
