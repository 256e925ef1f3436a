"""Compares a few records now: opens and closes the exceptions of their fields."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sync import flows, grace, issues, reading
from sync.comparison import compare
from sync.flows import Route
from sync.limits import limits_for
from sync.models import Flow
from sync.reconcile import drifted

PAIR, NOWHERE = "on both sides", "on no side"


class NotReadableError(Exception):
    """The flow's target cannot be read record by record."""


@dataclass
class Compared:
    """One record: on which sides it is, and which of its fields differ."""

    key: str
    state: str
    differing: list[str] = field(default_factory=list)

    @property
    def is_pair(self) -> bool:
        return self.state == PAIR


def records(flow: Flow, keys: Sequence[str]) -> list[Compared]:
    """What each of these records is like now. Raises ConnectorError, and NotReadableError for sales."""
    route = flows.open_route(flow, limits_for(flow.source), limits_for(flow.target))
    if not route.inlet.readable:
        raise NotReadableError(f"{flow}: the target cannot be read record by record; reconcile the whole flow.")
    found: list[Compared] = []
    for start in range(0, len(keys), route.inlet.batch):
        found += _batch(route, keys[start : start + route.inlet.batch])
    return found


def _batch(route: Route, keys: Sequence[str]) -> list[Compared]:
    expected = reading.from_source(route, keys)
    observed = route.sink.look(route.flow.entity, keys)
    where: dict[str, str] = {}
    findings: list[issues.Finding] = []
    for key in keys:
        if key not in expected or key not in observed:
            where[key] = "only in the ERP" if key in expected else "only in the target" if key in observed else NOWHERE
            continue
        fields = compare(expected[key], observed[key].fields, route.extra)
        findings += drifted(key, observed[key].target_id, fields)
    findings = grace.outwaited(route, findings, lambda: None)
    differing: dict[str, list[str]] = {key: [] for key in keys}
    for one in findings:
        differing[one.source_id].append(one.field)
    compared = [Compared(key, where.get(key, PAIR), differing[key]) for key in keys]
    _remember(route.flow, compared, findings)
    return compared


def _remember(flow: Flow, compared: Sequence[Compared], findings: list[issues.Finding]) -> None:
    issues.raise_all(flow, None, findings)
    pairs = [one.key for one in compared if one.is_pair]
    current = {finding.key for finding in findings}
    over = [
        pk
        for pk, *rest in issues.open_keys(flow, pairs)
        if rest[2] in ("field_drift", "missing_in_target", "not_linked") and tuple(rest) not in current
    ]
    issues.resolve(over, "Both systems were read for this record and this difference is over.")
